"""The grouping to choose when losses are uncertain: least regret over draws of the whole loss table.

Optimising hard over many noisy numbers selects their errors. Draws of the table (from any Bayesian estimator, or
``bootstrap_draws``) say what else could be true. The regret of a grouping in a draw is what it loses there against the
best grouping of that draw. A grouping here is a routing fixed in advance: each task is served by the same network in
every draw.

Axes: ``D`` draws, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.errors import InputError
from grouping.evidence.tail import cvar, smallest_tail
from grouping.solver.solution import Solution
from grouping.solver.solve import solve

__all__ = ["RegretChoice", "Regrets", "least_regret"]

_SEARCHES = 2000


@dataclass(frozen=True, eq=False)
class RegretChoice:
    """A grouping chosen over draws.

    Args:
        solution: The grouping; its objective is the mean over draws, its bound that of the least mean.
        tail: None where the expected regret was minimised, else the share of worst draws that counted.
        value: What was minimised: the expected regret, or its CVaR.
        bound: Proven lower bound of ``value`` over all groupings.
        regret_D: Regret in each draw, 0 or more, [D].
        optimal_D: Objective of the best grouping of each draw, [D].
    """

    solution: Solution
    tail: float | None
    value: float
    bound: float
    regret_D: FloatArray
    optimal_D: FloatArray

    @property
    def gap(self) -> float:
        """How far the value may be from the least possible; 0 is proven optimal."""
        return max(0.0, self.value - self.bound)

    @property
    def expected(self) -> float:
        """Mean regret over the draws."""
        return float(self.regret_D.mean())

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of the expected regret; infinite with one draw.

        It says how well that many draws stand for all, not how well the draws stand for the truth.
        """
        draws = len(self.regret_D)
        return float(self.regret_D.std(ddof=1) / np.sqrt(draws)) if draws > 1 else float("inf")

    def cvar(self, tail: float) -> float:
        """Mean regret over the worst share of draws (conditional value at risk)."""
        return cvar(self.regret_D, tail)


def least_regret(
    losses_DCT: ArrayLike,
    cost_C: ArrayLike,
    budget: float | Sequence[float] | None = None,
    *,
    tail: float | None = None,
    searches: int = _SEARCHES,
    **constraints: Any,  # noqa: ANN401 - what ``solve`` takes by the same names
) -> RegretChoice:
    """The grouping of least expected regret over draws, or of least CVaR of the regret.

    With the routing fixed in advance the value of a grouping is linear in the losses, so its expected regret is its
    mean loss less the mean of the draws' optima, and *the best grouping of the table of mean losses has the least*.
    Nothing is gained by solving many tables to choose; they are solved to know the regret.

    With ``tail=0.1`` the mean regret over the worst tenth of draws is minimised (CVaR, Rockafellar and Uryasev 2000),
    by ``smallest_tail``: exactly, or with the bound that was proven when the searches ran out.

    Args:
        losses_DCT: Draws of the losses [D, C, T], lower is better; NaN where a candidate cannot serve a task, in all
            draws alike.
        cost_C: As for ``solve``.
        budget: As for ``solve``.
        tail: Share of worst draws that count, above 0 and at most 1; None for all (the expectation).
        searches: Largest number of groupings to look for when minimising CVaR.
        constraints: What else ``solve`` takes, but ``objective``, ``top``, ``time_limit`` and ``callback``. ``at_most``
            is judged by the mean over draws.

    Raises:
        InputError: draws that are no draws of one table, a tail out of range, and as ``solve``.
        InfeasibleError: as ``solve``.
    """
    return Regrets(losses_DCT, cost_C, budget, **constraints).least(tail, searches)


