"""The question a user asks about a table of losses: budgets, weights and constraints, by index."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from grouping.errors import InputError

__all__ = ["Question", "SharedCost", "readable"]


@dataclass(frozen=True)
class SharedCost:
    """Something that several networks use and that is paid for once: preprocessing, a frozen backbone.

    Args:
        cost: What it takes of the budget; one number per budget where there are several.
        candidates: Who uses it; None for all.
    """

    cost: float | Sequence[float]
    candidates: Sequence[int] | None = None

    def plain(self) -> SharedCost:
        """The same in tuples of plain numbers."""
        candidates = None if self.candidates is None else tuple(int(c) for c in self.candidates)
        return SharedCost(tuple(float(cost) for cost in np.atleast_1d(self.cost)), candidates)

    @property
    def cost_D(self) -> tuple[float, ...]:
        """The cost for each budget."""
        return tuple(self.cost) if isinstance(self.cost, Sequence) else (float(self.cost),)


@dataclass(frozen=True)
class Question:
    """What is asked about a table; see ``solve``.

    ``tasks`` are names for messages; ``spent_D`` is what of each budget is spent whatever is chosen; ``heads`` says
    that costs are without heads (``trunks``), or that candidates are ``variants``, as in ``heads``.
    """

    budget_D: tuple[float, ...] = ()
    weights_T: tuple[float, ...] = ()
    max_networks: int | None = None
    max_size: int | None = None
    partition: bool = False
    together: tuple[tuple[int, int], ...] = ()
    apart: tuple[tuple[int, int], ...] = ()
    at_most: Mapping[int, float] = field(default_factory=dict)
    deployed: tuple[int, ...] = ()
    sunk: tuple[int, ...] = ()
    shared: tuple[SharedCost, ...] = ()
    auxiliary: tuple[int, ...] = ()
    tasks: tuple[str, ...] = ()
    spent_D: tuple[float, ...] = ()
    heads: Literal["", "trunks", "variants"] = ""

    def __post_init__(self) -> None:
        for limit in self.budget_D:
            if not (math.isfinite(limit) and limit >= 0):
                raise InputError(f"the budget {limit} is not a finite number of 0 or more", where="budget")
        for name, count in (("max_networks", self.max_networks), ("max_size", self.max_size)):
            if count is not None and count < 1:
                raise InputError(f"{name} is {count}", where=name, fix="Give 1 or more, or leave it out")
        for part in self.shared:
            if not all(math.isfinite(cost) and cost >= 0 for cost in part.cost_D):
                raise InputError(f"a shared part costs {readable(part.cost_D)}", where="shared", fix="Give 0 or more")

    @classmethod
    def of(
        cls,
        n_tasks: int,
        *,
        weights_T: Sequence[float] | None,
        at_most: Mapping[int, float] | None,
        together: Sequence[tuple[int, int]],
        apart: Sequence[tuple[int, int]],
        deployed: Sequence[int],
        sunk: Sequence[int],
        shared: Sequence[SharedCost],
        auxiliary: Sequence[int],
        tasks: Sequence[str] | None,
        budget_D: tuple[float, ...] = (),
        max_networks: int | None,
        max_size: int | None,
        partition: bool,
    ) -> Question:
        """The question with what was left out filled in: weights of 1, tasks called by their index."""
        return cls(
            budget_D=budget_D,
            weights_T=(1.0,) * n_tasks if weights_T is None else tuple(float(weight) for weight in weights_T),
            max_networks=max_networks,
            max_size=max_size,
            partition=partition,
            together=tuple((int(a), int(b)) for a, b in together),
            apart=tuple((int(a), int(b)) for a, b in apart),
            at_most=dict(at_most or {}),
            deployed=tuple(sorted({int(c) for c in deployed})),
            sunk=tuple(sorted({int(c) for c in sunk})),
            shared=tuple(part.plain() for part in shared),
            auxiliary=tuple(sorted({int(t) for t in auxiliary})),
            tasks=tuple(map(str, range(n_tasks))) if tasks is None else tuple(tasks),
        )

    def check_against(self, n_candidates: int, n_tasks: int, n_costs: int) -> None:
        """Refuse indices, weights and costs that do not fit the table.

        Raises:
            InputError: naming the offending value.
        """
        if self.budget_D and len(self.budget_D) != n_costs:
            raise InputError(f"{len(self.budget_D)} budgets for {n_costs} costs", where="budget")
        if len(self.tasks) != n_tasks:
            raise InputError(f"{len(self.tasks)} task names for {n_tasks} tasks", where="tasks")
        self._check_weights(n_tasks)
        tasks = [*self.auxiliary, *self.at_most, *(t for pair in (*self.together, *self.apart) for t in pair)]
        for t in tasks:
            if not 0 <= t < n_tasks:
                raise InputError(f"there is no task {t}; the table has tasks 0 to {n_tasks - 1}")
        users = [c for part in self.shared for c in part.candidates or ()]
        for where, named in (("deployed", self.deployed), ("sunk", self.sunk), ("shared", users)):
            for c in named:
                if not 0 <= c < n_candidates:
                    raise InputError(f"there is no candidate {c}; the table has 0 to {n_candidates - 1}", where=where)
        for part in self.shared:
            if len(part.cost_D) != n_costs:
                raise InputError(f"a shared part has {len(part.cost_D)} costs for {n_costs} budgets", where="shared")
        for a, b in (*self.together, *self.apart):
            if a == b:
                raise InputError(f"task '{self.tasks[a]}' cannot be constrained against itself")
        for t, limit in self.at_most.items():
            if math.isnan(limit):
                raise InputError(f"the largest loss of task '{self.tasks[t]}' is not a number", where="at_most")
        if len(set(self.auxiliary)) >= n_tasks:
            raise InputError("every task is auxiliary, so nothing is left to serve", where="auxiliary")

    def _check_weights(self, n_tasks: int) -> None:
        if len(self.weights_T) != n_tasks:
            raise InputError(f"{len(self.weights_T)} weights for {n_tasks} tasks", where="weights")
        for t, weight in enumerate(self.weights_T):
            if t not in self.auxiliary and not (math.isfinite(weight) and weight > 0):
                raise InputError(
                    f"the weight {weight} of task '{self.tasks[t]}' is not a positive finite number",
                    where="weights",
                    fix="A task that need not be served is auxiliary",
                )


def readable(values: Sequence[float]) -> str:
    """Costs for a message: '3', or '3, 1.5e+09' for several."""
    return ", ".join(f"{value:g}" for value in values)
