"""Every way to share is tried with as many learning rates, on seeds of their own; what is kept trains everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.recommendation import Recommendation
from search.decision.phases import phases_of, search_trainings
from search.networks.sharing import HARD, Sharing
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult
from tests.search.planted import planted
from tests.search.test_run import Quiet, Runs, job_of

SECTIONS: dict[str, Any] = {
    "network": {"widths": [64, 64]},
    "training": {"epochs": 8, "seeds": 3, "learning_rate": 0.01},
    "architectures": ["mtan", "soft"],
    "tuning": {"learning_rates": 3},
    "evidence": {"seeds": 3, "random_groupings": 2, "draws": 5, "best_of_random": False},
    "affinity": {"estimator": "measured"},
    "candidates": {"max_size": 2},
}
BEST = {HARD: 0.02, "mtan": 0.01, "soft": 0.02}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def some_rates_suit(experiment: Experiment, trial: Trial) -> TrialResult:
    """As ``planted``; the further from the best rate of its way a training is, the worse."""
    sharing = Sharing.parse(trial.sharing)
    result = planted(experiment, replace(trial, sharing=HARD))
    off = abs(np.log(experiment.training.learning_rate * sharing.rate / BEST[sharing.kind]))
    test = result.test
    if test is not None:
        test = replace(test, cluster_sum_TG=test.cluster_sum_TG * (1 + off))
    return replace(result, curve_TS=result.curve_TS * (1 + off), test=test)


def test_the_best_rate_of_each_way_is_found_and_kept(runs: Runs) -> None:
    job = job_of(**SECTIONS)
    run = runs.create(job)
    recommendation = runs.work(job, run, some_rates_suit)
    kept = {one.sharing: one.kept for one in recommendation.tuning}
    rate, loss = recommendation.tuning[0].losses[0]
    assert (rate, round(loss, 9)) == (1.0, 1.0)
    # On top of the rate that is kept for hard sharing, which is twice that of the spec.
    assert kept == {HARD: 2.0, "mtan": 0.5, "soft": 1.0}
    assert all([rate for rate, _ in one.losses] == [1.0, 0.5, 2.0] for one in recommendation.tuning)
    assert recommendation.affinity_measured_at["learning_rate"] == 0.02
    assert {way.sharing for way in recommendation.ways} == {"mtan rate=0.5", "soft"}
    assert all(abs(way.gain) < 0.02 for way in recommendation.ways), "each at its best, none is better here"
    costs = {cost.phase: cost for cost in recommendation.training_cost}
    assert costs["tuning"].trainings == 3 * 3 * 3
    text = (runs.home / run / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "best of 3 learning rates" in text
    assert "Learning rates tried on one network of all tasks" in text
    assert Recommendation.from_json(recommendation.to_json()).tuning == recommendation.tuning


def test_rates_are_tried_on_seeds_that_are_used_for_nothing_else(runs: Runs) -> None:
    plan = job_of(**SECTIONS).plan
    assert not {*plan.tuning_seeds} & {*plan.search_seeds, *plan.fresh_seeds}
    phases = {phase.phase: phase for phase in phases_of(plan)}
    assert phases["tuning"].trainings == 27
    assert search_trainings(plan) >= 27 + phases["search"].trainings


def test_a_resumed_run_tries_nothing_twice(runs: Runs) -> None:
    job = job_of(**SECTIONS)
    run = runs.create(job)
    first = runs.work(job, run, some_rates_suit)
    progress = Quiet()
    again = runs.work(job, run, some_rates_suit, progress)
    assert progress.phases == []
    assert again.tuning == first.tuning
    assert again.solution == first.solution


def test_without_tuning_every_way_has_the_rate_of_the_spec(runs: Runs) -> None:
    job = job_of(**{**SECTIONS, "tuning": {}})
    run = runs.create(job)
    recommendation = runs.work(job, run, some_rates_suit)
    assert recommendation.tuning == ()
    assert {way.sharing for way in recommendation.ways} == {"mtan", "soft"}
    assert "which may suit some better than others" in (runs.home / run / "report.md").read_text()
