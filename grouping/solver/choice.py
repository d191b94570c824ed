"""Which of several groupings is better, ties included, and the exhaustive search among a few candidates.

Order of groupings: lower objective; where two agree to 1e-12 relative, lower cost, then fewer networks, then the
lexicographically smallest sorted members. So the answer does not depend on the road that led to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.solver.problem import Problem

__all__ = ["Choice", "Incumbent", "best_subset", "evaluate", "preference", "tie_tolerance"]

TIE = 1e-12


@dataclass(frozen=True)
class Choice:
    """A feasible set of candidates, by position in the problem, ascending."""

    rows: tuple[int, ...]
    objective: float
    cost: float
    magnitude: float


def tie_tolerance(objective: float, magnitude: float) -> float:
    """How far two objectives may lie apart and still tie: 1e-12 relative, and never less than rounding errors."""
    return max(TIE * abs(objective), 2e-15 * magnitude)


class Incumbent:
    """The best grouping found so far, in the order of the module's docstring."""

    def __init__(self, problem: Problem, ceiling: float) -> None:
        self.problem = problem
        self.choice: Choice | None = None
        self.objective = ceiling  # every feasible grouping is at or below it
        self.tolerance = tie_tolerance(ceiling, abs(ceiling))

    def offer(self, choice: Choice | None) -> bool:
        """Take the choice if it is preferred; returns whether it was."""
        if choice is None or not self._prefers(choice):
            return False
        self.choice = choice
        if choice.objective < self.objective or self.objective - choice.objective > -self.tolerance:
            self.objective = min(self.objective, choice.objective)
        self.tolerance = tie_tolerance(self.objective, choice.magnitude)
        return True

    def _prefers(self, new: Choice) -> bool:
        old = self.choice
        if old is None:
            return True
        if new.objective < self.objective - self.tolerance:
            return True
        if new.objective > self.objective + self.tolerance:
            return False
        slack = TIE * max(abs(old.cost), abs(new.cost))
        if abs(new.cost - old.cost) > slack:
            return new.cost < old.cost
        if len(new.rows) != len(old.rows):
            return len(new.rows) < len(old.rows)
        if new.rows == old.rows:
            return False
        return preference(self.problem, new.rows) < preference(self.problem, old.rows)


def preference(problem: Problem, rows: Sequence[int]) -> tuple[list[object], list[tuple[object, ...]]]:
    """What orders groupings of equal objective, cost and size: members first, then whatever tells candidates apart."""
    keys = sorted(problem.key(row) for row in rows)
    return [members for members, *_ in keys], keys


def evaluate(problem: Problem, rows: Sequence[int]) -> Choice | None:
    """The choice of exactly these candidates, or None where it is not feasible."""
    chosen = sorted(set(rows))
    value_TG = problem.value_TC[:, chosen]
    used_K = problem.uses_KC[:, chosen].any(axis=1)
    use_D = problem.cost_DC[:, chosen].sum(axis=1) + problem.shared_DK @ used_K
    if not chosen or (use_D > problem.limit_D).any():
        return None
    if problem.partition and (np.isfinite(value_TG).sum(axis=1) != 1).any():
        return None
    served_T = value_TG.min(axis=1)
    if np.isinf(served_T).any():
        return None
    opening = float(problem.open_C[chosen].sum() + problem.shared_open_K @ used_K)
    charge = float(problem.charge_C[chosen].sum() + problem.shared_charge_K @ used_K)
    served = float(served_T.sum())
    return Choice(tuple(chosen), served + opening, charge, float(np.abs(served_T).sum()) + opening)


def best_subset(problem: Problem, fixed: Sequence[int], free: Sequence[int], worst: float) -> Choice | None:
    """The best choice of all fixed and any free candidates: all subsets at once, built by doubling.

    Args:
        problem: The problem.
        fixed: Candidates every subset contains.
        free: At most about a dozen candidates: ``2^free`` subsets are looked at.
        worst: Choices with a larger objective are of no interest.
    """
    fixed_TG, free_TF = problem.value_TC[:, list(fixed)], problem.value_TC[:, list(free)]
    if problem.partition:
        can_TG, can_TF = np.isfinite(fixed_TG), np.isfinite(free_TF)
        met_TN = _doubled(can_TG.sum(axis=1, dtype=float), can_TF.astype(float), np.add)
        value_TN = _doubled(np.where(can_TG, fixed_TG, 0.0).sum(axis=1), np.where(can_TF, free_TF, 0.0), np.add)
        feasible_N = (met_TN == 1).all(axis=0)
    else:
        value_TN = _doubled(fixed_TG.min(axis=1, initial=np.inf), free_TF, np.minimum)
        feasible_N = np.isfinite(value_TN).all(axis=0)
    open_N, charge_N, count_N, *use_DN = _doubled(_linear(problem, fixed).sum(axis=1), _linear(problem, free), np.add)
    if len(problem.uses_KC):
        uses_KC = problem.uses_KC.astype(float)
        used_KN = _doubled(uses_KC[:, list(fixed)].max(axis=1, initial=0.0), uses_KC[:, list(free)], np.maximum)
        open_N += problem.shared_open_K @ used_KN
        charge_N += problem.shared_charge_K @ used_KN
        use_DN = [use_N + part_K @ used_KN for use_N, part_K in zip(use_DN, problem.shared_DK, strict=True)]
    for use_N, limit in zip(use_DN, problem.limit_D, strict=True):
        feasible_N &= use_N <= limit
    objective_N = np.where(feasible_N, value_TN.sum(axis=0) + open_N, np.inf)
    smallest = float(objective_N.min())
    if not smallest <= worst:
        return None
    magnitude = float(np.abs(value_TN[:, int(objective_N.argmin())]).sum())
    tied_N = np.flatnonzero(objective_N <= smallest + tie_tolerance(smallest, magnitude))
    if len(tied_N) > 1:
        charge_N = charge_N[tied_N]
        cheapest = float(charge_N.min())
        tied_N = tied_N[charge_N <= cheapest + TIE * abs(cheapest)]
        tied_N = tied_N[count_N[tied_N] == count_N[tied_N].min()]
    options = [(*fixed, *(row for i, row in enumerate(free) if subset >> i & 1)) for subset in tied_N.tolist()]
    best = min(options, key=lambda rows: preference(problem, rows)) if len(options) > 1 else options[0]
    return evaluate(problem, best)


def _linear(problem: Problem, rows: Sequence[int]) -> FloatArray:
    """What adds up over candidates: opening price, charge, count and costs, [L, rows]."""
    chosen = list(rows)
    return np.vstack(
        [problem.open_C[chosen], problem.charge_C[chosen], np.ones(len(chosen)), problem.cost_DC[:, chosen]]
    )


def _doubled(base_L: FloatArray, free_LF: FloatArray, combine: np.ufunc) -> FloatArray:
    """``base`` combined with every subset of the columns: [L, 2^F], subset i holding column f iff bit f of i is set."""
    table_LN = np.empty((len(base_L), 1 << free_LF.shape[1]))
    table_LN[:, 0] = base_L
    for f in range(free_LF.shape[1]):
        half = 1 << f
        combine(table_LN[:, :half], free_LF[:, f : f + 1], out=table_LN[:, half : 2 * half])
    return table_LN
