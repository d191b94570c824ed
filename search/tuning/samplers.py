"""Optuna's part: it draws points of the space from what it was told, and is told the truth about each of them.

Tune's own search tells Optuna the last value of every trial as its final one. Here a configuration that was stopped
early is told as pruned, with its readings; one that failed as failed; and none is ever running.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from ray.tune.search.optuna import OptunaSearch

from search.spec.space import Choices, Dimension, Space, Value
from search.store.configurations import ConfigurationRecord

__all__ = ["ToldSearch", "distributions", "quiet_optuna", "told_study"]

_RANDOM_FIRST = 10  # Optuna's own number of draws before it models anything; a third of a short search
_DIGITS = 4
_STATES = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}


class ToldSearch(OptunaSearch):
    """One study in memory that is told the truth about configurations that have ended, and of nothing else.

    Args:
        space: What is drawn from.
        by_cost: Whether cost is minimised beside loss; then early readings are of no use to Optuna.
        planned: Configurations that will be drawn in all.
    """

    def __init__(self, space: Space, *, by_cost: bool, planned: int) -> None:
        self._dimensions, self._by_cost, self._draws = space, by_cost, 0
        self._random_first = max(2, min(_RANDOM_FIRST, planned // 3))
        sampler = TPESampler(seed=0, n_startup_trials=self._random_first)
        names, modes = (["loss", "cost"], ["min", "min"]) if by_cost else ("loss", "min")
        with quiet_optuna():
            super().__init__(distributions(space), metric=names, mode=modes, sampler=sampler)

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
        """A new point, of which the study knows nothing until it is told how it ended."""
        self._draws += 1
        drawn = self.suggest(f"draw {self._draws}")
        assert drawn is not None
        self.on_trial_complete(f"draw {self._draws}", error=True)  # what it learns from is the rounded point
        return {key: _rounded(value, self._dimensions, key) for key, value in drawn.items()}

    def tell(self, ended: ConfigurationRecord) -> None:
        """How a configuration ended."""
        self.study.add_trial(_told(ended, distributions(self._dimensions), by_cost=self._by_cost))


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
    told = ToldSearch(space, by_cost=by_cost, planned=0)
    for record in ended:
        told.tell(record)
    return told.study


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
