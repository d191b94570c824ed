"""A task that its own network solves without an error cannot be compared with that: the run says so by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grouping.errors import InputError
from search.training.experiment import Experiment
from search.training.trainer import TrialFunction
from search.trials import Trial, TrialResult
from tests.search.messages import assert_one_clear_message
from tests.search.planted import planted
from tests.search.test_run import Runs, job_of


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def perfect_on_validation(experiment: Experiment, trial: Trial) -> TrialResult:
    """The planted world in which every network solves one task in the end."""
    result = planted(experiment, trial)
    curve_TS = result.curve_TS.copy()
    curve_TS[[t for t, task in enumerate(trial.tasks) if task == "g0_1"], -1] = 0.0
    return replace(result, curve_TS=curve_TS)


def perfect_on_test(experiment: Experiment, trial: Trial) -> TrialResult:
    """The planted world in which the test rows of one task are too easy."""
    result = planted(experiment, trial)
    if result.test is None:
        return result
    hard_T = np.array([task != "g0_1" for task in trial.tasks])
    return replace(result, test=replace(result.test, cluster_sum_TG=result.test.cluster_sum_TG * hard_T[:, None]))


@pytest.mark.parametrize(
    ("world", "called"), [(perfect_on_validation, "validation loss"), (perfect_on_test, "test loss")]
)
@pytest.mark.parametrize("estimator", ["higher-order", "measured", "early-stopping"])
def test_a_perfect_single_task_network_is_refused_by_name(
    runs: Runs, world: TrialFunction, called: str, estimator: str
) -> None:
    job = job_of(affinity={"estimator": estimator}, evidence={"seeds": 3, "random_groupings": 2, "draws": 5})
    with pytest.raises(InputError) as caught:
        runs.work(job, runs.create(job), world)
    words = (f"task 'g0_1' has the single-task {called} 0", "metric: loss", "leave it out")
    assert_one_clear_message(caught.value, "", *words)


def rarely_perfect(experiment: Experiment, trial: Trial) -> TrialResult:
    """One task errs in standard networks of the first seed only, in no other network."""
    result = perfect_on_validation(experiment, trial)
    return planted(experiment, trial) if trial.capacity == 1.0 and trial.seed == 0 else result


def test_one_seed_with_an_error_is_enough_to_compare_with(runs: Runs) -> None:
    job = job_of(
        network={"widths": [32, 32], "capacities": [0.5, 1.0]},
        budget={"inference": 1, "max_networks": 2},
        evidence={"seeds": 3, "random_groupings": 2, "draws": 20},
    )
    assert job.plan.plain_capacity == 0.5
    recommendation = runs.work(job, runs.create(job), rarely_perfect)
    assert recommendation.affinity_measured_at["capacity"] == 1.0
    assert np.isfinite(recommendation.solution.objective)
