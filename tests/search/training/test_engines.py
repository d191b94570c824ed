"""Engines: one name each in the spec, the same trial up to rounding, never mixed in one comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.decision.measurement import Measurement
from search.execution.executor import InlineExecutor
from search.spec import EngineName, NetworkSpec, Spec
from search.store.store import Store
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.trials import Course, Trial, TrialResult
from tests.search.decision.test_measurement import Quiet


def experiment(engine: EngineName) -> Experiment:
    document = {
        "name": "x",
        "data": {"source": "synthetic"},
        "budget": {"inference": 1},
        "training": {"epochs": 1, "engine": engine},
    }
    spec = resolve(Spec.model_validate(document))
    return Experiment(load_dataset(spec, Path()), spec.network, spec.training)


def test_the_spec_knows_every_engine_and_no_other() -> None:
    assert set(ENGINES) == set(get_args(EngineName))


def test_the_engine_is_part_of_a_trials_identity() -> None:
    trial = Trial(("g0_0",), 1.0, 0)
    keys = {trial.key(experiment(engine).context) for engine in ENGINES}
    assert len(keys) == len(ENGINES)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "plain"])
def test_a_measured_trial_is_the_plain_trainers_up_to_rounding(engine: EngineName, tmp_path: Path) -> None:
    common = experiment(engine)
    names = [task.name for task in common.dataset.tasks]
    asked = [Trial((names[0], other), 1.0, seed) for other in names[1:4] for seed in (0, 1)]
    asked.append(replace(asked[0], capacity=0.5))
    with Store.open(tmp_path) as store:
        run = store.create_run("x", "recommend", "", {})
        store.set_state(run, "running")
        measurement = Measurement(
            store, run, InlineExecutor(), ENGINES[engine].train, Quiet(), ENGINES[engine].pack_size
        )
        found = measurement.measure(common, "search", "groups", asked)
    assert list(found) == asked
    for trial in asked:
        plain = ENGINES["plain"].train(common, (Course(trial),))[0]
        assert isinstance(plain, TrialResult)
        assert found[trial].steps_S.tolist() == plain.steps_S.tolist()
        np.testing.assert_allclose(found[trial].curve_TS, plain.curve_TS, rtol=1e-4)


@pytest.mark.parametrize("network", [{"norm": "batch"}, {"dropout": 0.1}, {"trunk": "cnn", "image": [1, 3, 4]}])
def test_products_one_by_one_are_for_plain_perceptrons(network: dict[str, object]) -> None:
    common = experiment("plain")
    assert not ENGINES["fused-onednn"].obstacle(common)
    other = replace(common, network=NetworkSpec.model_validate({"widths": [8, 8]} | network))
    assert "without normalisation and dropout" in ENGINES["fused-onednn"].obstacle(other)
    assert not ENGINES["fused"].obstacle(other)


def test_packs_are_large_where_launches_count_and_of_one_for_the_plain_engine() -> None:
    assert ENGINES["fused"].networks(gpus=0.25) > ENGINES["fused"].networks(gpus=0.0) == 8
    assert ENGINES["plain"].networks(gpus=1.0) == 1
