"""How much serving may cost: the limit of a recommendation, in one named unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from grouping.errors import InputError

__all__ = ["Budget", "BudgetUnit"]

BudgetUnit = Literal["snt", "flops", "parameters", "latency_ms"]
_UNITS: tuple[BudgetUnit, ...] = ("snt", "flops", "parameters", "latency_ms")


@dataclass(frozen=True)
class Budget:
    """A limit on the summed cost of the served networks.

    Args:
        snt: Limit in standard network times (trunk FLOPs relative to the standard trunk).
        flops: Limit in floating point operations for one input row.
        parameters: Limit in weights.
        latency_ms: Limit in milliseconds for one input row.
        max_networks: At most that many networks, beside the limit.
        max_size: At most that many tasks in one network.

    Raises:
        InputError: not exactly one limit, or one that is not positive and finite.
    """

    snt: float | None = None
    flops: float | None = None
    parameters: float | None = None
    latency_ms: float | None = None
    max_networks: int | None = None
    max_size: int | None = None

    def __post_init__(self) -> None:
        given = [unit for unit in _UNITS if getattr(self, unit) is not None]
        if len(given) != 1:
            raise InputError(
                f"a budget needs exactly one limit, got {given or 'none'}",
                where="budget",
                fix=f"Give one of {', '.join(_UNITS)}",
            )
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise InputError(f"the budget {self.limit} is not a positive finite number", where=f"budget.{given[0]}")
        for field in ("max_networks", "max_size"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise InputError(f"{field} is {value}", where=f"budget.{field}", fix="Give 1 or more, or leave it out")

    @property
    def unit(self) -> BudgetUnit:
        """The unit the limit is given in."""
        return next(unit for unit in _UNITS if getattr(self, unit) is not None)

    @property
    def limit(self) -> float:
        """The limit, in ``unit``."""
        return float(getattr(self, self.unit))

    def __str__(self) -> str:
        text = f"{self.limit:g} {self.unit}"
        if self.max_networks is not None:
            text += f", at most {self.max_networks} network{'s' * (self.max_networks != 1)}"
        return text
