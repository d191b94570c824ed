"""Controls in the main job: crowding, scale, capacity and transfer are told apart, and unstable signs are warned of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.recommendation import Recommendation
from grouping.report.controls_view import controls_text
from search.decision.phases import phases_of
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult, stream_seed
from tests.search.planted import READINGS, STEPS_EACH, planted
from tests.search.test_run import Runs, job_of

SMALL: dict[str, Any] = {
    "affinity": {"estimator": "higher-order", "audit": 0, "controls": True},
    "evidence": {"seeds": 3, "random_groupings": 2, "draws": 5, "best_of_random": False},
    "network": {"widths": [32, 32]},
}
CROWDED, TAUGHT, WIDE = 0.04, 0.10, -0.03


def world(experiment: Experiment, trial: Trial) -> TrialResult:
    """Any partner crowds by 4 %; a real one gives 10 % back; a copy changes nothing; half of a wider network helps.

    With half of the rows the first two tasks harm each other: their sign depends on the rows.
    """
    if trial.phase == "confirm" or len(trial.tasks) > 2:
        return planted(experiment, trial)
    half = len(experiment.dataset.train.inputs_NF) < 1000
    decay_S = 1 + 2.0 * np.exp(-1.5 * np.arange(1, READINGS + 1))
    rows = []
    for task in trial.tasks:
        effect = WIDE if trial.capacity > 1 else 0.0
        for other in trial.tasks:
            if other == task or "copy" in other or "copy" in task:
                continue
            effect += CROWDED - (0.0 if "shuffled" in other else TAUGHT)
            if half and {task, other} == {"g0_0", "g0_1"}:
                effect += 2 * TAUGHT
        noise = np.random.default_rng(stream_seed(trial.seed, trial.network, task, str(half))).standard_normal()
        rows.append((1 + effect) * (1 + 0.002 * noise) * decay_S)
    return TrialResult(np.arange(1, READINGS + 1, dtype=np.int64) * STEPS_EACH, np.array(rows), 0.01, "planted:0")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recommendation, Path, int]]:
    runs = Runs(tmp_path_factory.mktemp("controls"))
    job = job_of(**SMALL)
    run = runs.create(job)
    recommendation = runs.work(job, run, world)
    planned = next(phase.trainings for phase in phases_of(job.plan) if phase.phase == "controls")
    yield recommendation, runs.home / run, planned
    runs.store.close()


Finished = tuple[Recommendation, Path, int]


def test_crowding_scale_and_capacity_are_what_was_planted(finished: Finished) -> None:
    controls = finished[0].controls
    assert controls is not None
    for one in controls.tasks:
        assert one.crowding[0] == pytest.approx(-CROWDED, abs=0.01)
        assert one.copy[0] == pytest.approx(0.0, abs=0.01)
        assert one.wider[0] == pytest.approx(-WIDE, abs=0.01)
        assert (one.crowding[2] or 0) < 0 < (one.wider[1] or 0)


def test_transfer_is_what_a_partner_does_beyond_a_shuffled_one(finished: Finished) -> None:
    controls = finished[0].controls
    assert controls is not None
    assert len(controls.pairs) == 30
    for pair in controls.pairs:
        assert pair.gain[0] == pytest.approx(TAUGHT - CROWDED, abs=0.01)
        assert pair.transfer[0] == pytest.approx(TAUGHT / (1 + CROWDED), abs=0.01)
        assert len(pair.lengths) == 3
        assert len(pair.rows) == 2
        assert pair.pace == pytest.approx(3 / 8)  # 0.94 (1 + 2 exp(-1.5 s)) is below 1 at the third of 8 readings


def test_a_sign_that_depends_on_the_rows_is_warned_of(finished: Finished) -> None:
    recommendation, folder, _ = finished
    assert recommendation.controls is not None
    assert {(p.recipient, p.partner) for p in recommendation.controls.pairs if p.unstable} == {
        ("g0_0", "g0_1"),
        ("g0_1", "g0_0"),
    }
    report = (folder / "report.md").read_text()
    assert "measure at the length and with the data that you will train with" in report
    assert "Shuffled partner (crowding)" in report
    assert "g0_0 from g0_1" in controls_text(recommendation.controls)


def test_they_are_planned_charged_and_kept(finished: Finished) -> None:
    recommendation, _, planned = finished
    charged = {cost.phase: cost.trainings for cost in recommendation.training_cost}
    assert charged["controls"] == planned
    assert Recommendation.from_json(recommendation.to_json()).controls == recommendation.controls


def test_real_trainings_take_controls_too(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    job = job_of(**{**SMALL, "network": {"widths": [8]}, "training": {"epochs": 2, "seeds": 2}})
    from search.training.trainer import train

    recommendation = runs.work(job, runs.create(job), train)
    runs.store.close()
    assert recommendation.controls is not None
    assert all(None not in pair.gain for pair in recommendation.controls.pairs)


def test_one_seed_gives_gains_without_intervals_that_are_kept(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    job = job_of(**{**SMALL, "training": {"epochs": 8, "seeds": 1}})
    recommendation = runs.work(job, runs.create(job), world)
    runs.store.close()
    assert recommendation.controls is not None
    assert all(pair.gain[0] is not None and pair.gain[1] is None for pair in recommendation.controls.pairs)
    assert (
        Recommendation.from_json(json.loads(json.dumps(recommendation.to_json()))).controls == recommendation.controls
    )