class Regrets:
    """The draws of a table, the best grouping of each, and what any other grouping loses against it.

    Arguments and errors as for ``least_regret``; ``measured_CT`` is the table that ``at_most`` is judged by, default
    the mean over draws.
    """

    def __init__(
        self,
        losses_DCT: ArrayLike,
        cost_C: ArrayLike,
        budget: float | Sequence[float] | None = None,
        *,
        measured_CT: FloatArray | None = None,
        **constraints: Any,  # noqa: ANN401 - what ``solve`` takes by the same names
    ) -> None:
        self.losses_DCT = _draws(losses_DCT)
        self.mean_CT: FloatArray = self.losses_DCT.mean(axis=0)
        refused = {"objective", "top", "time_limit", "callback"} & constraints.keys()
        if refused:
            raise InputError(f"regret over draws takes no {sorted(refused)[0]}", fix="Leave it out")
        members_CT = constraints.get("members_CT")
        rules = {**constraints, "members_CT": ~np.isnan(self.mean_CT) if members_CT is None else members_CT}
        self._weights_T = np.ones(self.mean_CT.shape[1])
        if constraints.get("weights_T") is not None:
            self._weights_T = np.array(constraints["weights_T"], dtype=float)
        measured_CT = self.mean_CT if measured_CT is None else measured_CT
        solve(measured_CT, cost_C, budget, **rules)  # says what is wrong with the rules, if anything
        self._forbidden_CT = _too_bad(measured_CT, rules.pop("at_most", None) or {})
        self._arguments = (cost_C, budget, rules)
        least_mean = self.search(self.mean_CT)
        assert least_mean is not None
        self.least_mean = least_mean

    def search(self, losses_CT: FloatArray, forbidden_CT: BoolArray | None = None) -> Solution | None:
        """The best grouping for other losses under the same rules, or None where those forbid all."""
        forbidden_CT = self._forbidden_CT if forbidden_CT is None else self._forbidden_CT | forbidden_CT
        cost_C, budget, rules = self._arguments
        solution = solve(self._with_penalties(losses_CT, forbidden_CT), cost_C, budget, **rules)
        if solution.stopped == "interrupted":
            raise KeyboardInterrupt  # one answer of many: what was interrupted is the whole
        served = np.flatnonzero(solution.serves_T >= 0)
        return None if forbidden_CT[self.servers(solution)[served], served].any() else solution

    def _with_penalties(self, losses_CT: FloatArray, forbidden_CT: BoolArray) -> FloatArray:
        """Forbidden services at a loss that no grouping without them reaches."""
        if not forbidden_CT.any():
            return losses_CT
        weights_T = np.where(self._weights_T > 0, self._weights_T, 1.0)
        top_T = np.nanmax(losses_CT, axis=0)
        spread = float(((top_T - np.nanmin(losses_CT, axis=0)) * weights_T).sum())
        penalty_T = top_T + (2 * spread + 1e-3 * float(np.abs(top_T * weights_T).sum()) + 1e-9) / weights_T
        return np.where(forbidden_CT & ~np.isnan(losses_CT), penalty_T, losses_CT)

    @cached_property
    def best(self) -> tuple[Solution, ...]:
        """The best grouping of each draw, D of them."""
        found = (self.search(losses_CT) for losses_CT in self.losses_DCT)
        return tuple(solution for solution in found if solution is not None)

    @cached_property
    def optimal_D(self) -> FloatArray:
        """Objective of the best grouping of each draw, [D]."""
        return np.array([
            self.losses(self.servers(solution), slice(d, d + 1))[0] for d, solution in enumerate(self.best)
        ])  # fmt: skip

    @staticmethod
    def servers(solution: Solution) -> IntArray:
        """The candidate that serves each task, [T]; any where none does."""
        return solution.chosen[solution.serves_T]

    def losses(self, server_T: IntArray, draws: slice = slice(None)) -> FloatArray:
        """Weighted sum of losses in each draw, [D], when each task is served by that candidate."""
        served = np.flatnonzero(self.least_mean.serves_T >= 0)
        total_D: FloatArray = self.losses_DCT[draws, server_T[served], served] @ self._weights_T[served]
        return total_D

    def of(self, solution: Solution) -> FloatArray:
        """Regret of a grouping in each draw, [D]."""
        # Optima are proven to 1e-12: what lies below is rounding.
        return np.maximum(self.losses(self.servers(solution)) - self.optimal_D, 0.0)

    def least(self, tail: float | None = None, searches: int = _SEARCHES) -> RegretChoice:
        """The grouping of least expected regret, or of least CVaR."""
        if tail is None:
            return self._choice(self.least_mean, None, float(self.least_mean.bound - self.optimal_D.mean()))
        if not 0 < tail <= 1:
            raise InputError(f"the tail {tail} is no share of draws", where="tail", fix="Give 0.1 for the worst tenth")
        solution, bound = smallest_tail(self, tail, searches)
        return self._choice(solution, tail, bound)

    def judge(self, solution: Solution, tail: float | None = None) -> RegretChoice:
        """The regret of a given grouping, with nothing proven about it."""
        return self._choice(solution, tail, 0.0)

    def _choice(self, solution: Solution, tail: float | None, bound: float) -> RegretChoice:
        regret_D = self.of(solution)
        value = float(regret_D.mean()) if tail is None else cvar(regret_D, tail)
        server_T, served_T = self.servers(solution), solution.serves_T >= 0
        losses_T = np.where(served_T, self.mean_CT[server_T, np.arange(len(server_T))], np.nan)
        mean = replace(
            solution,
            objective=float(self.losses(server_T).mean()),
            losses_T=losses_T,
            bound=self.least_mean.bound,
            certificate=None,
            alternatives=(),
        )
        return RegretChoice(mean, tail, value, min(max(bound, 0.0), value), regret_D, self.optimal_D)


def _draws(losses_DCT: ArrayLike) -> FloatArray:
    """Validated draws.

    Raises:
        InputError: a wrong shape, infinite numbers, or draws that do not have the same cells.
    """
    losses = np.asarray(losses_DCT, dtype=float)
    if losses.ndim != 3 or not losses.size:
        raise InputError(f"draws have shape {losses.shape}, expected (draws, candidates, tasks), all at least 1")
    known_CT = ~np.isnan(losses[0])
    for d, losses_CT in enumerate(losses):
        if not np.array_equal(~np.isnan(losses_CT), known_CT):
            c, t = np.argwhere(np.isnan(losses_CT) == known_CT)[0]
            raise InputError(
                f"candidate {c} has a loss for task {t} in some draws only, draw {d} differing from the first",
                fix="Draw every cell in every draw; NaN is for tasks that a candidate cannot serve",
            )
    return losses


def _too_bad(mean_CT: FloatArray, at_most: Mapping[int, float]) -> BoolArray:
    """Services whose mean loss is too high, [C, T]."""
    limit_T = np.full(mean_CT.shape[1], np.inf)
    for t, limit in at_most.items():
        limit_T[t] = limit
    return np.asarray(mean_CT > limit_T)
