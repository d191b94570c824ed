"""Early stopping inside brackets of cost: a network is only ever compared with networks that cost about as much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

__all__ = ["FAILURE", "PLACE", "CostBrackets", "NoStopping", "Readings"]

PLACE = "place"
"""Key of a trial's configuration: its place in the plan."""
FAILURE = "failure"
"""Key of a report that says why there will be no further one."""
Readings = Sequence[tuple[float, float]]
"""Shares of a training and the losses read there."""


class CostBrackets(FIFOScheduler):  # what is not to be stopped, comes first as it came
    """Asynchronous successive halving (Li et al. 2020) among networks that cost about as much.

    Each configuration is compared with those that had ended when it was drawn, whatever others have read since: so it
    is stopped, or not, whichever worker was faster, and again when the search is resumed.

    Args:
        first: Share of the training at which is compared first.
        reduction: One in so many goes on; the next comparison comes after so many times the share.
        halted: Asked before anything else: whether everything is to stop.
        known: The readings, (share, loss), of each configuration that one of a place is compared with.
    """

    def __init__(
        self, first: float, reduction: int, halted: Callable[[], bool], known: Callable[[int], Sequence[Readings]]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._first, self._reduction, self._halted, self._known = first, reduction, halted, known
        self._asked: dict[str, ASHAScheduler] = {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:  # noqa: ANN401
        if FAILURE in result or self._halted():
            return TrialScheduler.STOP
        if trial.trial_id not in self._asked:
            self._asked[trial.trial_id] = self._among(self._known(int(trial.config[PLACE])), trial)
        decision: str = self._asked[trial.trial_id].on_trial_result(tune_controller, trial, dict(result))
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._asked.pop(trial.trial_id, None)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        self._asked.pop(trial.trial_id, None)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        self._asked.pop(trial.trial_id, None)

    def _among(self, known: Sequence[Readings], trial: Any) -> ASHAScheduler:  # noqa: ANN401
        asha = ASHAScheduler(
            time_attr="share",
            metric="loss",
            mode="min",
            max_t=1,
            grace_period=self._first,  # type: ignore[arg-type]  # a share will do
            reduction_factor=self._reduction,
        )
        for number, readings in enumerate(known):
            ended: Any = _Ended(f"ended {number}")
            asha.on_trial_add(None, ended)  # type: ignore[arg-type]
            for share, loss in readings:
                asha.on_trial_result(None, ended, {"share": share, "loss": loss})  # type: ignore[arg-type]
            asha.on_trial_remove(None, ended)  # type: ignore[arg-type]
        asha.on_trial_add(None, trial)  # type: ignore[arg-type]
        return asha


@dataclass(frozen=True)
class _Ended:
    """A configuration that has ended, in the place of Tune's trial."""

    trial_id: str


class NoStopping(FIFOScheduler):
    """Trains every configuration to its end."""

    def __init__(self, halted: Callable[[], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._halted = halted

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:  # noqa: ANN401
        return TrialScheduler.STOP if FAILURE in result or self._halted() else TrialScheduler.CONTINUE
