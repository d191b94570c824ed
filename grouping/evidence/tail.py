"""The grouping whose regret over the worst draws is least: CVaR by its dual, with a proven bound.

The mean over the worst share ``a`` of D draws is the largest weighted mean under bounded weights (Rockafellar and
Uryasev, *Journal of Risk* 2 (2000); Artzner et al. 1999)::

    CVaR_a(r) = max over Q of sum_d q_d r_d,     Q = { sum_d q_d = 1, 0 <= q_d <= 1 / (a D) }

For any q in Q the best grouping of the q-weighted mean table, less ``sum_d q_d f*_d``, is a lower bound of everybody's
CVaR. The best q is found by cutting planes (Kelley 1960): every grouping met is a cut. What gap remains is a mixture of
groupings that beats each of them; it is closed by branching on who serves a task, with cutting planes in every node.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.solver.solution import Solution

__all__ = ["cvar", "smallest_tail"]

_TOLERANCE = 1e-9
"""Of the regrets' scale: a gap below is none."""

_KEPT, _FIRST_CUTS = 200, 5
"""Of the draws' best groupings so many are kept, and so many are cuts from the start."""


class _Draws(Protocol):
    """What is needed to know of the draws; see ``Regrets``."""

    losses_DCT: FloatArray
    least_mean: Solution

    @property
    def optimal_D(self) -> FloatArray: ...

    @property
    def best(self) -> tuple[Solution, ...]: ...

    def search(self, losses_CT: FloatArray, forbidden_CT: BoolArray | None = None) -> Solution | None: ...

    def of(self, solution: Solution) -> FloatArray: ...

    def servers(self, solution: Solution) -> IntArray: ...


def cvar(regret_D: FloatArray, tail: float) -> float:
    """Mean over the worst share of equally likely draws; the last of them counts in part."""
    left = tail * len(regret_D)
    whole = min(int(np.floor(left + 1e-9)), len(regret_D))
    worst_first = np.sort(regret_D)[::-1]
    part = left - whole if whole < len(regret_D) else 0.0
    total = worst_first[:whole].sum() + (part * worst_first[whole] if part > 1e-9 else 0.0)
    return float(total / left)


@dataclass(frozen=True, eq=False)
class _Met:
    """A grouping that was met: who serves each task, its regrets and their CVaR."""

    solution: Solution
    server_T: IntArray
    regret_D: FloatArray
    value: float


@dataclass(order=True)
class _Node:
    """A part of all routings, smallest bound first: services that are not allowed in it."""

    bound: float
    age: int
    forbidden_CT: BoolArray = field(compare=False)


def smallest_tail(draws: _Draws, tail: float, searches: int) -> tuple[Solution, float]:
    """The grouping of least CVaR and a proven lower bound of it.

    Args:
        draws: The draws and their optima.
        tail: Share of worst draws.
        searches: Groupings looked for at most; then the bound is what was proven so far.
    """
    return _Search(draws, tail, searches).run()


