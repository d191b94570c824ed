"""Early stopping inside brackets of cost: a network is only ever compared with networks that cost about as much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

__all__ = ["BRACKET", "FAILURE", "CostBrackets", "NoStopping"]

BRACKET = "bracket"
"""Key of a trial's configuration that says which bracket its network belongs to."""
FAILURE = "failure"
"""Key of a report that says why there will be no further one."""


class CostBrackets(FIFOScheduler):  # what no bracket decides, comes first as it came
    """Asynchronous successive halving (Li et al. 2020), once for each bracket.

    Args:
        count: How many brackets there are.
        first: Share of the training at which is compared first.
        reduction: One in so many goes on; the next comparison comes after so many times the share.
        halted: Asked before anything else: whether everything is to stop.
        earlier: What was read before this process: bracket, and (share, loss) of each configuration that has ended.
    """

    def __init__(
        self,
        count: int,
        first: float,
        reduction: int,
        halted: Callable[[], bool],
        earlier: Sequence[tuple[int, Sequence[tuple[float, float]]]] = (),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._halted = halted
        self._brackets = [
            ASHAScheduler(
                time_attr="share",
                metric="loss",
                mode="min",
                max_t=1,
                grace_period=first,  # type: ignore[arg-type]  # a share will do
                reduction_factor=reduction,
            )
            for _ in range(count)
        ]
        for number, (bracket, readings) in enumerate(earlier):
            self._remember(_Earlier(f"earlier {number}", {BRACKET: bracket}), readings)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401 - Ray's own
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:  # noqa: ANN401
        if FAILURE in result or self._halted():
            return TrialScheduler.STOP
        decision: str = self._of(trial).on_trial_result(tune_controller, trial, dict(result))
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> None:  # noqa: ANN401
        if FAILURE not in result:
            self._of(trial).on_trial_complete(tune_controller, trial, dict(result))

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        self._of(trial).on_trial_remove(tune_controller, trial)

    def _remember(self, trial: _Earlier, readings: Sequence[tuple[float, float]]) -> None:
        """Compare what comes with what was there before too: a search that is resumed stops as it would have."""
        known = self._of(trial)
        known.on_trial_add(None, trial)  # type: ignore[arg-type]
        for share, loss in readings:
            known.on_trial_result(None, trial, {"share": share, "loss": loss})  # type: ignore[arg-type]
        known.on_trial_remove(None, trial)  # type: ignore[arg-type]

    def _of(self, trial: Any) -> ASHAScheduler:  # noqa: ANN401
        return self._brackets[int(trial.config[BRACKET])]


@dataclass(frozen=True)
class _Earlier:
    """A configuration that ended before, in the place of Tune's trial."""

    trial_id: str
    config: dict[str, int] = field(default_factory=dict)


class NoStopping(FIFOScheduler):
    """Trains every configuration to its end."""

    def __init__(self, halted: Callable[[], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._halted = halted

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:  # noqa: ANN401
        return TrialScheduler.STOP if FAILURE in result or self._halted() else TrialScheduler.CONTINUE
