"""What serving costs beside the sum over networks: shared parts, deployed and sunk networks, heads nobody uses."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from grouping.errors import InfeasibleError, InputError
from grouping.solver.certificate import Certificate
from grouping.solver.frontier import solve_frontier
from grouping.solver.question import SharedCost
from grouping.solver.solve import solve
from grouping.solver.verification import verify
from tests.grouping.solver.families import members_of_all_subsets
from tests.grouping.solver.instances import Float

N = np.nan


def table(rng: np.random.Generator, n_tasks: int = 4) -> Float:
    members_CT = members_of_all_subsets(n_tasks)
    return np.where(members_CT, rng.uniform(0.5, 1.5, members_CT.shape), np.nan)


def total_cost(
    chosen: Sequence[int], cost_C: Float, shared: Sequence[SharedCost], deployed: set[int], sunk: set[int]
) -> float:
    """Cost of a set of networks, from the words of the documentation."""
    cost = float(cost_C[list(sunk)].sum() + cost_C[[c for c in chosen if c not in deployed | sunk]].sum())
    for part in shared:
        users = set(range(len(cost_C))) if part.candidates is None else set(part.candidates)
        if not users & deployed and users & {*chosen, *sunk}:
            cost += float(part.cost_D[0])
    return cost


def best_of_all(losses_CT: Float, budget: float, cost: object) -> tuple[float, float]:
    """Smallest objective, and the smallest cost at which it is reached; infinite where nothing fits."""
    assert callable(cost)
    value_CT = np.where(np.isnan(losses_CT), np.inf, losses_CT)
    best = (math.inf, math.inf)
    for size in range(1, losses_CT.shape[1] + 1):
        for chosen in itertools.combinations(range(len(losses_CT)), size):
            objective = float(value_CT[list(chosen)].min(axis=0).sum())
            if objective <= best[0] and cost(chosen) <= budget + 1e-9:
                best = min(best, (objective, cost(chosen)))
    return best


def test_shared_deployed_and_sunk_equal_exhaustive_search() -> None:
    rng = np.random.default_rng(61)
    seen = {"optional part used": 0, "optional part spared": 0, "infeasible": 0}
    for _ in range(60):
        losses_CT = table(rng)
        cost_C = rng.choice([0.5, 1.0, 1.5], 15)
        parts = [
            SharedCost(float(rng.choice([0.25, 0.5, 1.0])), tuple(np.flatnonzero(rng.random(15) < 0.5).tolist()))
            for _ in range(rng.integers(1, 3))
        ]
        if rng.random() < 0.3:
            parts.append(SharedCost(0.25))
        special = rng.permutation(15)[:2].tolist()
        deployed = special[:1] if rng.random() < 0.4 else []
        sunk = special[1:] if rng.random() < 0.4 else []
        budget = float(rng.choice([1.0, 1.5, 2.0, 3.0]))
        expected = best_of_all(
            losses_CT, budget, lambda g, c=cost_C, p=parts, d=deployed, s=sunk: total_cost(g, c, p, set(d), set(s))
        )
        if math.isinf(expected[0]):
            seen["infeasible"] += 1
            with pytest.raises(InfeasibleError) as caught:
                solve(losses_CT, cost_C, budget, shared=parts, deployed=deployed, sunk=sunk)
            least = caught.value.minimum_budget
            assert least is not None
            assert solve(losses_CT, cost_C, least, shared=parts, deployed=deployed, sunk=sunk).cost <= least * (
                1 + 1e-9
            )
            continue
        solution = solve(losses_CT, cost_C, budget, shared=parts, deployed=deployed, sunk=sunk)
        assert (solution.objective, solution.cost) == pytest.approx(expected)
        assert solution.proven_optimal
        assert solution.certificate is not None
        check = verify(solution.certificate, losses_CT, cost_C)
        assert check, check.complaints
        used = any(set(part.candidates or ()) & set(solution.chosen.tolist()) for part in parts)
        seen["optional part used" if used else "optional part spared"] += 1
    assert min(seen.values()) >= 3, seen


def test_a_part_that_all_share_is_paid_once() -> None:
    losses_CT = np.array([[1.0, N], [N, 1.0], [1.5, 1.5]])
    assert solve(losses_CT, np.ones(3), 2.5, shared=[SharedCost(0.5)]).chosen.tolist() == [0, 1]
    assert solve(losses_CT, np.ones(3), 2.4, shared=[SharedCost(0.5)]).chosen.tolist() == [2]
    assert solve(losses_CT, np.ones(3), 2.5, shared=[SharedCost(0.5)]).cost == 2.5


def test_a_sunk_network_is_paid_for_and_a_deployed_one_is_not() -> None:
    losses_CT = np.array([[1.0, N], [N, 1.0], [1.2, 1.2], [0.9, 2.0]])
    assert solve(losses_CT, np.ones(4), 1.0, deployed=[2]).objective == pytest.approx(2.1)
    sunk = solve(losses_CT, np.ones(4), 1.0, sunk=[2])
    assert sunk.objective == pytest.approx(2.4)
    assert sunk.cost == 1.0
    with pytest.raises(InfeasibleError, match="The smallest feasible budget is 1"):
        solve(losses_CT, np.ones(4), 0.5, sunk=[2])
    assert solve(losses_CT, np.ones(4), 2.0, sunk=[3]).cost == 2.0


def heads_cost(chosen: Sequence[int], routing: Sequence[int], losses_CT: Float, cost_C: Float, head_CT: Float) -> float:
    cost = 0.0
    for g, c in enumerate(chosen):
        idle = [t for t in np.flatnonzero(~np.isnan(losses_CT[c])).tolist() if routing[t] != g]
        cost += cost_C[c] - head_CT[c, idle].sum()
    return cost


@pytest.mark.parametrize("same", [True, False])
def test_dropped_heads_equal_exhaustive_search_over_networks_and_routings(same: bool) -> None:
    rng = np.random.default_rng([62, same])
    for _ in range(25):
        losses_CT = table(rng, 3)
        head_CT = np.broadcast_to(rng.choice([0.1, 0.2], 3), (7, 3)) if same else rng.choice([0.1, 0.4], (7, 3))
        cost_C = rng.choice([0.5, 1.0], 7) + np.where(np.isnan(losses_CT), 0.0, head_CT).sum(axis=1)
        budget = float(rng.uniform(1.0, 2.5))
        best = math.inf
        for size in (1, 2, 3):
            for chosen in itertools.combinations(range(7), size):
                for routing in itertools.product(range(size), repeat=3):
                    objective = sum(losses_CT[chosen[g], t] for t, g in enumerate(routing))
                    if heads_cost(chosen, routing, losses_CT, cost_C, head_CT) <= budget and objective < best:
                        best = objective
        if math.isinf(best):
            with pytest.raises(InfeasibleError):
                solve(losses_CT, cost_C, budget, head_cost=head_CT)
            continue
        solution = solve(losses_CT, cost_C, budget, head_cost=head_CT)
        assert solution.objective == pytest.approx(best)
        routing = solution.serves_T.tolist()
        assert solution.cost == pytest.approx(
            heads_cost(solution.chosen.tolist(), routing, losses_CT, cost_C, head_CT)
        ), "each network's cost without the heads that serve nobody"
        assert solution.certificate is not None
        again = Certificate.from_json(json.loads(json.dumps(solution.certificate.to_json())))
        check = verify(again, losses_CT, cost_C, head_cost=head_CT)
        assert check, check.complaints
        assert not verify(again, losses_CT, cost_C), "without the heads it is another question"


def test_the_heads_of_helpers_make_room_for_another_network() -> None:
    losses_CT = np.array([[0.5, N, N], [0.2, 0.3, 0.9], [N, N, 0.4]])
    cost_C = np.array([1.0, 1.6, 1.0])
    head_CT = np.full((3, 3), 0.2)
    assert solve(losses_CT, cost_C, 2.4).chosen.tolist() == [1]
    solution = solve(losses_CT, cost_C, 2.4, head_cost=head_CT)
    assert solution.chosen.tolist() == [1, 2]
    assert solution.serves_T.tolist() == [0, 0, 1]
    assert solution.cost == pytest.approx(1.4 + 1.0)


def test_a_sunk_network_keeps_all_its_heads_and_a_deployed_one_costs_nothing() -> None:
    losses_CT = np.array([[1.0, 1.0], [0.5, N], [N, 0.5]])
    cost_C = np.array([1.4, 1.2, 1.2])
    head_CT = np.array([[0.2, 0.2], [0.2, 0.0], [0.0, 0.2]])
    sunk = solve(losses_CT, cost_C, 2.6, head_cost=head_CT, sunk=[0])
    assert sunk.cost == pytest.approx(2.6)
    assert sunk.chosen.tolist() == [0, 1]
    free = solve(losses_CT, cost_C, 1.2, head_cost=head_CT, deployed=[0])
    assert free.cost == pytest.approx(1.2)
    assert free.chosen.tolist() == [0, 1]
    with pytest.raises(InfeasibleError):
        solve(losses_CT, cost_C, 1.3, head_cost=head_CT, sunk=[0])


def test_a_frontier_counts_what_is_shared_and_drops_heads() -> None:
    rng = np.random.default_rng(63)
    losses_CT = table(rng, 3)
    cost_C, head_CT = rng.choice([1.0, 2.0], 7), rng.choice([0.1, 0.2], (7, 3))
    points = solve_frontier(losses_CT, cost_C, shared=[SharedCost(0.5, (0, 2, 4))], head_cost=head_CT)
    for point in points:
        alone = solve(losses_CT, cost_C, point.cost, shared=[SharedCost(0.5, (0, 2, 4))], head_cost=head_CT)
        assert (alone.objective, alone.cost) == pytest.approx((point.objective, point.cost))
    assert len(points) >= 3


def test_several_budgets_price_heads_and_shared_parts_each() -> None:
    losses_CT = np.array([[1.0, N], [N, 1.0], [1.5, 1.5]])
    cost_CD = np.array([[1.0, 10.0], [1.0, 10.0], [1.0, 10.0]])
    part = [SharedCost((0.5, 5.0), (0, 1))]
    assert solve(losses_CT, cost_CD, [2.5, 25.0], shared=part).chosen.tolist() == [0, 1]
    assert solve(losses_CT, cost_CD, [2.5, 24.0], shared=part).chosen.tolist() == [2]
    head_CTD = np.zeros((3, 2, 2))
    head_CTD[2, 0] = (0.5, 5.0)
    assert solve(losses_CT, cost_CD, [2.0, 20.0], head_cost=head_CTD).chosen.tolist() == [0, 1]


def test_a_certificate_that_forgets_a_shared_cost_is_refused() -> None:
    losses_CT = np.array([[1.0, N], [N, 1.0], [1.5, 1.5]])
    solution = solve(losses_CT, np.ones(3), 2.5, shared=[SharedCost(1.0, (0,))])
    assert solution.chosen.tolist() == [1, 2]
    assert solution.certificate is not None
    assert verify(solution.certificate, losses_CT, np.ones(3))
    certificate = solution.certificate
    without = replace(certificate, question=replace(certificate.question, shared=()))
    assert not verify(without, losses_CT, np.ones(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sunk": [7]}, "there is no candidate 7"),
        ({"shared": [SharedCost(1.0, (7,))]}, "there is no candidate 7"),
        ({"shared": [SharedCost(-1.0)]}, "a shared part costs -1"),
        ({"shared": [SharedCost((1.0, 1.0))]}, "2 costs for 1 budgets"),
        ({"head_cost": [[0.1]]}, "head costs have shape"),
        ({"head_cost": [[0.9, 0.9]] * 2}, "the heads of candidate 0"),
        ({"head_cost": [[-0.1, 0.0]] * 2}, "A head costs 0 or more"),
    ],
)
def test_serving_costs_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        solve([[1.0, 1.0], [2.0, 2.0]], [1.0, 1.0], 1.0, **options)  # type: ignore[arg-type]


def test_more_variants_than_can_be_listed_are_refused() -> None:
    losses_CT = np.ones((4, 20))
    head_CT = np.broadcast_to(np.arange(4)[:, None] * 1e-3, (4, 20))
    with pytest.raises(InputError, match="variants, by whom they serve"):
        solve(losses_CT, np.ones(4), 2.0, head_cost=head_CT)


def test_a_shared_part_dearer_than_all_networks_does_not_hide_the_smallest_budget() -> None:
    losses_CT = np.array([[1.0, N], [N, 1.0], [1.5, 1.5]])
    parts = [SharedCost(10.0, (2,)), SharedCost(5.0, (0,))]
    with pytest.raises(InfeasibleError, match=r"The smallest feasible budget is 5\.2"):
        solve(losses_CT, [0.1, 0.1, 0.5], 0.3, shared=parts)


def test_what_is_spent_may_use_up_a_budget_but_for_rounding() -> None:
    losses_CT = np.array([[1.0, N], [N, 1.0], [0.5, N]])
    cost_C = np.array([0.1, 0.2, 0.3])
    solution = solve(losses_CT, cost_C, 0.3, sunk=[0, 1, 0])
    assert solution.chosen.tolist() == [0, 1]
    assert solution.certificate is not None
    assert verify(solution.certificate, losses_CT, cost_C)
    head_CT = np.array([[0.1, 0.2]] * 3)
    solution = solve(losses_CT, cost_C, 0.3, head_cost=np.where(np.isnan(losses_CT), 0.0, head_CT))
    assert solution.cost == pytest.approx(0.3)


def test_heads_of_candidates_that_serve_nobody_in_a_partition() -> None:
    losses_CT = np.array([[N, N, 1.0], [1.0, 1.0, N], [1.2, 1.3, 1.0]])
    cost_C, head_CT = np.array([1.0, 1.0, 1.5]), np.array([[0.1, 0.2, 0.1], [0.2, 0.1, 0.1], [0.3, 0.2, 0.3]])
    solution = solve(losses_CT, cost_C, 2.0, head_cost=head_CT, partition=True, auxiliary=[2])
    assert solution.certificate is not None
    check = verify(solution.certificate, losses_CT, cost_C, head_cost=head_CT)
    assert check, check.complaints
    with pytest.raises(InputError, match="no network has a loss"):
        solve(losses_CT[:1], cost_C[:1], 2.0, head_cost=head_CT[:1], partition=True, auxiliary=[2], deployed=[0])


def test_what_a_deployed_network_shares_is_paid_for_though_it_serves_nobody() -> None:
    losses_CT = np.array([[N, 1.0], [1.0, N], [2.0, N]])
    head_CT = np.array([[0.0, 0.1], [0.1, 0.0], [0.2, 0.0]])
    solution = solve(
        losses_CT, np.ones(3), 1.0, head_cost=head_CT, shared=[SharedCost(5.0, (0, 1))], deployed=[0], auxiliary=[1]
    )
    assert solution.chosen.tolist() == [1]


def test_runners_up_pay_for_what_they_share() -> None:
    losses_CT = np.array([[1.0, 1.0], [0.9, N], [0.8, N], [3.0, 3.0]])
    parts = [SharedCost(0.5, (1, 2))]
    solution = solve(losses_CT, [1.0, 0.0, 0.0, 1.0], 1.0, shared=parts, top=2)
    assert [each.chosen.tolist() for each in solution.alternatives] == [[3]]


@pytest.mark.parametrize(("budget", "spent"), [(2.0, 1.0), (1.0, -1.0)])
def test_a_certificate_that_spends_what_nothing_costs_is_refused(budget: float, spent: float) -> None:
    losses_CT = table(np.random.default_rng(64))
    solution = solve(losses_CT, np.ones(15), budget - spent)
    assert solution.certificate is not None
    question = replace(solution.certificate.question, budget_D=(budget,), spent_D=(spent,))
    forged = replace(solution.certificate, question=question)
    assert not verify(forged, losses_CT, np.ones(15))


def test_heads_and_shared_parts_are_proven_to_the_verifier() -> None:
    rng = np.random.default_rng(65)
    for _ in range(400):
        losses_CT = table(rng, 3)
        head_CT = rng.choice([0.0, 0.1, 0.4], (7, 3))
        cost_C = rng.choice([0.5, 1.0], 7) + np.where(np.isnan(losses_CT), 0.0, head_CT).sum(axis=1)
        parts = [SharedCost(1.0, tuple(np.flatnonzero(rng.random(7) < 0.5).tolist())) for _ in range(2)]
        try:
            solution = solve(losses_CT, cost_C, 3.0, head_cost=head_CT, shared=parts, max_networks=2)
        except InfeasibleError:
            continue
        assert solution.certificate is not None
        check = verify(solution.certificate, losses_CT, cost_C, head_cost=head_CT)
        assert check, check.complaints
