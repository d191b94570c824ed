"""Predicted times: the fitted rule explains trainings whose cost is known."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.decision.probe import Speed, measure_speed
from search.errors import TrialError
from search.execution.executor import InlineExecutor
from search.spec import Spec
from search.training.experiment import Experiment
from search.training.packs import OneByOne
from search.trials import Trial, TrialResult
from tests.search.planted import planted


def experiment(epochs: int) -> Experiment:
    document = {
        "name": "x",
        "data": {"source": "synthetic"},
        "budget": {"inference": 1},
        "training": {"epochs": epochs},
    }
    spec = resolve(Spec.model_validate(document))
    return Experiment(load_dataset(spec, Path()), spec.network, spec.training)


def known_cost(experiment: Experiment, trial: Trial) -> TrialResult:
    """A training that takes 10 ms and, whole, 2 s and 1 s for every SNT beyond the first and 0.1 s for every head."""
    whole = 2.0 + 1.0 * trial.capacity + 0.1 * len(trial.tasks)
    result = planted(experiment, trial)
    seconds = 0.01 + trial.fraction * whole
    time.sleep(seconds / 20)  # the wall clock runs faster here, and shows no waiting
    return TrialResult(result.steps_S, result.curve_TS, seconds, "w:1")


@pytest.mark.parametrize("epochs", [1, 12, 200])
def test_the_rule_predicts_trainings_it_has_not_seen(epochs: int) -> None:
    speed = measure_speed(experiment(epochs), InlineExecutor(), OneByOne(known_cost), [0.5, 3.0])
    trial = Trial(("g0_0", "g0_1", "g0_2"), 2.0, 7)
    assert speed.seconds(trial) == pytest.approx(0.01 + 4.3, rel=0.15)


def test_an_ensemble_costs_every_copy_and_a_fraction_its_share() -> None:
    speed = Speed(0.1, 1.0, 2.0, 0.5, workers=2, start=3.0, memory_mb=100.0)
    assert speed.seconds(Trial(("a",), 1.0, 0)) == pytest.approx(3.6)
    assert speed.seconds(Trial(("a",), 1.0, 0, copies=3)) == pytest.approx(10.8)
    assert speed.seconds(Trial(("a",), 1.0, 0, fraction=0.5)) == pytest.approx(0.1 + 1.75)
    assert speed.wall([Trial(("a",), 1.0, seed) for seed in range(4)]) == pytest.approx(7.2)


def test_trainings_that_all_fail_say_why_before_the_run_begins() -> None:
    with pytest.raises(TrialError, match=r"the first trainings failed: .*hopeless"):
        measure_speed(experiment(3), InlineExecutor(), OneByOne(failing), [1.0])


def failing(experiment: Experiment, trial: Trial) -> TrialResult:
    raise TrialError("hopeless")
