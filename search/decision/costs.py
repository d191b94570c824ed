"""What serving a network costs in every unit that is known, computed once for networks that cost the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from grouping.budget import BudgetUnit
from grouping.candidates import BoolArray, FloatArray
from grouping.tasks import Task
from search.errors import SpecError
from search.networks.cost import NetworkCost, trunk_cost
from search.networks.sharing import FRESH, Sharing
from search.networks.sharing_cost import shared_cost, shared_widths, unit_costs
from search.spec import BudgetSpec, Spec
from search.spec.settled import own_shape

__all__ = ["Costs", "Latency", "fits_somewhere"]

Latency = Callable[[Sharing, tuple[int, ...], tuple[int, ...]], float]
"""What is shared, hidden widths and outputs per task -> measured milliseconds for one input row."""


def fits_somewhere(charged_C: FloatArray, covers_C: BoolArray, cheapest: float, budget: BudgetSpec) -> BoolArray:
    """Networks that some feasible grouping can contain.

    One that does not cover every served task leaves room for at least one more within the budget.

    Args:
        charged_C: What they cost.
        covers_C: Which of them cover every served task.
        cheapest: Cost of the cheapest network there is.
        budget: The limit.
    """
    limit = budget.inference
    room = 0.0 if budget.max_networks == 1 else limit - cheapest
    return np.asarray(np.where(covers_C, charged_C <= limit * (1 + 1e-9), charged_C <= room * (1 + 1e-9)))


class Costs:
    """FLOPs and parameters are counted for one input row, SNT are nominal, milliseconds are measured.

    Args:
        spec: The resolved spec.
        tasks: The task set, T long.
        n_inputs: Encoded input columns.
        outputs: Outputs per task, T long.
        latency: Measures a network; needed where the budget is in milliseconds.
    """

    def __init__(
        self, spec: Spec, tasks: Sequence[Task], n_inputs: int, outputs: Sequence[int], latency: Latency | None = None
    ) -> None:
        self._unit, self._latency = spec.budget.unit, latency
        self._outputs = {task.name: size for task, size in zip(tasks, outputs, strict=True)}
        self._network, self._standard = spec.network, spec.network.shape(n_inputs)
        self._known: dict[tuple[Sharing, float, tuple[int, ...]], dict[BudgetUnit, float]] = {}

    @property
    def can_skip_L(self) -> tuple[bool, ...]:
        """Units of the trunk that there is a way round of."""
        return tuple(unit.skip is not None for unit in unit_costs(self._standard))

    def of(self, tasks: Sequence[str], capacity: float, sharing: Sharing) -> dict[BudgetUnit, float]:
        """Cost of a network in every unit.

        Raises:
            InputError: a capacity that no integer widths reach.
            SpecError: milliseconds are asked for and there is nothing to measure them with.
        """
        outputs = tuple(sorted(self._outputs[task] for task in tasks))
        key = sharing, capacity, outputs
        if key not in self._known:
            self._known[key] = self._count(*key)
        return self._known[key]

    def network(self, tasks: Sequence[str], capacity: float, sharing: Sharing) -> NetworkCost:
        """FLOPs of one input row and parameters, those of trunk and heads apart.

        Raises:
            InputError: a capacity that no integer widths reach.
        """
        widths = shared_widths(sharing, self._standard, capacity, len(tasks))
        outputs = [self._outputs[task] for task in tasks]
        return shared_cost(sharing, replace(self._standard, widths=widths), outputs)

    def charged(self, tasks: Sequence[str], capacity: float, sharing: str) -> float:
        """Cost of a network in the budget's unit.

        Raises:
            InputError: a capacity that no integer widths reach.
        """
        return self.of(tasks, capacity, Sharing.parse(sharing))[self._unit]

    def _count(self, sharing: Sharing, capacity: float, outputs: tuple[int, ...]) -> dict[BudgetUnit, float]:
        shape, size = own_shape(sharing.settings, self._network, self._standard.n_inputs)
        bare = sharing.bare
        widths = shared_widths(bare, shape, capacity / size, len(outputs))
        cost = shared_cost(bare, replace(shape, widths=widths), outputs)
        known: dict[BudgetUnit, float] = {
            "snt": capacity if sharing.start == FRESH else cost.trunk_flops / trunk_cost(self._standard).flops,
            "flops": float(cost.flops),
            "parameters": float(cost.parameters),
        }
        if self._unit == "latency_ms":
            if self._latency is None:
                raise SpecError(
                    "latency is measured, not counted, so the cost of the networks is unknown",
                    where="budget.unit",
                    fix="Use: taskgroup plan --probe",
                )
            known["latency_ms"] = self._latency(sharing, widths, outputs)
        return known
