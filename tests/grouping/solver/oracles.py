"""Two slow solvers that are easy to believe, and an audit of an answer; none shares a line with the solver."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, vstack

from grouping.solver.solution import Solution
from grouping.solver.verification import verify
from tests.grouping.solver.instances import Bool, Float, Instance

Int = NDArray[np.int64]

SLACK = 1e-11
"""Relative: sums of decimals may exceed a budget by that."""


def served(problem: Instance) -> list[int]:
    """The tasks that have to be served."""
    return [t for t in range(problem.losses_CT.shape[1]) if t not in problem.auxiliary]


def values(problem: Instance) -> Float:
    """Weighted losses of the tasks to serve, +inf where a rule forbids the service, [C, T]."""
    tasks = served(problem)
    value_CT = np.where(np.isnan(problem.losses_CT), np.inf, problem.losses_CT)
    for task, limit in problem.at_most.items():
        value_CT[value_CT[:, task] > limit, task] = np.inf
    for a, b in problem.apart:
        value_CT[problem.members_CT[:, a] & problem.members_CT[:, b]] = np.inf
    if problem.max_size is not None:
        value_CT[problem.members_CT.sum(axis=1) > problem.max_size] = np.inf
    value_CT = value_CT[:, tasks]
    if problem.partition:
        value_CT[(problem.members_CT[:, tasks] & np.isinf(value_CT)).any(axis=1)] = np.inf
    weighted: Float = value_CT * np.array(problem.weights_T)[tasks]
    return weighted


def charges(problem: Instance) -> tuple[Float, Float]:
    """What candidates take of each limit, [C, D], and the limits, [D]; the number of networks is the last of them."""
    cost_CD = problem.cost_CD.copy()
    cost_CD[list(problem.deployed)] = 0.0
    most = len(cost_CD) if problem.max_networks is None else problem.max_networks
    return np.column_stack([cost_CD, np.ones(len(cost_CD))]), np.array([*problem.budget_D, most])


def sharing(problem: Instance) -> Bool:
    """Whether both tasks of a pair that must share are members, [pairs, C]."""
    both = [problem.members_CT[:, a] & problem.members_CT[:, b] for a, b in problem.together]
    return np.array(both, dtype=bool).reshape(len(both), len(problem.losses_CT))


def affordable_sets(cost_CD: Float, limit_D: Float, largest: int) -> Iterator[Int]:
    """Every set of at most ``largest`` candidates within the limits, as rows [N, size] of one size after the other."""
    n_candidates = len(cost_CD)
    set_NG = np.zeros((1, 0), dtype=np.int64)
    cost_ND = np.zeros((1, cost_CD.shape[1]))
    for _ in range(largest):
        first_N = set_NG[:, -1] + 1 if set_NG.shape[1] else np.zeros(1, dtype=np.int64)
        parent_N = np.repeat(np.arange(len(set_NG)), n_candidates - first_N)
        offset_N = np.arange(len(parent_N)) - np.repeat(
            np.cumsum(n_candidates - first_N) - (n_candidates - first_N), n_candidates - first_N
        )
        added_N = first_N[parent_N] + offset_N
        cost_ND = cost_ND[parent_N] + cost_CD[added_N]
        within_N = (cost_ND <= limit_D * (1 + SLACK)).all(axis=1)
        set_NG = np.column_stack([set_NG[parent_N], added_N])[within_N]
        cost_ND = cost_ND[within_N]
        if not len(set_NG):
            return
        yield set_NG


def exhaustive(problem: Instance) -> float:
    """Objective of the best of all sets of candidates, each with its best routing; +inf where none is feasible."""
    value_CT = values(problem)
    useful_C = np.isfinite(value_CT).any(axis=1)
    value_CT, sharing_PC = value_CT[useful_C], sharing(problem)[:, useful_C]
    cost_CD, limit_D = charges(problem)
    total = np.sum if problem.objective == "sum" else np.max
    best = math.inf
    for set_NG in affordable_sets(cost_CD[useful_C], limit_D, value_CT.shape[1]):
        value_NGT = value_CT[set_NG]
        if problem.partition:
            once_N = (np.isfinite(value_NGT).sum(axis=1) == 1).all(axis=1)
            set_NG, value_NGT = set_NG[once_N], value_NGT[once_N]
        if not len(set_NG):
            continue
        # Each pair names the task that one of its common networks serves; without pairs there is one way to do so.
        for named in itertools.product(range(value_CT.shape[1]), repeat=len(sharing_PC)):
            routed_NT = value_NGT.min(axis=1)
            for task in set(named):
                pairs = [pair for pair, name in enumerate(named) if name == task]
                common_NG = np.logical_and.reduce(sharing_PC[pairs], axis=0)[set_NG]
                routed_NT[:, task] = np.where(common_NG, value_NGT[:, :, task], np.inf).min(axis=1)
            best = min(best, float(total(routed_NT, axis=1).min()))
    return best


def highs(problem: Instance) -> float:
    """Objective by the textbook mixed-integer program (x <= y) and HiGHS; +inf where it is infeasible."""
    value_CT = values(problem)
    candidate_S, task_S = np.nonzero(np.isfinite(value_CT))
    (n_candidates, n_tasks), n_services = value_CT.shape, len(candidate_S)
    value_S, service_S = value_CT[candidate_S, task_S], np.arange(n_services)
    cost_CD, limit_D = charges(problem)
    largest = int(problem.objective == "max")  # one more variable
    columns = n_candidates + n_services + largest

    def block(row: Int, column: Int, n_rows: int, entry: Float | float = 1.0) -> csr_array:
        return coo_array((np.broadcast_to(entry, row.shape), (row, column)), (n_rows, columns)).tocsr()

    assign = block(task_S, n_candidates + service_S, n_tasks)
    link = block(service_S, n_candidates + service_S, n_services) - block(service_S, candidate_S, n_services)
    limits = csr_array(np.hstack([cost_CD.T, np.zeros((len(limit_D), columns - n_candidates))]))
    rows: list[tuple[csr_array, Float, Float]] = [
        (assign, np.ones(n_tasks), np.ones(n_tasks)),
        (link, np.full(n_services, -np.inf), np.zeros(n_services)),
        (limits, np.full(len(limit_D), -np.inf), limit_D),
    ]
    if problem.partition:
        member, task = np.nonzero(problem.members_CT[:, served(problem)])
        rows.append((block(task, member, n_tasks), np.ones(n_tasks), np.ones(n_tasks)))
    for sharing_C in sharing(problem):
        common_S = service_S[sharing_C[candidate_S]]
        rows.append((block(0 * common_S, n_candidates + common_S, 1), np.ones(1), np.full(1, np.inf)))
    if largest:
        loss = block(task_S, n_candidates + service_S, n_tasks, value_S)
        top = block(np.arange(n_tasks), np.full(n_tasks, columns - 1), n_tasks)
        rows.append((loss - top, np.full(n_tasks, -np.inf), np.zeros(n_tasks)))
    whole = float(largest or bool(problem.together))  # otherwise whole networks are reason enough to serve wholly
    matrices, lower, upper = zip(*rows, strict=True)
    least, most = np.zeros(columns), np.ones(columns)
    least[columns - largest :], most[columns - largest :] = -np.inf, np.inf
    result = milp(
        np.concatenate([np.zeros(n_candidates), np.zeros(n_services) if largest else value_S, np.ones(largest)]),
        constraints=LinearConstraint(vstack(matrices).tocsc(), np.concatenate(lower), np.concatenate(upper)),
        integrality=np.concatenate([np.ones(n_candidates), np.full(n_services, whole), np.zeros(largest)]),
        bounds=Bounds(least, most),
        options={"mip_rel_gap": 1e-10},
    )
    if result.x is None:
        return math.inf
    # HiGHS lets the largest loss exceed its variable by a millionth.
    return float(value_S[result.x[n_candidates:][:n_services] > 0.5].max()) if largest else float(result.fun)


def audit(problem: Instance, solution: Solution) -> None:
    """Assert that an answer obeys every rule and says of itself what is true, number by number from the raw table."""
    losses, members = problem.losses_CT.tolist(), problem.members_CT.tolist()
    chosen, serves = solution.chosen.tolist(), solution.serves_T.tolist()
    weighted = []
    for t, g in enumerate(serves):
        if t in problem.auxiliary:
            assert g == -1
            assert math.isnan(solution.losses_T[t])
            continue
        loss = losses[chosen[g]][t]
        assert loss == solution.losses_T[t], "not NaN, and not another's"
        assert loss <= problem.at_most.get(t, math.inf)
        weighted.append(problem.weights_T[t] * loss)
    assert chosen == sorted(set(chosen))
    assert {g for g in serves if g != -1} == set(range(len(chosen))), "every network serves a task"
    assert solution.members_GT.tolist() == [members[c] for c in chosen]

    objective = math.fsum(weighted) if problem.objective == "sum" else max(weighted)
    assert math.isclose(solution.objective, objective, rel_tol=1e-12, abs_tol=1e-12)
    assert solution.bound <= solution.objective
    for d, limit in enumerate(problem.budget_D):
        cost = math.fsum(float(problem.cost_CD[c, d]) for c in chosen if c not in problem.deployed)
        assert cost <= limit * (1 + 2 * SLACK)
        if d == 0:
            assert math.isclose(solution.cost, cost, rel_tol=1e-12, abs_tol=1e-12)
    assert solution.budget == problem.budget_D[0]

    assert len(chosen) <= (problem.max_networks or len(chosen))
    assert all(sum(members[c]) <= (problem.max_size or len(members[c])) for c in chosen)
    assert not any(members[c][a] and members[c][b] for a, b in problem.apart for c in chosen)
    assert all(any(members[c][a] and members[c][b] for c in chosen) for a, b in problem.together)
    if problem.partition:
        assert all(sum(members[c][t] for c in chosen) == 1 for t in served(problem))
    if not problem.together:  # there a task may be served by another network, for the pair's sake
        for t, g in enumerate(serves):
            options = [losses[c][t] for c in chosen if not math.isnan(losses[c][t])]
            assert g == -1 or losses[chosen[g]][t] == min(options), "every task takes the best chosen network"


def certified(problem: Instance, solution: Solution) -> None:
    """Assert that the answer is proven; where it brings a certificate, by checking that."""
    assert solution.proven_optimal
    assert not solution.stopped
    if solution.certificate is None:
        assert problem.objective == "max" or problem.together
        return
    check = verify(solution.certificate, problem.losses_CT, problem.cost_C, problem.members_CT)
    assert check, check.complaints
