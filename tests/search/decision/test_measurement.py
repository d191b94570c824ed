"""Measuring trials: packs go to the workers, single results into the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event

from search.decision.measurement import Measurement
from search.errors import TrialError
from search.execution.executor import InlineExecutor
from search.execution.simulated import SimulatedExecutor
from search.pace import Forecast
from search.store.store import Store
from search.training.experiment import Experiment
from search.training.packs import OneByOne, Pack, TrainPack
from search.trials import Trial, TrialFailure, TrialResult
from tests.search.decision.test_probe import experiment


class Quiet:
    def foresee(self, forecast: Forecast) -> None: ...

    def start(self, label: str, total: int, done: int) -> None: ...
    def advance(self, failed: bool) -> None: ...
    def finish(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        yield store


def measurement(store: Store, train: TrainPack, pack_size: int) -> Measurement:
    run = store.create_run("x", "recommend", "", {})
    store.set_state(run, "running")
    return Measurement(store, run, InlineExecutor(), train, Quiet(), pack_size)


def trained(experiment: Experiment, trial: Trial) -> TrialResult:
    return TrialResult(np.array([1]), np.array([[float(trial.seed)]]), 0.1, "w:1")


def test_results_are_stored_one_by_one_whatever_the_packs(store: Store) -> None:
    seen: list[int] = []

    def train(common: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        seen.append(len(pack))
        return OneByOne(trained)(common, pack)

    asked = [Trial(("g0_0",), 1.0, seed) for seed in range(8)]
    measure = measurement(store, train, 3)
    found = measure.measure(experiment(3), "search", "groups", asked)
    assert seen == [3, 3, 2]
    assert [float(found[trial].curve_TS[0, 0]) for trial in asked] == list(range(8))
    assert len(store.finished_trials(measure.run)) == 8


def test_results_that_become_known_together_are_stored_together(store: Store) -> None:
    """As many transactions as moments: a thousand workers do not make a thousand of them."""
    run = store.create_run("x", "recommend", "", {})
    store.set_state(run, "running")
    executor = SimulatedExecutor(50, lambda pack: 1.0)
    measure = Measurement(store, run, executor, OneByOne(trained), Quiet())
    commits: list[object] = []
    event.listen(store.sessions.engine, "commit", commits.append)
    asked = [Trial(("g0_0",), 1.0, seed) for seed in range(200)]
    assert list(measure.measure(experiment(3), "search", "groups", asked)) == asked
    assert len(store.finished_trials(run)) == 200
    assert len(commits) < 20


def test_a_row_of_results_ends_when_a_pack_in_it_fails_as_a_whole(store: Store) -> None:
    recorded: list[int] = []

    def train(common: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        recorded.append(len(store.finished_trials(measure.run)))
        if len(pack) > 1 and pack[0].trial.seed == 2:
            raise TrialError("too large")
        return OneByOne(trained)(common, pack)

    measure = measurement(store, train, 2)
    measure.executor = SimulatedExecutor(2, lambda pack: 1.0)
    measure.measure(experiment(3), "search", "groups", [Trial(("g0_0",), 1.0, seed) for seed in range(8)])
    assert recorded == [0, 0, 2, 2, 6, 6]


def test_a_pack_that_fails_as_a_whole_is_tried_one_by_one(store: Store) -> None:
    def train(common: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        if len(pack) > 1 or pack[0].trial.seed == 2:
            raise TrialError("too large")
        return OneByOne(trained)(common, pack)

    asked = [Trial(("g0_0",), 1.0, seed) for seed in range(4)]
    measure = measurement(store, train, 4)
    found = measure.measure(experiment(3), "search", "groups", asked)
    assert list(found) == [asked[0], asked[1], asked[3]]
    assert measure.failures == {asked[2]: "too large"}
