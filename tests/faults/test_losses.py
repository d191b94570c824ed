"""Trainings that give no usable number: failed with their reason, never the best, and the run says so."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grouping.errors import NoResultError
from search.errors import TrialError
from search.store.store import Store
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult
from tests.search.planted import planted
from tests.search.test_run import Runs, job_of

Note = Callable[[str, object], None]
NAMES = ("g0_0", "g0_1", "g1_0")
SECTIONS = {
    "tasks": [{"name": name, "target": f"y_{name}", "type": "regression"} for name in NAMES],
    "network": {"widths": [16, 16], "capacities": [1.0]},
    "training": {"epochs": 8, "seeds": 2},
    "affinity": {"estimator": "measured"},
    "evidence": {"seeds": 2, "random_groupings": 1, "draws": 5},
}
LOSSES: dict[str, object] = {
    "NaN": math.nan,
    "infinite": math.inf,
    "minus infinite": -math.inf,
    "text": "low",
    "missing": None,
    "1e308": 1e308,
}


@pytest.mark.fault("R13", "a pair whose losses are NaN, inf, -inf, text, missing or 1e308")
@pytest.mark.parametrize("bad", LOSSES.values(), ids=LOSSES)
def test_a_network_without_usable_losses_fails_and_never_wins(
    bad: object, tmp_path: Path, record_property: Note
) -> None:
    def train(experiment: Experiment, trial: Trial) -> TrialResult:
        result = planted(experiment, trial)
        if set(trial.tasks) != {"g0_0", "g0_1"} or trial.phase == "probe":
            return result
        curve_TS = result.curve_TS.astype(object)
        curve_TS[0, -1] = bad
        return replace(result, curve_TS=np.array(curve_TS.tolist(), dtype=np.float64))

    runs = Runs(tmp_path)
    job = job_of(**SECTIONS)
    run = runs.create(job)
    recommendation = runs.work(job, run, train)
    chosen = {network.network for network in recommendation.solution.networks}
    failed = [record for record in runs.store.trials(run) if record.state == "failed"]
    best = runs.store.run(run).best
    runs.store.close()
    assert "g0_0+g0_1" not in chosen
    assert best is not None
    assert math.isfinite(best)
    assert {record.trial.network for record in failed} == {"g0_0+g0_1"}
    assert all(record.reason for record in failed)
    assert any("failed" in warning for warning in recommendation.warnings)
    text = (runs.home / run / "recommendation.json").read_text()
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in recommendation.json"))
    record_property("count", 1)


def hopeless(experiment: Experiment, trial: Trial) -> TrialResult:
    if trial.phase == "probe":
        return planted(experiment, trial)
    raise TrialError("non-finite loss at step 3" if len(trial.tasks) == 1 else "out of memory")


@pytest.mark.fault("R14", "every training of a run fails")
def test_a_run_whose_trainings_all_fail_says_why_in_a_report(tmp_path: Path, record_property: Note) -> None:
    runs = Runs(tmp_path)
    job = job_of(**SECTIONS)
    run = runs.create(job)
    with pytest.raises(NoResultError) as caught:
        runs.work(job, run, hopeless)
    runs.store.close()
    assert caught.value.exit_code == 3
    text = (tmp_path / run / "report.md").read_text()
    assert "No recommendation" in text
    assert "non-finite loss at step 3" in text
    assert "out of memory" in text
    assert not (tmp_path / run / "recommendation.json").exists()
    with Store.open(tmp_path) as store:
        assert {record.state for record in store.trials(run)} == {"failed"}
    record_property("figure", "exit 3; report.md groups the reasons")
