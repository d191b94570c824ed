"""Optuna's part: it draws points of the space from what it was told, and is told the truth about each of them.

Tune's own search tells Optuna the last value of every trial as its final one. Here a configuration that was stopped
early is told as pruned, with its readings; one that failed as failed; and none is left running.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from ray.air.constants import TRAINING_ITERATION
from ray.tune.search.optuna import OptunaSearch

from search.spec.space import Choices, Dimension, Space, Value
from search.store.configurations import ConfigurationRecord

__all__ = ["ToldSearch", "distributions", "quiet_optuna", "told_study"]

_RANDOM_FIRST = 10  # Optuna's own number of draws before it models anything; a third of a short search
_DIGITS = 4
_STATES = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}


class ToldSearch(OptunaSearch):
    """One study in memory, rebuilt from what the store holds and told nothing but the truth from then on.

    Args:
        space: What is drawn from.
        ended: Configurations that have ended, in their order.
        by_cost: Whether cost is minimised beside loss; then early readings are of no use to Optuna.
        planned: Configurations that will be drawn in all.
    """

    def __init__(self, space: Space, ended: Sequence[ConfigurationRecord], *, by_cost: bool, planned: int) -> None:
        self._dimensions, self._by_cost = space, by_cost
        self._random_first = max(2, min(_RANDOM_FIRST, planned // 3))
        sampler = TPESampler(seed=0, n_startup_trials=self._random_first)
        names, modes = (["loss", "cost"], ["min", "min"]) if by_cost else ("loss", "min")
        with quiet_optuna():
            super().__init__(distributions(space), metric=names, mode=modes, sampler=sampler)
        for record in ended:
            self.study.add_trial(_told(record, distributions(space), by_cost=by_cost))

    @property
    def study(self) -> optuna.Study:
        """Everything that was drawn or told."""
        study: Any = self._ot_study
        assert isinstance(study, optuna.Study)
        return study

    def sow(self, seed: int) -> None:
        """Draws follow from this and from what was told, and not from how many draws there were before."""
        self.study.sampler = TPESampler(seed=seed, n_startup_trials=self._random_first)

    def draw(self) -> dict[str, Value]:
        """A new point, of which nothing is known until it is begun."""
        asked = self.study.ask(fixed_distributions=distributions(self._dimensions))
        self.study.tell(asked, state=TrialState.FAIL)  # what it learns from is the rounded point
        return {key: _rounded(value, self._dimensions, key) for key, value in asked.params.items()}

    def begin(self, name: str, values: Mapping[str, Value]) -> None:
        """Put a point under a name of the caller's, to be told how it ends."""
        self.study.enqueue_trial(dict(values))
        self.suggest(name)

    def read(self, name: str, step: int, loss: float) -> None:
        """An early loss."""
        self.on_trial_result(name, {"loss": loss, TRAINING_ITERATION: step})

    def end(self, name: str, state: str, loss: float | None = None, cost: float | None = None) -> None:
        """How a point ended: ``finished`` with its loss, ``stopped`` or ``failed`` without."""
        if state == "finished":
            self.on_trial_complete(name, {"loss": loss, "cost": cost})
        else:  # without a value it is told as pruned, or as failed; of two objectives Optuna knows no pruning
            self.on_trial_complete(name, None, error=state == "failed" or self._by_cost)

    def close(self) -> int:
        """Tell what is left running as failed; how many that were."""
        left = [trial for trial in self.study.trials if not trial.state.is_finished()]
        for trial in left:
            self.study.tell(trial.number, state=TrialState.FAIL)
        return len(left)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Without Optuna's news of every study and trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space in Optuna's words."""
    return {name: _distribution(dimension) for name, dimension in space.items()}


def told_study(space: Space, ended: Sequence[ConfigurationRecord], *, by_cost: bool) -> optuna.Study:
    """A study of what the store holds, for analysis."""
    return ToldSearch(space, ended, by_cost=by_cost, planned=0).study


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.values)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _told(record: ConfigurationRecord, space: dict[str, BaseDistribution], *, by_cost: bool) -> FrozenTrial:
    state = _STATES[record.state]
    if by_cost and state == TrialState.PRUNED:
        state = TrialState.FAIL
    finished = state == TrialState.COMPLETE
    values = [record.loss, record.cost] if by_cost else [record.loss]
    readings = {} if by_cost else {step: loss for step, (_, loss) in enumerate(record.readings, 1)}
    return create_trial(
        state=state,
        params=dict(record.values),
        distributions=space,
        values=[value for value in values if value is not None] if finished else None,
        intermediate_values=readings,
    )


def _rounded(value: Value, space: Space, name: str) -> Value:
    """The value with few digits, so that people can read and repeat it; never beyond the ends of its range."""
    dimension = space[name]  # type: ignore[index]
    if isinstance(dimension, Choices) or not isinstance(value, float):
        return value
    return min(max(float(f"{value:.{_DIGITS}g}"), dimension.low), dimension.high)
