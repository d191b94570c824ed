"""Exact search: the relaxation's bound at every node, and branching until nothing better can be left.

A node is closed when its bound exceeds the incumbent, or when the few candidates that reduced costs leave have all been
tried together. Otherwise it is split: first by whether a shared part is used; then, in a task t whose service is
divided among networks of different loss, by "value of t at most theta" (dearer services are forbidden) against "above
theta" (every candidate that would serve t with theta or less goes). Where no task is divided, a fractional candidate is
left out, or paid for in advance. A node's children speak only of what its reduced costs left.
Groupings equal to the best are not cut off, so that ties end as ``choice`` orders them.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.solver.bound import extremes, most_networks, penalties, reduced_costs, survivors
from grouping.solver.certificate import Branch, ProofNode
from grouping.solver.choice import Choice, Incumbent, best_subset, evaluate
from grouping.solver.clock import Clock
from grouping.solver.heuristics import greedy, improved
from grouping.solver.problem import Problem
from grouping.solver.relaxation import Relaxation, relax, sample
from grouping.solver.ties import break_ties

__all__ = ["Outcome", "minimise"]

_POOL = 2000
_MOST_OPEN = 4000
_MOST_PROVEN = 50_000
_FREE = 12
"""Up to that many undecided candidates are settled by trying all subsets."""


@dataclass(frozen=True)
class Outcome:
    """What a search ended with.

    Args:
        choice: The best grouping, None where none was found.
        bound: Lower bound of every grouping's objective; +inf where none is feasible.
        complete: Whether the search ran to its end.
        nodes: How many relaxations were solved.
        proof: The nodes, parents before children; only the first of them where there are too many to keep.
    """

    choice: Choice | None
    bound: float
    complete: bool
    nodes: int
    proof: tuple[ProofNode, ...] = ()


@dataclass(order=True)
class _Open:
    """A node that waits, smallest bound first."""

    bound: float
    age: int
    branches: tuple[Branch, ...] = field(compare=False)
    rows: IntArray | None = field(compare=False, default=None)  # what the parent's prices leave of the core
    relaxation: Relaxation | None = field(compare=False, default=None)
    parent: int = field(compare=False, default=-1)


def minimise(problem: Problem, clock: Clock, *, worth: Callable[[float], float] | None = None) -> Outcome:
    """Find the best grouping of a problem, and prove it.

    Args:
        problem: The problem.
        clock: When to stop.
        worth: The largest objective that is still worth finding, given the best known; left out, ties are found too.
    """
    low_T, top_T = extremes(problem)
    if np.isinf(low_T).any():
        return Outcome(None, np.inf, complete=True, nodes=0)
    opened = most_networks(problem) * float(problem.open_C.max(initial=0.0)) + float(problem.shared_open_K.sum())
    ceiling = problem.constant + float(top_T.sum()) + opened
    floor = problem.constant + float(low_T.sum())
    return _Search(problem, penalties(problem, low_T, top_T), ceiling, clock, worth).run(floor)


class _Search:
    def __init__(
        self,
        problem: Problem,
        penalty_T: FloatArray,
        ceiling: float,
        clock: Clock,
        worth: Callable[[float], float] | None,
    ) -> None:
        self.problem = problem
        self.core = problem  # what reduced costs at the root leave of it
        self.penalty_T = penalty_T
        self.clock = clock
        self.worth = worth
        self.incumbent = Incumbent(problem, ceiling)
        self.proof: list[ProofNode] = []
        self.nodes = 0
        self.age = itertools.count()
        self.heap: list[_Open] = []
        self.start: tuple[int, ...] = ()
        self.unfinished = False

    def run(self, floor: float) -> Outcome:
        closed = np.inf  # smallest bound among closed nodes
        current = floor
        try:
            self.start = self._first()
            self.heap = [_Open(floor, next(self.age), ())]
            while self.heap:
                current = min(closed, self.heap[0].bound)
                node = self._next()
                if node.bound > self._cutoff():
                    closed = min(closed, node.bound)
                    continue
                if self.nodes and self.clock.report(self._objective(), current, self.nodes):
                    return self._outcome(current, complete=False)
                closed = min(closed, self._visit(node))
                if self.unfinished:
                    reached = min([closed, *(waiting.bound for waiting in self.heap)])
                    return self._outcome(reached, complete=False)
        except KeyboardInterrupt:
            self.clock.interrupt()
            return self._outcome(current, complete=False)
        return self._outcome(closed, complete=True)

    def _next(self) -> _Open:
        """The open node with the smallest bound; the newest where so many wait that memory would run out."""
        if len(self.heap) <= _MOST_OPEN:
            return heapq.heappop(self.heap)
        newest = max(range(len(self.heap)), key=lambda i: self.heap[i].age)
        node = self.heap.pop(newest)
        heapq.heapify(self.heap)
        return node

    def _first(self) -> tuple[int, ...]:
        """A grouping by the greedy rule, among a sample of the candidates where that will do."""
        rows = sample(self.problem)
        first = tuple(rows[greedy(self.problem.keep(rows), self.penalty_T)].tolist())
        if not self.incumbent.offer(evaluate(self.problem, first)) and len(rows) < len(self.problem.index_C):
            first = tuple(greedy(self.problem, self.penalty_T))
            self.incumbent.offer(evaluate(self.problem, first))
        return first

    def _outcome(self, bound: float, *, complete: bool) -> Outcome:
        choice = self.incumbent.choice
        if choice is not None:
            bound = self.incumbent.objective if complete else min(bound, self.incumbent.objective)
        elif complete:
            bound = np.inf
        return Outcome(choice, float(bound), complete, self.nodes, tuple(self.proof))

    def _objective(self) -> float | None:
        return self.incumbent.choice.objective if self.incumbent.choice else None

    def _cutoff(self) -> float:
        """Nodes whose bound is above are closed."""
        if self.worth is not None and self.incumbent.choice is not None:
            return self.worth(self.incumbent.objective)
        if self.incumbent.choice is None:  # bounds are rounded by the size of prices, even where every value is zero
            return self.incumbent.objective + max(self.incumbent.tolerance, 1e-12 * float(self.penalty_T.max()))
        return self.incumbent.objective + self.incumbent.tolerance

    def _visit(self, node: _Open) -> float:
        """Bound a node and close or split it; returns the bound of what was closed, +inf where it was split."""
        whole = self.core if node.rows is None else self.core.keep(node.rows)
        local = restricted(whole, node.branches)
        unmet_T = np.isinf(local.value_TC.min(axis=1, initial=np.inf))
        if unmet_T.any() or (local.limit_D < 0).any():
            self._record(node, None)
            return np.inf
        relaxation = relax(
            local, self.penalty_T, self._cutoff(), parent=node.relaxation, start=self.start, expired=self.clock.expired
        )
        self.start = ()
        number = self._record(node, relaxation)
        if relaxation.bound > self._cutoff():
            return relaxation.bound
        self._round(local, relaxation)
        if not node.branches:
            self._improve(local, relaxation)
        if self.clock.expired():
            self.unfinished = True
            return max(relaxation.bound, node.bound)
        room = self._cutoff() - relaxation.bound
        kept, kept_TC = survivors(local, relaxation.duals_T, relaxation.prices_D, room)
        left = local.keep(kept)
        if not node.branches:
            self.core = left if left.partition else replace(left, value_TC=np.where(kept_TC, left.value_TC, np.inf))
        if room < 0 or not kept_TC.any(axis=1).all():
            return relaxation.bound
        sole_C = (kept_TC & (kept_TC.sum(axis=1) == 1)[:, None]).any(axis=0)
        rows = self._positions(left)
        free = [row for row, sole in zip(rows, sole_C.tolist(), strict=True) if not sole]
        if len(free) <= _FREE:
            fixed = [row for row, sole in zip(rows, sole_C.tolist(), strict=True) if sole]
            self.incumbent.offer(best_subset(self.problem, fixed, free, self._cutoff()))
            return relaxation.bound
        if self.incumbent.choice and room <= 3 * self.incumbent.tolerance + 1e-10 * abs(self.incumbent.objective):
            break_ties(self.problem, rows, kept_TC, self.incumbent, self.clock.expired)
            return relaxation.bound
        inside = np.searchsorted(self.core.index_C, left.index_C)
        for branch in _split(local, relaxation, node.branches):
            branches = (*node.branches, branch)
            heapq.heappush(self.heap, _Open(relaxation.bound, next(self.age), branches, inside, relaxation, number))
        return np.inf

    def _positions(self, part: Problem) -> list[int]:
        rows: list[int] = np.searchsorted(self.problem.index_C, part.index_C).tolist()
        return rows

    def _record(self, node: _Open, relaxation: Relaxation | None) -> int:
        """Keep what proves this node's bound."""
        branch = node.branches[-1] if node.branches else None
        duals = tuple(relaxation.duals_T.tolist()) if relaxation else ()
        prices = tuple(relaxation.prices_D.tolist()) if relaxation else ()
        if self.nodes < _MOST_PROVEN:
            self.proof.append(ProofNode(node.parent, branch, duals, prices))
        self.nodes += 1
        return self.nodes - 1

    def _round(self, local: Problem, relaxation: Relaxation) -> None:
        """Try all subsets of the candidates that the relaxation uses most."""
        used = sorted(relaxation.share, key=lambda row: -relaxation.share[row])
        whole = [row for row in used if relaxation.share[row] > 1 - 1e-6] if len(used) > _FREE else []
        partly = [row for row in used if row not in whole][:_FREE]
        position = self._positions(local)
        fixed, free = [position[row] for row in whole], [position[row] for row in partly]
        self.incumbent.offer(best_subset(self.problem, fixed, free, self._cutoff()))

    def _improve(self, local: Problem, relaxation: Relaxation) -> None:
        """Look near the incumbent, among the candidates that cost least above the bound."""
        choice = self.incumbent.choice
        room = self._cutoff() - relaxation.bound
        if choice is None or room <= 0:
            return
        pool, _ = survivors(local, relaxation.duals_T, relaxation.prices_D, room)
        if len(pool) > _POOL:
            reduced_C = reduced_costs(local.keep(pool), relaxation.duals_T, relaxation.prices_D)
            pool = np.sort(pool[np.argpartition(reduced_C, _POOL)[:_POOL]])
        self.incumbent.offer(improved(self.problem, choice, pool, self.penalty_T, self.clock.expired))


