"""The main job with halving: what is dropped, what is chosen all the same, and what the report says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grouping.recommendation import Recommendation
from search.training.experiment import Experiment
from search.trials import TestScores, Trial, TrialResult
from tests.search.planted import CLUSTERS, GROUPS, READINGS, ROWS, STEPS_EACH, planted
from tests.search.test_run import Runs, _StopsAfter, job_of

QUICK = {"seeds": 3, "random_groupings": 3, "draws": 5}
HALVED: dict[str, Any] = {"candidates": {"halving": {}}, "evidence": QUICK}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def work(runs: Runs, train: Any = planted, **sections: Any) -> Recommendation:
    job = job_of(**{**HALVED, **sections})
    return runs.work(job, runs.create(job), train)


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommendation, Path]:
    made = Runs(tmp_path_factory.mktemp("halved"))
    job = job_of(**HALVED)
    run = made.create(job)
    recommendation = made.work(job, run)
    made.store.close()
    return recommendation, made.home / run


Finished = tuple[Recommendation, Path]


def test_the_planted_groups_are_found_though_most_pairs_were_dropped(halved: Finished) -> None:
    recommendation, _ = halved
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    record = recommendation.halving
    assert record is not None
    assert [rung.fraction for rung in record.rungs] == [0.25, 0.5]
    assert record.rungs[0].compared == 15
    assert record.rungs[0].dropped == 9 == len(record.networks) - record.rungs[1].dropped
    assert all(len({name[:2] for name in network.split("+")}) == 2 for network in record.networks[:9])


def test_what_was_dropped_is_audited_at_random_and_what_was_saved_counts_that(halved: Finished) -> None:
    record = halved[0].halving
    assert record is not None
    assert record.audited == 5
    assert (record.beaten, record.best) == (0, 0), "pairs across the planted groups never help"
    assert record.mean_absolute_error is not None
    assert record.mean_absolute_error < 0.01
    charged = {cost.phase: cost.trainings for cost in halved[0].training_cost}
    assert charged["search"] == 3 * (6 + 15 + 2)
    assert charged["audit"] == 3 * (5 + 5)
    spent = 23 - 0.75 * (9 - 5)
    assert record.saved <= 1 - spent / 23 + 1e-9


def test_a_resumed_run_with_halving_says_the_same(runs: Runs) -> None:
    job = job_of(**HALVED)
    run = runs.create(job)
    with pytest.raises(KeyboardInterrupt):
        runs.work(job, run, _StopsAfter(planted, 30))
    resumed = runs.work(job, run)
    straight = runs.work(job, runs.create(job))
    for field in ("solution", "halving", "estimates", "audit", "paired", "training_cost"):
        assert getattr(resumed, field) == getattr(straight, field), field


def test_the_report_says_what_was_dropped_what_it_saved_and_what_it_cost(halved: Finished) -> None:
    recommendation, folder = halved
    report = (folder / "report.md").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "Halving dropped 9 of 15 groups after 25 % of training" in report
    assert "of the search's network-epochs" in report
    assert "Audit of halving on 5 dropped groups, drawn at random and trained to the end: 0 would have beaten" in report
    assert "early losses of" in recommendation.solution.optimal_for
    assert Recommendation.from_json(json.loads((folder / "recommendation.json").read_text())) == recommendation
    losses = pd.read_csv(folder / "losses.csv")
    assert recommendation.halving is not None
    dropped = losses[losses["network"].isin(recommendation.halving.networks)]
    assert set(dropped["source"]) == {"measured", "estimated"}, "audited ones are measured"
    assert (
        recommendation.affinity_measured_at["pairs read early"]
        == dropped[(dropped["source"] == "estimated") & (dropped["network"].str.count(r"\+") == 1)]["network"].nunique()
    )


def test_a_first_rung_that_is_too_early_is_named(runs: Runs, halved: Finished) -> None:
    early = work(runs, candidates={"halving": {"rungs": [0.125, 0.5]}})
    assert [warning for warning in early.warnings if "12% of training" in warning and "near chance" in warning]
    assert not [warning for warning in halved[0].warnings if "near chance" in warning]


def late_bloomers(experiment: Experiment, trial: Trial) -> TrialResult:
    """The planted world, in which pairs across the groups start badly and end far below all others."""
    result = planted(experiment, trial)
    if len(trial.tasks) != 2 or {trial.tasks[0][:2]} == {trial.tasks[1][:2]}:
        return result
    factor_S = np.linspace(1.2, 0.5, READINGS)[: len(result.steps_S)]
    test = result.test and replace(result.test, cluster_sum_TG=0.5 * result.test.cluster_sum_TG)
    return replace(result, curve_TS=result.curve_TS * factor_S, test=test)


def test_good_groups_that_were_dropped_come_to_light_in_the_audit(runs: Runs) -> None:
    recommendation = work(
        runs,
        late_bloomers,
        candidates={"max_size": 2, "halving": {}},
        affinity={"estimator": "measured", "audit": 4},
    )
    record = recommendation.halving
    assert record is not None
    assert record.audited == record.beaten == record.best == 4
    assert [step for step in recommendation.next_steps if "raise candidates.halving.keep" in step]


FOUR = ("g0_0", "g0_1", "g1_0", "g1_1")
CLOSE: dict[tuple[str, ...], tuple[float, ...]] = {
    # Second for both of its tasks, so hopeless for both where only the best are kept; with the others best together.
    ("g0_0", "g0_1"): (0.91, 0.91),
    ("g0_0", "g1_0"): (0.90, 0.95),
    ("g0_1", "g1_0"): (0.90, 0.95),
    ("g1_0", "g1_1"): (0.80, 0.80),
}


def second_best(experiment: Experiment, trial: Trial) -> TrialResult:
    """A world in which the best grouping holds a pair that is the best for neither of its tasks."""
    levels = CLOSE.get(trial.tasks, (1.2 if len(trial.tasks) > 1 else 1.0,) * len(trial.tasks))
    noise = 1e-4 * np.random.default_rng(trial.seed).standard_normal()
    readings = max(1, int(READINGS * trial.fraction + 1e-9))
    curve_TS = np.outer([level + noise for level in levels], 1 + 2.0 * np.exp(-np.arange(readings)))
    steps_S = np.arange(1, readings + 1, dtype=np.int64) * STEPS_EACH
    if trial.phase != "confirm":
        return TrialResult(steps_S, curve_TS, 0.01, "planted:0")
    counts_TG = np.full((len(levels), CLUSTERS), float(ROWS))
    noisy_TG = 1 + 0.1 * np.random.default_rng(trial.seed).random((len(levels), CLUSTERS))
    test = TestScores(counts_TG * noisy_TG * curve_TS[:, -1:], counts_TG, {task: {"RMSE": 1.0} for task in trial.tasks})
    return TrialResult(steps_S, curve_TS, 0.01, "planted:0", readings - 1, test, b"weights")


def four(trainings: int | None = None, **affinity: Any) -> dict[str, Any]:
    allowed = {} if trainings is None else {"training": {"trainings": trainings}}
    return {
        "tasks": [{"name": n, "target": f"y_{n}", "type": "regression"} for n in FOUR],
        "network": {"widths": [32, 32]},
        "candidates": {"max_size": 2, "halving": {"rungs": [0.25], "keep": 0.1}},
        "affinity": {"estimator": "measured", "audit": 0, **affinity},
        "budget": {"inference": 2, "max_networks": 2, **allowed},
    }


def test_a_dropped_group_that_would_be_chosen_is_trained_to_the_end_first(runs: Runs) -> None:
    recommendation = work(runs, second_best, **four())
    assert recommendation.halving is not None
    assert "g0_0+g0_1" in recommendation.halving.networks
    assert [network.network for network in recommendation.solution.networks] == ["g0_0+g0_1", "g1_0+g1_1"]
    assert {e.network for e in recommendation.estimates} == {"g0_0+g0_1"}
    assert {cost.phase: cost.trainings for cost in recommendation.training_cost}["check"] == 3
    assert recommendation.halving.audited == 0


def test_a_dropped_group_that_there_is_no_time_to_train_is_not_chosen(runs: Runs) -> None:
    everything = 3 * (4 + 6 + 1)
    recommendation = work(runs, second_best, **four(everything + 2))
    assert recommendation.halving is not None
    chosen = {network.network for network in recommendation.solution.networks}
    assert not chosen & set(recommendation.halving.networks)
    assert (
        sum(cost.trainings for cost in recommendation.training_cost if cost.phase in {"search", "check"}) == everything
    )


def test_a_dropped_group_that_cannot_be_trained_to_the_end_is_not_chosen(runs: Runs) -> None:
    recommendation = work(runs, lost_at_the_end, **four())
    assert "g0_0+g0_1" not in {network.network for network in recommendation.solution.networks}
    assert any("lost" in warning for warning in recommendation.warnings)


def test_a_dropped_group_that_failed_with_one_seed_can_be_chosen_on_the_others(runs: Runs) -> None:
    recommendation = work(runs, lost_with_one_seed, **four())
    assert recommendation.halving is not None
    assert "g0_0+g0_1" in recommendation.halving.networks
    assert "g0_0+g0_1" in {network.network for network in recommendation.solution.networks}


def lost_with_one_seed(experiment: Experiment, trial: Trial) -> TrialResult:
    """The same world, in which that pair goes astray at once with one of the search seeds."""
    if trial.tasks == ("g0_0", "g0_1") and trial.seed == 0:
        raise RuntimeError("lost")
    return second_best(experiment, trial)


def test_the_audit_of_the_estimator_holds_no_dropped_group(runs: Runs) -> None:
    halving = {"max_size": 3, "halving": {}}
    recommendation = work(runs, candidates=halving, affinity={"estimator": "higher-order", "audit": 30})
    assert recommendation.audit is not None
    assert recommendation.halving is not None
    larger = {network for network in recommendation.halving.networks if network.count("+") == 2}
    assert larger
    assert not set(recommendation.audit.networks) & larger


def lost_at_the_end(experiment: Experiment, trial: Trial) -> TrialResult:
    """The same world, in which that pair goes astray late in training."""
    if trial.tasks == ("g0_0", "g0_1") and trial.fraction == 1:
        raise RuntimeError("lost")
    return second_best(experiment, trial)
