"""Which networks could be served: task sets with a cost, as one boolean matrix and one vector.

Axes: ``T`` tasks, ``C`` candidates. A candidate's identity is (network, cost, candidate), where *network* is its
task names joined by ``+`` and *candidate* tells apart networks of the same tasks and cost (their sharing kind, say).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from grouping.budget import BudgetUnit
from grouping.errors import InputError
from grouping.tasks import SEPARATOR, check_task_names

__all__ = ["BoolArray", "Candidates", "FloatArray", "IntArray", "frozen", "groups_up_to", "network_name"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Array = TypeVar("Array", bound=NDArray[Any])


def frozen(array: Array) -> Array:
    """The same values, owned by nobody else and read-only: a value type's array never changes under its holder."""
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def network_name(tasks: Sequence[str], members_T: BoolArray) -> str:
    """Task names of the members in task order, joined by ``+``."""
    return SEPARATOR.join(task for task, member in zip(tasks, members_T, strict=True) if member)


def groups_up_to(n_tasks: int, max_size: int) -> Iterator[tuple[int, ...]]:
    """Every task group of at most ``max_size`` members, smaller groups first, as ascending task indices."""
    for size in range(1, min(max_size, n_tasks) + 1):
        yield from combinations(range(n_tasks), size)


@dataclass(frozen=True, eq=False)
class Candidates:
    """The networks to choose from.

    Args:
        tasks: Task names, length T.
        members_CT: Who shares, boolean [C, T]; every candidate has at least one member.
        cost_C: What serving costs in the unit the budget is given in, [C], finite and not negative.
        label_C: The ``candidate`` column, length C; empty strings where tasks and cost identify the network.
        other_costs_C: The same networks' costs in other units, each [C].

    Raises:
        InputError: shapes that disagree, an empty candidate, a bad cost, or the same identity twice.
    """

    tasks: tuple[str, ...]
    members_CT: BoolArray
    cost_C: FloatArray
    label_C: tuple[str, ...] = ()
    other_costs_C: Mapping[BudgetUnit, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_task_names(self.tasks)
        members_CT = np.asarray(self.members_CT, dtype=bool)
        cost_C = np.asarray(self.cost_C, dtype=float)
        if members_CT.ndim != 2 or members_CT.shape[1] != len(self.tasks):
            raise InputError(f"members has shape {members_CT.shape}, expected (candidates, {len(self.tasks)} tasks)")
        if cost_C.shape != members_CT.shape[:1]:
            raise InputError(f"cost has shape {cost_C.shape}, expected {members_CT.shape[:1]}")
        label_C = self.label_C or ("",) * len(cost_C)
        if len(label_C) != len(cost_C):
            raise InputError(f"{len(label_C)} candidate labels for {len(cost_C)} candidates")
        object.__setattr__(self, "members_CT", frozen(members_CT))
        object.__setattr__(self, "cost_C", frozen(cost_C))
        object.__setattr__(self, "label_C", tuple(label_C))
        object.__setattr__(
            self, "other_costs_C", {unit: frozen(np.asarray(v, float)) for unit, v in self.other_costs_C.items()}
        )
        empty_C = ~members_CT.any(axis=1)
        if empty_C.any():
            raise InputError(f"candidate {int(np.flatnonzero(empty_C)[0])} has no tasks")
        bad_C = ~(np.isfinite(cost_C) & (cost_C >= 0))
        if bad_C.any():
            worst = int(np.flatnonzero(bad_C)[0])
            raise InputError(f"network '{self.name(worst)}' costs {cost_C[worst]}", fix="Costs are finite, 0 or more")
        seen: set[tuple[bytes, float, str]] = set()
        for c, identity in enumerate(zip(map(bytes, members_CT), cost_C.tolist(), label_C, strict=True)):
            if identity in seen:
                raise InputError(
                    f"network '{self.name(c)}' with cost {cost_C[c]:g} and candidate '{label_C[c]}' appears twice"
                )
            seen.add(identity)

    def __len__(self) -> int:
        return len(self.cost_C)

    @property
    def n_tasks(self) -> int:
        return len(self.tasks)

    @property
    def size_C(self) -> IntArray:
        """Number of member tasks, [C]."""
        return np.asarray(self.members_CT.sum(axis=1), np.int64)

    def name(self, candidate: int) -> str:
        """Task names of one candidate, joined by ``+``."""
        return network_name(self.tasks, self.members_CT[candidate])

    def select(self, which_C: BoolArray | IntArray) -> Candidates:
        """The candidates picked by a mask or by indices, in that order."""
        indices = np.flatnonzero(which_C) if which_C.dtype == bool else which_C
        return Candidates(
            self.tasks,
            self.members_CT[indices],
            self.cost_C[indices],
            tuple(self.label_C[int(c)] for c in indices),
            {unit: costs_C[indices] for unit, costs_C in self.other_costs_C.items()},
        )

    def index(self, tasks: Sequence[str], cost: float, label: str = "") -> int | None:
        """Position of the candidate with that identity, or None."""
        members_T = np.isin(np.asarray(self.tasks), np.asarray(list(tasks)))
        match_C = (self.members_CT == members_T).all(axis=1) & (self.cost_C == cost)
        for c in np.flatnonzero(match_C):
            if self.label_C[int(c)] == label:
                return int(c)
        return None
