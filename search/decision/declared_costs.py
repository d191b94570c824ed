"""What serving a network costs where a foreign trainer makes it: as the spec says, nobody can count its operations."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.budget import BudgetUnit
from grouping.errors import InputError
from search.networks.sharing import Sharing
from search.spec import Spec

__all__ = ["DeclaredCosts"]


class DeclaredCosts:
    """Capacity times the trunk's cost, and so much for every task; the capacity itself where nothing is declared.

    Args:
        spec: A spec with a trainer; in another unit than SNT it declares a cost.
    """

    can_skip_L: tuple[bool, ...] = ()

    def __init__(self, spec: Spec) -> None:
        assert spec.trainer is not None
        self._unit, self._declared = spec.budget.unit, spec.trainer.cost
        self._sizes = "capacity" in spec.trainer.hears

    def of(self, tasks: Sequence[str], capacity: float, sharing: Sharing) -> dict[BudgetUnit, float]:
        """Cost of a network in every unit that is known: SNT, and the budget's.

        Raises:
            InputError: a size that the trainer cannot be told to make.
        """
        if not self._sizes and capacity != 1:
            raise InputError(
                f"the trainer is not told how large a network is to be, so there is none of {capacity:g}",
                where="network.capacities",
                fix="Tell it the capacity",
            )
        cost = capacity
        if self._declared is not None:
            cost = capacity * self._declared.trunk + len(tasks) * self._declared.head
        return {"snt": capacity, self._unit: cost}

    def charged(self, tasks: Sequence[str], capacity: float, sharing: str) -> float:
        """Cost of a network in the budget's unit.

        Raises:
            InputError: a size that the trainer cannot be told to make.
        """
        return self.of(tasks, capacity, Sharing.parse(sharing))[self._unit]