class _Search:
    def __init__(self, draws: _Draws, tail: float, searches: int) -> None:
        self.draws, self.tail, self.left = draws, tail, searches
        self.tasks = np.flatnonzero(draws.least_mean.serves_T >= 0)
        self.met: dict[bytes, _Met] = {}
        self.best = self.meet(draws.least_mean)
        self.tolerance = _TOLERANCE * max(float(np.abs(draws.optimal_D).mean()), float(self.best.regret_D.max()))
        for solution in draws.best:
            self.meet(solution)
        promising = sorted(self.met.items(), key=lambda item: item[1].value)[:_KEPT]
        self.met = dict(promising)

    def meet(self, solution: Solution) -> _Met:
        """Remember a grouping; the best one so far is kept apart."""
        server_T = self.draws.servers(solution)[self.tasks]
        met = self.met.get(server_T.tobytes())
        if met is None:
            regret_D = self.draws.of(solution)
            met = self.met[server_T.tobytes()] = _Met(solution, server_T, regret_D, cvar(regret_D, self.tail))
            if len(self.met) == 1 or met.value < self.best.value:
                self.best = met
        return met

    def run(self) -> tuple[Solution, float]:
        age = itertools.count()
        heap = [_Node(0.0, next(age), np.zeros(self.draws.losses_DCT.shape[1:], dtype=bool))]
        while heap and not self.enough(heap[0].bound):
            node = heapq.heappop(heap)
            bound, shares = self.bound(node)
            if self.enough(bound):
                continue
            service = _divided(shares)
            if service is None:  # no searches are left, or nothing but rounding is: what is proven is proven
                return self.best.solution, min([bound, *(other.bound for other in heap)])
            column, server = service
            t = int(self.tasks[column])
            only_CT, without_CT = node.forbidden_CT.copy(), node.forbidden_CT.copy()
            only_CT[:, t] = True
            only_CT[server, t] = node.forbidden_CT[server, t]
            without_CT[server, t] = True
            for forbidden_CT in (only_CT, without_CT):
                heapq.heappush(heap, _Node(bound, next(age), forbidden_CT))
        return self.best.solution, self.best.value

    def enough(self, bound: float) -> bool:
        """Whether nothing above this bound can be better than the best grouping met."""
        return bound >= self.best.value - self.tolerance

    def bound(self, node: _Node) -> tuple[float, list[tuple[float, _Met]]]:
        """The best bound of a node, and the mixture of groupings that no weights tell apart.

        Weights are tried half-way to the best ones known first, which steadies the cutting planes (Ben-Ameur and Neto,
        Networks 49 (2007)).
        """
        weight_D = np.full(len(self.draws.losses_DCT), 1 / len(self.draws.losses_DCT))
        inside = [met for met in self.met.values() if not node.forbidden_CT[met.server_T, self.tasks].any()]
        inside.sort(key=lambda met: met.value)
        cuts, bound, best_D = inside[:_FIRST_CUTS], node.bound, weight_D
        shares: list[tuple[float, _Met]] = []
        while True:
            if cuts:
                ceiling, weight_D, shares = _heaviest(cuts, 1 / (self.tail * len(weight_D)))
                if ceiling - bound <= self.tolerance:
                    return bound, shares
                lowest = min(inside, key=lambda met: float(met.regret_D @ weight_D))
                if float(lowest.regret_D @ weight_D) < ceiling - self.tolerance:
                    cuts.append(lowest)
                    continue
            for point_D in (best_D + 0.5 * (weight_D - best_D), weight_D):
                if self.left <= 0:
                    return bound, []
                self.left -= 1
                solution = self.draws.search(_mean(self.draws.losses_DCT, point_D), node.forbidden_CT)
                if solution is None:
                    return np.inf, []
                proven = solution.bound - float(point_D @ self.draws.optimal_D)
                if proven > bound:
                    bound, best_D = proven, point_D
                if self.enough(bound):
                    return bound, []
                met = self.meet(solution)
                if all(met is not cut for cut in cuts):
                    cuts.append(met)
                    inside.append(met)
                    break
            else:
                return bound, shares


def _mean(losses_DCT: FloatArray, weight_D: FloatArray) -> FloatArray:
    """The weighted mean table, [C, T]."""
    counted = np.flatnonzero(weight_D > 0)
    part = losses_DCT if len(counted) == len(weight_D) else losses_DCT[counted]
    mean_CT: FloatArray = np.tensordot(weight_D[counted], part, axes=1)
    return mean_CT


def _heaviest(inside: list[_Met], cap: float) -> tuple[float, FloatArray, list[tuple[float, _Met]]]:
    """The weights under which the best of some groupings is worst, that value, and the mixture that attains it."""
    from scipy.optimize import linprog  # 0.2 s, which whoever asks for no tail need not wait for

    regret_KD = np.array([met.regret_D for met in inside])
    count, draws = regret_KD.shape
    found = linprog(
        np.append(np.zeros(draws), -1.0),
        A_ub=np.column_stack([-regret_KD, np.ones(count)]),
        b_ub=np.zeros(count),
        A_eq=np.append(np.ones(draws), 0.0)[None],
        b_eq=[1.0],
        bounds=[*([(0.0, cap)] * draws), (None, None)],
        method="highs-ds",
    )
    assert found.x is not None
    assert found.fun is not None
    weight_D = np.clip(found.x[:-1], 0.0, cap)
    weight_D /= weight_D.sum()
    shares = [(float(-share), met) for share, met in zip(found.ineqlin.marginals, inside, strict=True)]
    return float(-found.fun), weight_D, shares


def _divided(shares: list[tuple[float, _Met]]) -> tuple[int, int] | None:
    """The service that the mixture agrees least about: task and candidate."""
    if not shares:
        return None
    server_KT = np.array([met.server_T for _, met in shares])
    share_K = np.array([share for share, _ in shares])
    best: tuple[float, int, int] | None = None
    for t in range(server_KT.shape[1]):
        for server in np.unique(server_KT[:, t]).tolist():
            level = float(share_K[server_KT[:, t] == server].sum())
            score = min(level, 1 - level)
            if score > 1e-6 and (best is None or score > best[0]):
                best = (score, t, server)
    return None if best is None else best[1:]
