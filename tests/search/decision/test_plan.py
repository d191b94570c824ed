"""What a spec amounts to: candidates, costs, trainings, and the complaints that come before any training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.errors import InfeasibleError
from grouping.tasks import Task
from search.decision.enumeration import make_plan
from search.decision.phases import phases_of, search_trainings
from search.decision.plan import Plan
from search.errors import SpecError
from search.networks.sharing import HARD
from search.spec import Spec


def plan_of(n_tasks: int = 4, *, auxiliary: tuple[int, ...] = (), **sections: Any) -> Plan:
    names = [f"t{i}" for i in range(n_tasks)]
    roles = ["auxiliary" if i in auxiliary else "main" for i in range(n_tasks)]
    spec = Spec.model_validate(
        {
            "name": "test",
            "data": {"source": "synthetic"},
            "tasks": [{"name": n, "type": "regression", "role": r} for n, r in zip(names, roles, strict=True)],
            "network": {"widths": [32, 32], "capacities": [1.0]},
            "budget": {"inference": 2, "max_networks": 2},
            **sections,
        }
    )
    tasks = tuple(Task(n, "regression", 1.0, r) for n, r in zip(names, roles, strict=True))  # type: ignore[arg-type]
    return make_plan(spec, tasks, 10, [1] * n_tasks)


def groups(plan: Plan, which: Any = slice(None)) -> set[str]:
    return {plan.candidates.name(int(c)) for c in np.arange(len(plan.candidates))[which]}


def test_higher_order_trains_singles_pairs_and_all_in_one_and_considers_every_group() -> None:
    plan = plan_of(4, affinity={"estimator": "higher-order"})
    assert len(plan.candidates) == 15
    assert {len(name.split("+")) for name in groups(plan, plan.trained_C)} == {1, 2, 4}
    assert plan.trained_C.sum() == 4 + 6 + 1


def test_measured_trains_everything_it_may_choose() -> None:
    plan = plan_of(4, affinity={"estimator": "measured"})
    assert plan.trained_C.all()
    assert len(plan.candidates) == 15


def test_listed_groups_bring_their_references_and_the_all_in_one() -> None:
    plan = plan_of(4, affinity={"estimator": "measured"}, candidates={"groups": [["t2", "t0"], ["t1", "t3"]]})
    assert groups(plan) == {"t0", "t1", "t2", "t3", "t0+t2", "t1+t3", "t0+t1+t2+t3"}


def test_a_capacity_that_fills_the_budget_is_only_considered_for_networks_that_serve_everyone() -> None:
    plan = plan_of(4, network={"widths": [32, 32], "capacities": [1.0, 2.0]})
    assert groups(plan, plan.capacity_C == 2.0) == {"t0+t1+t2+t3"}


def test_auxiliary_tasks_need_not_be_covered() -> None:
    plan = plan_of(4, auxiliary=(3,), network={"widths": [32, 32], "capacities": [1.0, 2.0]})
    assert groups(plan, plan.capacity_C == 2.0) == {"t0+t1+t2", "t0+t1+t2+t3"}
    assert plan.main == (0, 1, 2)
    np.testing.assert_allclose(plan.weights_T, [1 / 3, 1 / 3, 1 / 3, 0])


def test_standard_singles_are_trained_as_references_even_where_they_may_not_be_chosen() -> None:
    plan = plan_of(4, network={"widths": [32, 32], "capacities": [0.5]})
    references = (plan.capacity_C == 1.0) & (plan.candidates.size_C == 1)
    assert references.sum() == 4
    assert not plan.choosable_C[references].any()
    assert plan.trained_C[references].all()


def test_fresh_seeds_are_disjoint_from_search_seeds() -> None:
    plan = plan_of(3, training={"seeds": 7, "seed": 5}, evidence={"seeds": 9})
    assert plan.search_seeds == (5, 6, 7, 8, 9, 10, 11)
    assert len(plan.fresh_seeds) == 9
    assert not set(plan.search_seeds) & set(plan.fresh_seeds)


def test_early_stopping_trains_a_fraction_of_everything_and_references_to_the_end() -> None:
    plan = plan_of(3, affinity={"estimator": "early-stopping", "fraction": 0.25}, training={"seeds": 1})
    fractions = {(trial.network, trial.fraction) for trial in plan.search_trials()}
    assert ("t0+t1+t2", 0.25) in fractions
    assert {name for name, fraction in fractions if fraction == 1.0} == {"t0", "t1", "t2"}


def test_a_fraction_before_the_first_reading_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(SpecError, match=r"no loss is read within the first 0\.25 of 3 epochs"):
        plan_of(3, affinity={"estimator": "early-stopping", "fraction": 0.25}, training={"epochs": 3})


@pytest.mark.parametrize("unit", ["flops", "parameters"])
def test_budgets_in_counted_units_charge_what_is_counted(unit: str) -> None:
    snt = plan_of(3)
    cost = snt.candidates.other_costs_C[unit]  # type: ignore[index]
    plan = plan_of(3, budget={"inference": float(cost.max() * 2), "unit": unit})
    np.testing.assert_allclose(np.sort(plan.charged_C), np.sort(cost))


def test_a_budget_below_every_grouping_says_what_would_do() -> None:
    with pytest.raises(InfeasibleError, match="no grouping of the 4 tasks") as caught:
        plan_of(4, budget={"inference": 0.5})
    assert caught.value.minimum_budget == 1.0
    assert caught.value.exit_code == 3


def test_more_trainings_than_allowed_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(SpecError, match=r"trains \d+ networks, 10 are allowed") as caught:
        plan_of(4, budget={"inference": 2, "training": {"trainings": 10}})
    assert caught.value.where == "budget.training.trainings"


def test_what_a_training_budget_leaves_is_shared_by_audits_and_checks() -> None:
    plan = plan_of(
        4,
        affinity={"estimator": "higher-order", "audit": 6},
        training={"seeds": 2},
        budget={"inference": 2, "training": {"trainings": 32}},
    )
    counts = {phase.phase: phase.trainings for phase in phases_of(plan)}
    assert counts["search"] == 22
    assert plan.spare == 10
    assert plan.audit_groups == 2
    assert counts["audit"] + counts["check"] == 10
    assert search_trainings(plan) == 32


def test_a_training_budget_holds_for_a_search_over_settings_and_what_it_keeps() -> None:
    def planned(trainings: int) -> Plan:
        search = {"space": {"learning_rate": {"low": 1e-4, "high": 1e-1}}, "configurations": 40, "seeds": 3}
        given = {"inference": 2, "training": {"trainings": trainings}}
        return plan_of(4, search=search, affinity={"estimator": "measured"}, training={"seeds": 2}, budget=given)

    groups = 15
    needed = 40 * 3 + 2 * groups + 2 * groups
    with pytest.raises(SpecError, match=f"trains {needed} networks, {needed - 1} are allowed") as caught:
        planned(needed - 1)
    assert "search.configurations" in caught.value.fix
    before = planned(needed)
    assert search_trainings(before) == needed
    found = before.spec.model_copy(update={"architectures": (HARD, "hard with capacity=1 learning_rate=0.01")})
    after = make_plan(found, before.tasks, 10, [1] * 4, searched=before.configuration_trainings)
    assert after.needed == needed, "what was kept is trained for what it was planned to cost"


def test_a_latency_budget_needs_a_measurement() -> None:
    with pytest.raises(SpecError, match="latency is measured"):
        plan_of(3, budget={"inference": 2, "unit": "latency_ms"})


def test_too_many_groups_to_train_are_refused_with_the_way_out() -> None:
    with pytest.raises(SpecError, match="networks to train") as caught:
        plan_of(20, affinity={"estimator": "measured"})
    assert "higher-order" in caught.value.fix


def test_many_tasks_limit_the_size_of_groups_and_say_so() -> None:
    plan = plan_of(25, affinity={"estimator": "higher-order"}, budget={"inference": 5})
    assert plan.largest_group < 25
    assert int(plan.candidates.size_C[~plan.trained_C].max()) == plan.largest_group


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_counts_add_up(n_tasks: int, seeds: int, budget: int) -> None:
    plan = plan_of(n_tasks, training={"seeds": seeds}, budget={"inference": budget})
    phases = {phase.phase: phase for phase in phases_of(plan)}
    assert phases["search"].trainings == int(plan.trained_C.sum()) * seeds
    assert len(set(phases["search"].trials)) == phases["search"].trainings
    assert search_trainings(plan) == sum(phases[p].trainings for p in ("search", "audit", "check") if p in phases)
    assert 1 <= plan.networks <= min(budget, n_tasks)
