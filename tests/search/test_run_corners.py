"""The main job at its corners: small and odd budgets, sizes below and above 1 SNT, trainings that fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.recommendation import Recommendation
from search.decision.phases import phases_of
from search.errors import SpecError, TrialError
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult
from tests.search.planted import GROUPS, planted
from tests.search.test_run import Runs, job_of

QUICK = {"seeds": 3, "random_groupings": 3, "draws": 5}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def sizes(*capacities: float) -> dict[str, Any]:
    return {"widths": [32, 32], "capacities": list(capacities)}


def work(runs: Runs, train: Any = planted, **sections: Any) -> Recommendation:
    job = job_of(**{"evidence": QUICK, **sections})
    return runs.work(job, runs.create(job), train)


def test_a_budget_of_one_half_network_is_answered_with_one(store: Runs) -> None:
    recommendation = work(store, network=sizes(0.5), budget={"inference": 0.5})
    assert [network.cost for network in recommendation.solution.networks] == [0.5]


def test_two_half_networks_are_held_against_other_pairs_of_halves_and_one_whole(store: Runs) -> None:
    recommendation = work(store, network=sizes(0.5, 1.0), budget={"inference": 1})
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    assert recommendation.random is not None
    assert recommendation.verdict == "grouping"


def test_a_standard_network_that_fills_the_budget_is_the_wide_one_though_it_may_not_be_chosen(store: Runs) -> None:
    recommendation = work(store, network=sizes(0.5), budget={"inference": 1})
    assert "no wide network" not in recommendation.verdict_text
    assert recommendation.verdict == "grouping"


def test_below_a_standard_network_the_wide_one_is_as_wide_as_the_budget_too(store: Runs) -> None:
    recommendation = work(store, network=sizes(0.25), budget={"inference": 0.5})
    wide = next(baseline for baseline in recommendation.baselines if baseline.name == "wide")
    assert wide.cost == 0.5


def test_random_groupings_keep_the_budget_whatever_its_unit(store: Runs) -> None:
    plan = job_of().plan
    single, whole = (plan.index(tasks, 1.0) for tasks in (["g0_0"], [task.name for task in plan.tasks]))
    assert single is not None
    assert whole is not None
    assert plan.candidates.other_costs_C is not None
    flops_C = plan.candidates.other_costs_C["flops"]
    # Two networks of the smallest size fit, but two that serve all six tasks have six heads between them.
    budget = float(2 * flops_C[single] + 10)
    assert budget > flops_C[whole]
    recommendation = work(store, network=sizes(1.0), budget={"inference": budget, "unit": "flops"})
    assert recommendation.random is None
    assert recommendation.solution.cost <= budget


def test_without_random_groupings_nobody_knows_whether_partners_matter(store: Runs) -> None:
    recommendation = work(store, evidence={**QUICK, "random_groupings": 0, "best_of_random": False})
    assert recommendation.verdict == "unsure"
    assert "random" not in {paired.against for paired in recommendation.paired}


@pytest.mark.parametrize("networks", [1, 2])
def test_the_frontier_obeys_the_limit_of_networks_and_holds_the_choice(store: Runs, networks: int) -> None:
    recommendation = work(store, network=sizes(1.0), budget={"inference": 4, "max_networks": networks})
    solution, frontier = recommendation.solution, recommendation.frontier
    assert max(len(point.networks) for point in frontier) <= networks
    assert (solution.cost, solution.objective) in {(point.cost, point.objective) for point in frontier}


def test_the_frontier_holds_no_network_that_may_not_be_served(store: Runs) -> None:
    recommendation = work(store, network=sizes(0.5), budget={"inference": 1})
    assert {network.cost for point in recommendation.frontier for network in point.networks} == {0.5}


def test_one_failed_size_of_one_task_does_not_end_a_run(store: Runs) -> None:
    recommendation = work(store, half_single_fails, network=sizes(0.5), budget={"inference": 2})
    assert {task for network in recommendation.solution.networks for task in network.serves} == GROUPS[0] | GROUPS[1]
    assert any("6 trainings failed" in warning for warning in recommendation.warnings)


def test_a_seed_that_fails_everywhere_leaves_a_recommendation_of_the_others(store: Runs) -> None:
    recommendation = work(store, second_seed_fails, training={"epochs": 8, "seeds": 2})
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    assert recommendation.stability is None


def test_random_groups_that_serve_not_every_task_are_left_out_by_name(store: Runs) -> None:
    recommendation = work(store, only_the_planted_share, network=sizes(1.0), affinity={"estimator": "measured"})
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    assert "best-of-random" not in {baseline.name for baseline in recommendation.baselines}
    assert any("the best of as many random groups" in warning for warning in recommendation.warnings)


def test_a_training_budget_is_one_for_all_repetitions_of_the_split() -> None:
    redrawn = {
        "data": {"source": "synthetic", "split": {"fractions": [0.6, 0.2, 0.2]}},
        "evidence": {**QUICK, "splits": 2},
    }
    one = job_of(network=sizes(1.0), evidence=QUICK).plan
    two = job_of(network=sizes(1.0), **redrawn).plan
    assert [phase.trainings for phase in phases_of(two)] == [2 * phase.trainings for phase in phases_of(one)]
    assert len(set(phases_of(two)[0].trials)) == phases_of(two)[0].trainings
    with pytest.raises(SpecError, match=r"trains 132 networks, 131 are allowed"):
        job_of(network=sizes(1.0), budget={"inference": 2, "training": {"trainings": 131}}, **redrawn)


def test_early_stopping_trains_no_reference_twice(store: Runs) -> None:
    job = job_of(network=sizes(1.0), affinity={"estimator": "early-stopping", "audit": 0}, evidence=QUICK)
    searched = job.plan.search_trials()
    assert len({(trial.tasks, trial.capacity, trial.seed) for trial in searched}) == len(searched)
    recommendation = store.work(job, store.create(job))
    assert recommendation.affinity_measured_at["epochs"] == 2
    assert np.isfinite(recommendation.solution.objective)


def test_random_search_gets_the_effort_of_an_early_stopped_search(store: Runs) -> None:
    job = job_of(network=sizes(1.0), affinity={"estimator": "early-stopping", "audit": 0}, evidence=QUICK)
    recommendation = store.work(job, store.create(job))
    # 56 groups of two to five tasks for a quarter of their training, and the two chosen ones to the end.
    best = next(baseline for baseline in recommendation.baselines if baseline.name == "best-of-random")
    assert best.label == f"the best of {int(54 * 0.25 + 2)} random groups"
    assert job.plan.random_groups() == 14


def half_single_fails(experiment: Experiment, trial: Trial) -> TrialResult:
    if trial.tasks == ("g0_0",) and trial.capacity == 0.5:
        raise TrialError("diverged")
    return planted(experiment, trial)


def second_seed_fails(experiment: Experiment, trial: Trial) -> TrialResult:
    if trial.phase == "search" and trial.seed == 1 and trial.fraction == 1.0:
        raise TrialError("the machine had a bad day")
    return planted(experiment, trial)


def only_the_planted_share(experiment: Experiment, trial: Trial) -> TrialResult:
    shared = len(trial.tasks) > 1 and frozenset(trial.tasks) not in GROUPS
    if shared and trial.phase == "search" and trial.fraction == 1.0:
        raise TrialError("diverged")
    return planted(experiment, trial)


def test_one_served_task_with_helpers_is_compared_with_its_own_network(store: Runs) -> None:
    names = [f"g{g}_{t}" for g in range(2) for t in range(3)]
    tasks = [
        {"name": n, "target": f"y_{n}", "type": "regression", "role": "main" if n == "g0_0" else "auxiliary"}
        for n in names
    ]
    job = job_of(tasks=tasks, budget={"inference": 1}, network={"widths": [32, 32], "capacities": [1.0]})
    recommendation = store.work(job, store.create(job))
    (network,) = recommendation.solution.networks
    assert {"g0_0"} < set(network.tasks) <= {"g0_0", "g0_1", "g0_2"}
    assert network.serves == ("g0_0",)
    assert "One task is served" in recommendation.verdict_text
    assert "changes by -" in recommendation.verdict_text


def test_budgets_that_plain_networks_do_not_fill_are_filled_by_the_random_ones(store: Runs) -> None:
    network = {"widths": [32, 32], "capacities": [1.0, 1.5]}
    job = job_of(network=network, budget={"inference": 2.5, "max_networks": 2})
    recommendation = store.work(job, store.create(job))
    assert recommendation.solution.cost == 2.5
    costs = {b.name: b.cost for b in recommendation.baselines}
    assert costs["correlation"] == pytest.approx(2.5)
    assert costs["ensemble"] == pytest.approx(2.5)


def test_natural_metrics_carry_the_unit_of_their_target(store: Runs) -> None:
    tasks = [
        {"name": f"g{g}_{t}", "target": f"y_g{g}_{t}", "type": "regression", "unit": "mph"}
        for g in (0, 1)
        for t in range(3)
    ]
    job = job_of(tasks=tasks)
    recommendation = store.work(job, store.create(job))
    assert {c.unit for c in recommendation.confirmed if c.metric == "RMSE"} == {"mph"}
    assert {c.unit for c in recommendation.confirmed if c.metric == "relative loss"} == {""}
