"""Readings of networks with batch sizes of their own stand where others were read at the same share of training."""

from __future__ import annotations

import numpy as np
import pytest

from search.decision.one_scale import steps_on_one_scale
from search.spec import TrainingSpec
from search.training.loop import reading_steps
from search.trials import Trial, TrialResult

ROWS = 1000


def _result(trial: Trial, training: TrainingSpec, batch_size: int) -> TrialResult:
    """As an engine reads it: ``search.training.blueprint``."""
    steps_S = reading_steps(ROWS, training.model_copy(update={"batch_size": batch_size}))
    steps_S = steps_S[: max(1, int(trial.fraction * len(steps_S) + 1e-9))]
    return TrialResult(steps_S, np.ones((1, len(steps_S))), 1.0, "w:1")


def _trial(fraction: float, batch_size: int | None = None) -> Trial:
    sharing = "hard" if batch_size is None else f"hard with batch_size={batch_size}"
    return Trial(("a",), 1.0, 0, fraction=fraction, sharing=sharing)


@pytest.mark.parametrize("readings", [1, 2, 5])
@pytest.mark.parametrize("fraction", [0.125, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("batch_size", [7, 32, 64, 100, 128])
def test_equal_shares_of_training_are_equal_steps(batch_size: int, fraction: float, readings: int) -> None:
    training = TrainingSpec(epochs=8, batch_size=64, readings_per_epoch=readings)
    whole, early, own = _trial(1.0), _trial(fraction), _trial(fraction, batch_size)
    results = {trial: _result(trial, training, batch_size if trial is own else 64) for trial in (own, whole, early)}
    steps = steps_on_one_scale(training, results)
    assert steps[whole].tolist() == results[whole].steps_S.tolist()
    assert steps[own].tolist() == results[early].steps_S.tolist()


def test_a_whole_training_ends_where_the_others_end_however_few_its_readings() -> None:
    """Of 400 rows a batch an epoch has three steps, and so three readings of the five that were asked for."""
    training = TrainingSpec(epochs=8, batch_size=64, readings_per_epoch=5)
    whole, own = _trial(1.0), _trial(1.0, 400)
    results = {whole: _result(whole, training, 64), own: _result(own, training, 400)}
    steps = steps_on_one_scale(training, results)
    assert len(steps[own]) == 24
    assert (np.diff(steps[own]) > 0).all()
    assert steps[own][2::3].tolist() == steps[whole][4::5].tolist()


def test_where_all_have_one_batch_size_nothing_is_counted_anew() -> None:
    training = TrainingSpec(epochs=3, batch_size=64)
    result = TrialResult(np.array([5, 11]), np.ones((1, 2)), 1.0, "w:1")
    for trial in (_trial(1.0), _trial(1.0, 64), _trial(1.0, 128)):
        assert steps_on_one_scale(training, {trial: result})[trial] is result.steps_S
