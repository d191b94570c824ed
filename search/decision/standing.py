"""How good the best grouping of the networks trained by now is, told to whoever watches a search under way.

By measurements alone: estimates, checks and the choice itself come later (``decide``). It decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from grouping.errors import GroupingError
from grouping.solver.solve import solve
from search.decision.plan import Plan
from search.decision.selection import curves_of, finished, reference_losses
from search.trials import Trial, TrialResult

__all__ = ["Standing"]

_LONGEST_SOLVE = 1.0
_REST = 50.0
"""Looks are so many times their own length apart, so that they take a fiftieth of the time at most."""

_LEAST_REST = 1.0


class Standing:
    """Looks now and then at what has been trained.

    Args:
        plan: The candidates, their costs and the budget.
        tell: Told the mean relative loss of the best grouping within the budget, once every task was trained alone.
        clock: Monotonic seconds.
    """

    def __init__(self, plan: Plan, tell: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._tell = tell
        self._clock = clock
        self._next = -np.inf
        self._told = np.inf

    def __call__(self, results: Callable[[], Mapping[Trial, TrialResult]]) -> None:
        """Look, if it is time to.

        Args:
            results: Gives what ended well by now.
        """
        began = self._clock()
        if began < self._next:
            return
        objective = self._objective(results())
        if objective is not None and objective != self._told:
            self._told = objective
            self._tell(objective)
        ended = self._clock()
        self._next = ended + max(_LEAST_REST, _REST * (ended - began))

    def _objective(self, results: Mapping[Trial, TrialResult]) -> float | None:
        """None while a task is not known alone, or no network that was trained serves it."""
        plan = self._plan
        if plan.spec.evidence.no_harm.constrain:  # who may serve whom is only known when all is
            return None
        try:
            curves = curves_of(plan, results)
            reference_T = reference_losses(plan, curves, {})
            losses_CT = finished(curves, reference_T).scaled(reference_T).mean_CT
            usable = np.flatnonzero(plan.choosable_C & ~np.isnan(losses_CT).all(axis=1))
            return solve(
                losses_CT[usable],
                plan.charged_C[usable],
                budget=plan.spec.budget.inference,
                members_CT=plan.candidates.members_CT[usable],
                time_limit=_LONGEST_SOLVE,
                **plan.rules,
            ).objective
        except GroupingError:
            return None
