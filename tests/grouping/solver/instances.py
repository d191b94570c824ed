"""Seeded random instances of the grouping problem, and two slow solvers that are easy to believe."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

Float = NDArray[np.float64]

FAMILIES = ("uniform", "rounded", "gains", "equal", "pairs", "duplicates", "sparse", "large")


@dataclass(frozen=True, eq=False)
class Instance:
    """Arguments of ``solve``."""

    losses_CT: Float
    cost_C: Float
    budget: float
    weights_T: list[float]
    max_networks: int | None = None
    max_size: int | None = None
    partition: bool = False
    at_most: dict[int, float] = field(default_factory=dict)

    def options(self) -> dict[str, object]:
        return {
            "budget": self.budget,
            "weights_T": self.weights_T,
            "max_networks": self.max_networks,
            "max_size": self.max_size,
            "partition": self.partition,
            "at_most": self.at_most,
        }


def subsets(n_tasks: int) -> NDArray[np.bool_]:
    """Every non-empty group, [2^T - 1, T]."""
    return (np.arange(1, 2**n_tasks)[:, None] >> np.arange(n_tasks) & 1).astype(bool)


def instance(rng: np.random.Generator, family: str, n_tasks: int) -> Instance:
    """A random instance of a family; about a third is infeasible."""
    members_CT = subsets(n_tasks)
    if family == "sparse":
        members_CT = members_CT[rng.random(len(members_CT)) < 0.5]
    alone = np.eye(n_tasks, dtype=bool)
    members_CT = np.vstack([members_CT, alone])  # every task can be served
    shape = members_CT.shape
    if family == "pairs":
        pair_TT = np.maximum(0.3, 1 + rng.normal(0, 0.07, (n_tasks, n_tasks)))
        np.fill_diagonal(pair_TT, 0)
        partners_C = np.maximum(members_CT.sum(axis=1) - 1, 1)
        losses_CT = np.where(members_CT.sum(axis=1)[:, None] > 1, members_CT @ pair_TT.T / partners_C[:, None], 1.0)
    elif family == "equal":
        losses_CT = np.ones(shape)
    elif family == "rounded":
        losses_CT = rng.uniform(0.5, 1.5, shape).round(1)
    elif family == "gains":
        losses_CT = rng.normal(0, 0.3, shape)
    elif family == "large":
        losses_CT = rng.uniform(1e5, 2e5, shape)
    else:
        losses_CT = rng.uniform(0.5, 1.5, shape)
    losses_CT = np.where(members_CT, losses_CT, np.nan)
    if family == "duplicates":
        losses_CT = np.repeat(losses_CT, 2, axis=0)
    prices = ([1.0], [0.5, 1.0, 2.0], [0.0, 1.0], [0.7, 1.1, 1.3])[int(rng.integers(4))]
    at_most = {}
    if rng.random() < 0.2:
        task = int(rng.integers(n_tasks))
        at_most = {task: float(np.nanquantile(losses_CT[:, task], 0.6))}
    return Instance(
        losses_CT,
        rng.choice(prices, len(losses_CT)),
        float(rng.choice([0.5, 1, 1.5, 2, 2.5, 3, 4])),
        [1.0] * n_tasks if rng.random() < 0.5 else rng.uniform(0.1, 3, n_tasks).tolist(),
        max_networks=None if rng.random() < 0.7 else int(rng.integers(1, 4)),
        max_size=None if rng.random() < 0.8 else int(rng.integers(1, 4)),
        partition=bool(rng.random() < 0.2),
        at_most=at_most,
    )


def values(problem: Instance) -> Float:
    """Weighted losses, +inf where the constraints forbid a service, [C, T]."""
    members_CT = ~np.isnan(problem.losses_CT)
    value_CT = np.where(members_CT, problem.losses_CT, np.inf)
    for task, limit in problem.at_most.items():
        value_CT[value_CT[:, task] > limit, task] = np.inf
    if problem.max_size is not None:
        value_CT[members_CT.sum(axis=1) > problem.max_size] = np.inf
    if problem.partition:
        value_CT[(members_CT & np.isinf(value_CT)).any(axis=1)] = np.inf
    weighted: Float = value_CT * np.array(problem.weights_T)
    return weighted


def exhaustive(problem: Instance) -> float:
    """Objective of the best of all sets of candidates; +inf where none is feasible."""
    value_CT = values(problem)
    n_candidates, n_tasks = value_CT.shape
    best = math.inf
    for size in range(1, min(n_tasks, problem.max_networks or n_tasks) + 1):
        for rows in map(list, itertools.combinations(range(n_candidates), size)):
            if problem.cost_C[rows].sum() > problem.budget * (1 + 1e-11):
                continue
            value_GT = value_CT[rows]
            if problem.partition and (np.isfinite(value_GT).sum(axis=0) != 1).any():
                continue
            best = min(best, float(value_GT.min(axis=0).sum()))
    return best


def highs(problem: Instance) -> float:
    """Objective by the textbook mixed-integer program (x <= y) and HiGHS; +inf where it is infeasible."""
    value_CT = values(problem)
    n_candidates, n_tasks = value_CT.shape
    service = np.argwhere(np.isfinite(value_CT))
    n_services = len(service)
    columns = n_candidates + n_services
    assign = np.zeros((n_tasks, columns))
    assign[service[:, 1], n_candidates + np.arange(n_services)] = 1
    link = np.zeros((n_services, columns))
    link[np.arange(n_services), service[:, 0]] = -1
    link[np.arange(n_services), n_candidates + np.arange(n_services)] = 1
    limits = np.zeros((2, columns))
    limits[0, :n_candidates] = problem.cost_C
    limits[1, :n_candidates] = 1
    most = problem.max_networks if problem.max_networks is not None else n_candidates
    constraints = [
        LinearConstraint(assign, 1, 1),
        LinearConstraint(link, -np.inf, 0),
        LinearConstraint(limits, -np.inf, [problem.budget, most]),
    ]
    if problem.partition:
        exactly = np.zeros((n_tasks, columns))
        exactly[:, :n_candidates] = (~np.isnan(problem.losses_CT)).T
        constraints.append(LinearConstraint(exactly, 1, 1))
    result = milp(
        np.concatenate([np.zeros(n_candidates), value_CT[service[:, 0], service[:, 1]]]),
        constraints=constraints,
        integrality=np.concatenate([np.ones(n_candidates), np.zeros(n_services)]),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-10},
    )
    return float(result.fun) if result.x is not None else math.inf
