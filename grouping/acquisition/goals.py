"""What is to be decided once the trainings are over: the best grouping for one budget, or for each of several.

Axes: ``C`` candidates, ``T`` tasks, ``K`` budgets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grouping.candidates import BoolArray, Candidates, FloatArray
from grouping.errors import InfeasibleError
from grouping.solver.problem import COST_SLACK
from grouping.solver.solution import Solution
from grouping.solver.solve import solve

__all__ = ["Goals"]


@dataclass(frozen=True, eq=False)
class Goals:
    """Candidates and the budgets they are chosen under.

    Args:
        candidates: Every network considered.
        limit_K: Budgets, in the unit of ``cost_C``.
        cost_C: What serving costs; default: the candidates' own.
        rules: What else ``solve`` takes but the budget and whatever names candidates: ``weights_T``, ``max_networks``,
            ``auxiliary`` and the like.
    """

    candidates: Candidates
    limit_K: tuple[float, ...]
    cost_C: FloatArray | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)

    @property
    def charge_C(self) -> FloatArray:
        """What serving each candidate costs."""
        return self.candidates.cost_C if self.cost_C is None else self.cost_C

    @property
    def weights_T(self) -> FloatArray:
        """Weight of each task in the objective; 0 for auxiliary tasks."""
        given = self.rules.get("weights_T")
        weights_T = np.ones(self.candidates.n_tasks) if given is None else np.array(given, dtype=float)
        weights_T[list(self.rules.get("auxiliary", ()))] = 0.0
        return weights_T

    def in_company(self, limit: float) -> BoolArray:
        """Which candidates leave room for another within a budget, [C]; all where none does."""
        room_C = self.charge_C + self.charge_C.min() <= limit * (1 + COST_SLACK)
        alone = self.rules.get("max_networks") == 1 or not room_C.any()
        return np.ones(len(room_C), dtype=bool) if alone else np.asarray(room_C)

    def joins(self, rest: Sequence[int], limit: float) -> BoolArray:
        """Which candidates can be served beside some others within a budget, [C]."""
        most = self.rules.get("max_networks")
        if most is not None and len(rest) >= most:
            return np.zeros(len(self.candidates), dtype=bool)
        spent = float(self.charge_C[list(rest)].sum())
        return np.asarray(spent + self.charge_C <= limit * (1 + COST_SLACK))

    def best(self, losses_CT: FloatArray, limit: float, usable_C: BoolArray | None = None) -> Solution | None:
        """The proven best grouping, with indices into ``candidates``; None where nothing fits.

        Args:
            losses_CT: Losses; NaN where there is none.
            limit: The budget.
            usable_C: Candidates that may be chosen; default: those with a loss.
        """
        known_C = ~np.isnan(losses_CT).all(axis=1)
        index = np.flatnonzero(known_C if usable_C is None else known_C & usable_C)
        if not len(index):
            return None
        members_CT = self.candidates.members_CT[index]
        try:
            found = solve(losses_CT[index], self.charge_C[index], limit, members_CT=members_CT, **self.rules)
        except InfeasibleError:
            return None
        return replace(found, chosen=index[found.chosen])