def restricted(problem: Problem, branches: Sequence[Branch]) -> Problem:
    """The part of a problem that lies on one side of every branch."""
    above_T = np.full(problem.n_rows, -np.inf)
    up_to_T = np.full(problem.n_rows, np.inf)
    for branch in branches:
        if branch.kind == "at most":
            up_to_T[branch.which] = min(up_to_T[branch.which], branch.theta)
        elif branch.kind == "above":
            above_T[branch.which] = max(above_T[branch.which], branch.theta)
    if branches:
        problem = problem.between(above_T, up_to_T)
    for branch in branches:
        if branch.kind == "no part":
            problem = problem.keep(~problem.uses_KC[branch.which])
        elif branch.kind == "part":
            problem = problem.with_part(branch.which)
        elif branch.kind == "without":
            problem = problem.keep(problem.index_C != branch.which)
        elif branch.kind == "with" and branch.which in problem.index_C:
            problem = problem.paid(int(np.flatnonzero(problem.index_C == branch.which)[0]))
    return problem


def _split(local: Problem, relaxation: Relaxation, branches: Sequence[Branch]) -> tuple[Branch, Branch]:
    settled = {branch.which for branch in branches if branch.kind in ("part", "no part")}
    for part in np.flatnonzero(local.uses_KC.any(axis=1)).tolist():
        if part not in settled:
            return Branch("no part", part), Branch("part", part)
    divided = _divided_service(local, relaxation)
    if divided is not None:
        task, theta = divided
        return Branch("at most", task, theta), Branch("above", task, theta)
    decided = {branch.which for branch in branches if branch.kind == "with"}
    open_rows = [row for row, index in enumerate(local.index_C.tolist()) if index not in decided]
    share_of = {row: relaxation.share.get(row, 0.0) for row in open_rows}
    fractional = [row for row in open_rows if 1e-6 < share_of[row] < 1 - 1e-6]
    if fractional:
        row = min(fractional, key=lambda row: (abs(share_of[row] - 0.5), row))
    else:  # the relaxation uses whole candidates that the limits do not quite allow
        row = max(open_rows, key=lambda row: (share_of[row], -row))
    index = int(local.index_C[row])
    return Branch("without", index), Branch("with", index)


def _divided_service(local: Problem, relaxation: Relaxation) -> tuple[int, float] | None:
    """The task whose service is divided most clearly among networks of different loss, and a loss between them."""
    parts_T: list[dict[float, float]] = [{} for _ in range(local.n_rows)]
    for t, row, level in relaxation.served:
        value = float(local.value_TC[t, row])
        parts_T[t][value] = parts_T[t].get(value, 0.0) + level
    best: tuple[float, int, float] | None = None
    for t, parts in enumerate(parts_T):
        values = sorted(parts)
        below = 0.0
        for value, following in itertools.pairwise(values):
            below += parts[value]
            share = min(below, 1 - below)
            score = share * (following - value)
            if share > 1e-6 and (best is None or score > best[0]):
                best = (score, t, value)
    return None if best is None else best[1:]
