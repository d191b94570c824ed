"""The main job on estimates from one training of all tasks a seed, or from random groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.estimators.one_run import ONE_RUN
from search.errors import SpecError
from tests.search.decision.test_plan import plan_of
from tests.search.planted import GROUPS
from tests.search.test_run import Runs, job_of

SHORT: dict[str, Any] = {
    "network": {"widths": [16]},
    "training": {"epochs": 2, "seeds": 2},
    "evidence": {"seeds": 3, "random_groupings": 2, "draws": 5},
}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize("estimator", ONE_RUN)
def test_all_groups_are_estimated_and_what_is_chosen_was_trained(runs: Runs, estimator: str) -> None:
    job = job_of(**SHORT, affinity={"estimator": estimator, "audit": 3})
    run = runs.create(job)
    recommendation = runs.work(job, run)
    assert recommendation.estimator == estimator
    assert recommendation.audit is not None
    assert recommendation.audit.groups == 3
    assert f"{estimator} estimates" in recommendation.solution.optimal_for
    phases = [trial.trial.phase for trial in runs.store.trials(run)]
    assert phases.count("linearise" if estimator == "linearised" else "gradients") == 2
    charged = {cost.phase: cost.trainings for cost in recommendation.training_cost}
    assert charged["search"] == (6 + 1 + 1) * 2  # alone, together, together and looked at
    table = (runs.home / run / "losses.csv").read_text()
    for network in recommendation.solution.networks:
        assert network.network in table


def test_a_second_time_nothing_is_trained_or_changed(runs: Runs) -> None:
    job = job_of(**SHORT, affinity={"estimator": "linearised", "audit": 2})
    run = runs.create(job)
    first = runs.work(job, run)
    before = len(runs.store.trials(run))
    second = runs.work(job, run)
    assert len(runs.store.trials(run)) == before
    assert second.solution == first.solution


def test_the_linear_surrogate_finds_the_planted_groups_from_random_ones(runs: Runs) -> None:
    job = job_of(affinity={"estimator": "linear-surrogate", "audit": 4})
    run = runs.create(job)
    recommendation = runs.work(job, run)
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)


def test_as_many_groups_are_sampled_as_asked_for_and_each_task_in_three() -> None:
    for seed in range(20):
        sections: dict[str, Any] = {
            "affinity": {"estimator": "linear-surrogate", "samples": 9},
            "training": {"seeds": 2, "seed": seed},
        }
        plan = plan_of(6, **sections)
        sampled_C = plan.trained_C & (plan.candidates.size_C > 1) & (plan.candidates.size_C < 6)
        assert sampled_C.sum() == 9
        assert (plan.candidates.members_CT[sampled_C].sum(axis=0) >= 3).all()
    assert np.sum(plan_of(6, affinity={"estimator": "linear-surrogate"}).trained_C) == 6 + 1 + 15


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(SpecError, match="needed to learn from") as caught:
        plan_of(6, affinity={"estimator": "linear-surrogate", "samples": 2})
    assert caught.value.where == "affinity.samples"


def test_samples_without_the_surrogate_are_refused() -> None:
    with pytest.raises(SpecError, match="samples no groups"):
        plan_of(6, affinity={"estimator": "cosine", "samples": 9})
