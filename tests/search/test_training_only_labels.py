"""Hints and targets that are known only afterwards: auxiliary tasks with labels in the training part only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from search.job import Job, prepare
from search.spec import Estimator, Spec
from search.training.fused import train_fused
from search.training.trainer import train
from search.trials import Course, Trial, TrialResult
from tests.search.test_run import Runs

ESTIMATORS: list[Estimator] = [
    "measured",
    "higher-order",
    "early-stopping",
    "adaptive",
    "linear-surrogate",
    "look-ahead",
    "linearised",
]


def job(folder: Path, *, later: bool = True, **sections: Any) -> Job:
    """Three tasks of a few rows, and a hint whose labels are missing after the training rows, or scrambled there."""
    rng = np.random.default_rng(0)
    inputs_NF = rng.normal(size=(200, 3))
    frame = pd.DataFrame(inputs_NF, columns=["x_0", "x_1", "x_2"])
    targets_NT = inputs_NF @ rng.normal(size=(3, 4)) + 0.3 * rng.normal(size=(200, 4))
    for t, name in enumerate(["a", "b", "c", "hint"]):
        frame[name] = targets_NT[:, t]
    frame["part"] = np.repeat(["train", "val", "test"], [120, 40, 40])
    frame.loc[frame["part"] != "train", "hint"] = np.nan if later else rng.normal(size=80)
    frame.to_csv(folder / "rows.csv", index=False)
    document = {
        "name": "hints",
        "data": {"source": "rows.csv", "inputs": ["x_*"], "split": {"column": "part"}},
        "tasks": [
            {"name": n, "type": "regression", "role": "auxiliary" if n == "hint" else "main"}
            for n in ("a", "b", "c", "hint")
        ],
        "network": {"widths": [6]},
        "training": {"epochs": 4, "batch_size": 60, "seeds": 2, "engine": "plain"},
        "affinity": {"audit": 1},
        "budget": {"inference": 2, "max_networks": 2},
        "evidence": {"seeds": 2, "random_groupings": 1, "draws": 5},
    }
    return prepare(Spec.model_validate({**document, **sections}), folder)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_recommendation_is_made_with_a_task_that_is_only_learnt_from(
    runs: Runs, tmp_path: Path, estimator: Estimator
) -> None:
    sections: dict[str, Any] = {"affinity": {"estimator": estimator, "audit": 1}}
    if estimator == "adaptive":
        sections["budget"] = {"inference": 2, "max_networks": 2, "training": {"trainings": 30}}
    asked = job(tmp_path, **sections)
    recommendation = runs.work(asked, runs.create(asked), train=train)
    served = sorted(task for network in recommendation.solution.networks for task in network.serves)
    assert served == ["a", "b", "c"]
    assert not [warning for warning in recommendation.warnings if "failed" in warning]
    assert any("'hint' has no validation labels" in warning for warning in recommendation.warnings)
    trained = {trial.trial.network for trial in runs.store.trials(recommendation.run)}
    assert any("hint" in network and network != "hint" for network in trained)


def test_groups_may_be_halved_beside_it(runs: Runs, tmp_path: Path) -> None:
    asked = job(tmp_path, affinity={"estimator": "measured", "audit": 1}, candidates={"halving": {}})
    recommendation = runs.work(asked, runs.create(asked), train=train)
    assert recommendation.halving is not None


def test_the_others_learn_from_it_exactly_as_if_it_were_judged(tmp_path: Path) -> None:
    trial = Trial(("a", "hint"), 1.0, 0)
    for name in ("unjudged", "judged"):
        (tmp_path / name).mkdir()
    unjudged = train(job(tmp_path / "unjudged").experiments[0], trial)
    judged = train(job(tmp_path / "judged", later=False).experiments[0], trial)
    alone = train(job(tmp_path / "unjudged").experiments[0], Trial(("a",), 1.0, 0))
    np.testing.assert_array_equal(unjudged.curve_TS[0], judged.curve_TS[0])
    assert (unjudged.curve_TS[0] != alone.curve_TS[0]).all()
    assert (unjudged.curve_TS[1] == 1).all()
    assert (judged.curve_TS[1] != 1).all()


def test_it_has_no_say_in_which_state_is_kept(tmp_path: Path) -> None:
    experiment = job(tmp_path).experiments[0]
    together = train(experiment, Trial(("a", "hint"), 1.0, 0, phase="confirm", reference=(1.0, 1.0)))
    assert together.kept == int(together.curve_TS[0].argmin())
    assert together.test is not None
    assert together.test.metrics["hint"] == {}
    assert together.test.cluster_count_TG[1].sum() == 0
    assert together.test.cluster_count_TG[0].sum() == 40


def test_the_fused_engine_reads_it_alike(tmp_path: Path) -> None:
    experiment = job(tmp_path).experiments[0]
    trials = [Trial(("a", "hint"), 1.0, 0), Trial(("b", "hint"), 1.0, 0)]
    for trial, fused in zip(trials, train_fused(experiment, list(map(Course, trials))), strict=True):
        plain = train(experiment, trial)
        assert isinstance(fused, TrialResult)
        np.testing.assert_allclose(fused.curve_TS, plain.curve_TS, rtol=1e-5)
        assert (fused.curve_TS[1] == 1).all()
