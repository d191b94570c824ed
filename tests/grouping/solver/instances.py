"""Seeded random instances of the grouping problem, small enough for slow solvers, with every rule one may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.errors import InfeasibleError
from grouping.solver.solution import Solution
from grouping.solver.solve import solve

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]

FAMILIES = ("uniform", "rounded", "gains", "equal", "pairs", "duplicates", "sparse", "large")

RULES = (
    "weights",
    "budgets",
    "max_networks",
    "max_size",
    "partition",
    "together",
    "apart",
    "at_most",
    "deployed",
    "auxiliary",
    "maximum",
    "more_members",
)
"""What an instance may have beside losses, costs and one budget."""


@dataclass(frozen=True, eq=False)
class Instance:
    """Arguments of ``solve``, one column of costs for each budget."""

    losses_CT: Float
    members_CT: Bool
    cost_CD: Float
    budget_D: tuple[float, ...]
    weights_T: tuple[float, ...]
    max_networks: int | None = None
    max_size: int | None = None
    partition: bool = False
    together: tuple[tuple[int, int], ...] = ()
    apart: tuple[tuple[int, int], ...] = ()
    at_most: dict[int, float] = field(default_factory=dict)
    deployed: tuple[int, ...] = ()
    auxiliary: tuple[int, ...] = ()
    objective: str = "sum"

    @property
    def cost_C(self) -> Float:
        """Costs as users give them: [C], or [C, D] for several budgets."""
        return self.cost_CD[:, 0] if len(self.budget_D) == 1 else self.cost_CD

    def options(self) -> dict[str, Any]:
        """What ``solve`` is told beside the table and the budget."""
        table = ("losses_CT", "cost_CD", "budget_D")
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in table}

    def rules(self) -> set[str]:
        """Which of ``RULES`` this instance has."""
        plain = ("max_networks", "max_size", "partition", "together", "apart", "at_most", "deployed", "auxiliary")
        found = {name for name in plain if getattr(self, name)}
        others = {
            "weights": len(set(self.weights_T)) > 1,
            "budgets": len(self.budget_D) > 1,
            "maximum": self.objective == "max",
            "more_members": bool((self.members_CT & np.isnan(self.losses_CT)).any()),
        }
        return found | {name for name, has in others.items() if has}


def ask(problem: Instance, **more: Any) -> Solution:
    """What the solver answers; errors as ``solve``."""
    budget = problem.budget_D[0] if len(problem.budget_D) == 1 else problem.budget_D
    return solve(problem.losses_CT, problem.cost_C, budget, **problem.options(), **more)


def answer(problem: Instance) -> Solution | None:
    """What the solver answers; None where it says that there is no grouping."""
    try:
        return ask(problem)
    except InfeasibleError:
        return None


def subsets(n_tasks: int) -> Bool:
    """Every non-empty group, [2^T - 1, T]."""
    return (np.arange(1, 2**n_tasks)[:, None] >> np.arange(n_tasks) & 1).astype(bool)


def instance(rng: np.random.Generator, family: str, n_tasks: int) -> Instance:
    """A random instance of a family; about a third is infeasible."""
    members_CT = subsets(n_tasks)
    if family == "sparse":
        members_CT = members_CT[rng.random(len(members_CT)) < 0.5]
    alone = np.eye(n_tasks, dtype=bool)
    members_CT = np.vstack([members_CT, alone])  # every task can be served
    losses_CT = np.where(members_CT, _losses(rng, family, members_CT), np.nan)
    if family == "duplicates":
        losses_CT = np.repeat(losses_CT, 2, axis=0)
    members_CT = ~np.isnan(losses_CT)
    if rng.random() < 0.15:  # some are trained for the others' sake only
        members_CT = members_CT | (rng.random(members_CT.shape) < 0.1)
    n_budgets = 1 if rng.random() < 0.8 else int(rng.integers(2, 4))
    prices = ([1.0], [0.5, 1.0, 2.0], [0.0, 1.0], [0.7, 1.1, 1.3])
    cost_CD = np.stack([rng.choice(prices[int(rng.integers(4))], len(losses_CT)) for _ in range(n_budgets)], axis=1)
    return Instance(
        losses_CT,
        members_CT,
        cost_CD,
        tuple(rng.choice([0.5, 1, 1.5, 2, 2.5, 3, 4], n_budgets).tolist()),
        (1.0,) * n_tasks if rng.random() < 0.5 else tuple(rng.uniform(0.1, 3, n_tasks).tolist()),
        **_rules(rng, losses_CT),
    )


def _losses(rng: np.random.Generator, family: str, members_CT: Bool) -> Float:
    shape = members_CT.shape
    if family == "pairs":
        pair_TT = np.maximum(0.3, 1 + rng.normal(0, 0.07, (shape[1], shape[1])))
        np.fill_diagonal(pair_TT, 0)
        size_C = members_CT.sum(axis=1)
        mean_CT: Float = members_CT @ pair_TT.T / np.maximum(size_C - 1, 1)[:, None]
        mean_CT[size_C == 1] = 1.0
        return mean_CT
    if family == "equal":
        return np.ones(shape)
    if family == "rounded":
        return rng.uniform(0.5, 1.5, shape).round(1)
    if family == "gains":
        return rng.normal(0, 0.3, shape)
    if family == "large":
        return rng.uniform(1e5, 2e5, shape)
    return rng.uniform(0.5, 1.5, shape)


def _rules(rng: np.random.Generator, losses_CT: Float) -> dict[str, Any]:
    """Rules beside the budgets, each in some of the instances and independent of the others."""
    n_candidates, n_tasks = losses_CT.shape
    rules: dict[str, Any] = {}
    if rng.random() < 0.3:
        rules["max_networks"] = int(rng.integers(1, 4))
    if rng.random() < 0.2:
        rules["max_size"] = int(rng.integers(1, 4))
    if rng.random() < 0.2:
        rules["partition"] = True
    if n_tasks > 1 and rng.random() < 0.25:
        rules["together"] = tuple(_pair(rng, n_tasks) for _ in range(rng.integers(1, 3)))
    if n_tasks > 1 and rng.random() < 0.2:
        rules["apart"] = tuple(_pair(rng, n_tasks) for _ in range(rng.integers(1, 3)))
    if rng.random() < 0.2:
        task = int(rng.integers(n_tasks))
        rules["at_most"] = {task: float(np.nanquantile(losses_CT[:, task], 0.6))}
    if rng.random() < 0.2:
        rules["deployed"] = tuple(rng.choice(n_candidates, min(n_candidates, 2), replace=False).tolist())
    if n_tasks > 1 and rng.random() < 0.15:
        rules["auxiliary"] = tuple(rng.choice(n_tasks, int(rng.integers(1, n_tasks)), replace=False).tolist())
    if rng.random() < 0.15:
        rules["objective"] = "max"
    return rules


def _pair(rng: np.random.Generator, n_tasks: int) -> tuple[int, int]:
    first, second = rng.choice(n_tasks, 2, replace=False).tolist()
    return int(first), int(second)


def arranged(problem: Instance, row_C: list[int], column_T: list[int]) -> Instance:
    """The same question about a table with these candidates (all or some) and tasks (all), in this order."""

    def pairs(old: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        return tuple((column_T.index(a), column_T.index(b)) for a, b in old)

    return replace(
        problem,
        losses_CT=problem.losses_CT[row_C][:, column_T],
        members_CT=problem.members_CT[row_C][:, column_T],
        cost_CD=problem.cost_CD[row_C],
        weights_T=tuple(problem.weights_T[t] for t in column_T),
        together=pairs(problem.together),
        apart=pairs(problem.apart),
        at_most={column_T.index(task): limit for task, limit in problem.at_most.items()},
        deployed=tuple(row_C.index(c) for c in problem.deployed if c in row_C),
        auxiliary=tuple(column_T.index(t) for t in problem.auxiliary),
    )


def thinned(rng: np.random.Generator, problem: Instance, n_candidates: int) -> Instance:
    """The same question about some of the candidates; the last ones, which serve one task each, stay."""
    n_rows, n_tasks = problem.losses_CT.shape
    if n_rows <= n_candidates:
        return problem
    kept = sorted(rng.choice(n_rows - n_tasks, n_candidates - n_tasks, replace=False).tolist())
    return arranged(problem, [*kept, *range(n_rows - n_tasks, n_rows)], list(range(n_tasks)))
