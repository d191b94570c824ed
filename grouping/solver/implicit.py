"""The best grouping where every group of tasks is a candidate and a table of pairs predicts its losses.

Higher-order approximation (Standley et al., ICML 2020): the loss of a task in a group is the mean of its losses when
trained with each of the others. There are ``2^T - 1`` groups, all of cost 1, and they are never enumerated: the
relaxation of ``bound`` is solved over groups that ``pricing`` finds. At its row prices ``u_t``, let ``profit(S)`` be
what group S is worth, and ``most >= 0`` no less than that for any S. Then, with k networks::

    every grouping              >= sum u - k * most
    a grouping that contains S  >= sum u - (k - 1) * most - profit(S)

and only the groups for which the second bound does not exceed the best known grouping matter. They are a few dozen,
usually; ``pricing`` lists them, and the ordinary solver chooses among them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from grouping.candidates import FloatArray, IntArray
from grouping.errors import NoResultError
from grouping.solver.clock import Callback, Clock
from grouping.solver.master import Master
from grouping.solver.pairs import Pairs
from grouping.solver.pricing import Attractive, attractive, climb, masks_of, members_of
from grouping.solver.solution import Progress, Solution
from grouping.solver.solve import solve

__all__ = ["frontier_from_pairs", "solve_from_pairs"]

_LISTED = 20_000  # groups that go to the ordinary solver
_QUICK = 1_000_000  # partial groups
_ROUNDED = 128  # groups among which a first grouping is looked for, beside those that the relaxation uses


def solve_from_pairs(
    pair_TT: ArrayLike,
    budget: float | None = None,
    *,
    weights_T: Sequence[float] | None = None,
    max_size: int | None = None,
    max_networks: int | None = None,
    time_limit: float | None = None,
    callback: Callback | None = None,
    tasks: Sequence[str] | None = None,
) -> Solution:
    """Choose among all groups of tasks those that serve every task at the lowest loss within the budget, and prove it.

    Gives what ``solve`` gives for the table of all groups, at cost 1 each, whose losses are means of pairs. Ties end as
    there (fewest networks, then the smallest sorted members, as far as that search for ties goes) unless more than
    20,000 groups could be part of a grouping as good as the best; then the optimum is still proven, but which of the
    tied groupings is returned is not specified.

    Args:
        pair_TT: Loss of the first task when trained with the second, [T, T], any sign; alone on the diagonal.
        budget: Limit of the number of networks; a fraction of one buys nothing. None for no limit.
        weights_T: Positive weight of each task; default 1.
        max_size: At most that many members in a network.
        max_networks: At most that many networks.
        time_limit: Seconds after which the best found is returned with its bound.
        callback: Told ``Progress`` now and then, its nodes being partial groups; returning True ends the search.
        tasks: Names for messages; default: the indices.

    Returns:
        A solution whose ``chosen`` are the groups themselves as binary numbers, ascending: bit t is set where task t is
        a member. It carries no certificate, since there is no table of candidates to check one against.

    Raises:
        InputError: a table, weights or limits that make no sense; more than 62 tasks.
        InfeasibleError: the budget buys too few networks; says how many are needed.
    """
    pairs = Pairs.checked(pair_TT, weights_T, max_size)
    implicit = _Implicit(pairs, Clock(time_limit, callback))
    limit = implicit.start(budget, max_networks, max_size, tasks)
    solution = implicit.solve(limit)
    return replace(solution, budget=math.inf if budget is None else float(budget))


def frontier_from_pairs(
    pair_TT: ArrayLike,
    *,
    weights_T: Sequence[float] | None = None,
    max_size: int | None = None,
    max_networks: int | None = None,
    time_limit: float | None = None,
    callback: Callback | None = None,
    tasks: Sequence[str] | None = None,
) -> list[Solution]:
    """Every non-dominated (number of networks, objective), ascending; each solution's budget is its own cost.

    One sweep from as many networks as tasks to the fewest; groups that one number of networks needed are tried first
    for the next. Arguments, meaning of ``chosen`` and errors as for ``solve_from_pairs``. Where the time limit or
    Ctrl-C ends the sweep, the points found so far are returned, the one it stopped at being the first and its
    ``stopped`` saying so.
    """
    pairs = Pairs.checked(pair_TT, weights_T, max_size)
    implicit = _Implicit(pairs, Clock(time_limit, callback))
    limit = implicit.start(None, max_networks, max_size, tasks)
    points: list[Solution] = []
    while limit >= pairs.fewest:
        point = implicit.solve(limit)
        points.append(replace(point, budget=point.cost))
        if point.stopped:
            break
        limit = len(point.chosen) - 1
    return points[::-1]


class _Implicit:
    """Answers for one number of networks after the other; the groups seen so far stay known.

    Args:
        pairs: The table.
        clock: Of the whole call.
    """

    def __init__(self, pairs: Pairs, clock: Clock) -> None:
        self.pairs, self.clock = pairs, clock
        n_tasks = pairs.n_tasks
        self.random = np.random.default_rng(0)  # where local search starts, the same in every call
        self.single_T: IntArray = np.int64(1) << np.arange(n_tasks, dtype=np.int64)
        self.masks_C: IntArray = np.zeros(0, np.int64)
        self.value_TC: FloatArray = np.zeros((n_tasks, 0))
        self.nodes = 0

    def start(
        self, budget: float | None, max_networks: int | None, max_size: int | None, tasks: Sequence[str] | None
    ) -> int:
        """Check the question by answering it for a few groups, and get ready; returns how many networks it allows.

        Raises:
            InputError: weights, limits or names that make no sense.
            InfeasibleError: fewer networks are allowed than the largest groups need.
        """
        pairs = self.pairs
        first = self._first()
        solve(
            pairs.losses(first),
            np.ones(len(first)),
            budget,
            weights_T=pairs.weight_T.tolist(),
            max_networks=max_networks,
            max_size=max_size,
            tasks=tasks,
        )
        self.weighted_TT = pairs.weight_T[:, None] * pairs.pair_TT
        served_TT = self.weighted_TT if pairs.largest > 1 else np.diag(self.weighted_TT)[:, None]
        top_T, low_T = served_TT.max(axis=1), served_TT.min(axis=1)
        self.scale = float(np.abs(self.weighted_TT).max()) or 1.0
        self.floor = math.fsum(low_T.tolist())  # nothing is better than everybody's best partner
        self.penalty_T: FloatArray = top_T + 2 * (top_T - low_T).sum() + 1e-3 * self.scale
        self._learn(self.single_T)
        if pairs.largest > 1:
            self._learn((self.single_T[:, None] | self.single_T).ravel())
        self._learn(first)
        limits = [pairs.n_tasks, *(limit for limit in (budget, max_networks) if limit is not None)]
        return math.floor(min(limits) * (1 + 1e-11))

    def solve(self, limit: int) -> Solution:
        """The best grouping into at most that many networks."""
        self.limit = limit
        self.bound = self.floor
        self.best, self.objective = self._first(), math.inf
        self._offer(self.best)
        try:
            self._search()
        except KeyboardInterrupt:
            self.clock.interrupt()
        solution = self.pairs.choose(np.sort(self.best), limit, Clock())
        bound = min(self.bound, solution.objective)
        if solution.objective - bound <= 1e-13 * self.pairs.n_tasks * self.scale:
            bound = solution.objective
        return replace(solution, bound=bound, seconds=self.clock.seconds, stopped=self.clock.stopped)

    def _first(self) -> IntArray:
        """As few groups as can serve every task."""
        parts = np.array_split(self.single_T, self.pairs.fewest)
        return np.array([part.sum() for part in parts], dtype=np.int64)

    def _search(self) -> None:
        """Improve ``best`` and ``bound`` until they meet or time is up."""
        slack = 1e-9 * self.scale
        master = Master(self.penalty_T, np.array([float(self.limit)]))
        enough = slack
        while not self._stops(self.bound):
            duals_T, price = self._relax(master)
            gain_TT = self.pairs.gains(duals_T)
            alone_T = duals_T - np.diag(self.weighted_TT)
            total = float(duals_T.sum())
            if not self.clock.stopped:
                self._round(master)
            room = max(self.objective - (total - self.limit * price), 0.0)
            floor = max(float(alone_T.max()), 0.0)
            priced = self._price(gain_TT, price - room - self.limit * slack, price + enough, total, floor)
            if self.clock.stopped:
                return
            if priced.finished:
                beyond = total - priced.threshold - (self.limit - 1) * max(priced.most, floor)
                self._settle(np.concatenate([priced.masks_C, self.single_T[alone_T >= priced.threshold]]), beyond)
                return
            if not self._learn(priced.masks_C):
                enough = math.inf  # rounding errors: these groups are known, and cannot be priced any better

    def _price(self, gain_TT: FloatArray, threshold: float, enough: float, total: float, floor: float) -> Attractive:
        """All groups worth the threshold, or some that are worth more than enough.

        What takes long is approached from above, so that a search that is stopped has proven something on the way.

        Args:
            gain_TT: See ``pricing``.
            threshold: Profit.
            enough: Profit.
            total: Sum of the row prices.
            floor: What some group of one is worth, or nobody is.
        """

        def look(threshold: float, patience: float) -> Attractive:
            priced = attractive(
                gain_TT,
                threshold,
                largest=self.pairs.largest,
                enough=enough,
                at_most=_LISTED,
                stop=lambda most, nodes: self._stops(proven(most), nodes) or nodes > patience,
            )
            self.nodes += priced.nodes
            self.bound = max(self.bound, proven(priced.most))
            return priced

        def proven(most: float) -> float:
            return total - self.limit * max(most, floor)

        quick = priced = look(threshold, _QUICK)
        if priced.finished or priced.profit_C.max(initial=-math.inf) > enough:
            return priced
        for part in (0.5, 0.25, 0.125, 0.0):
            if self.clock.stopped:
                break
            priced = look(threshold + part * (quick.most - threshold), math.inf)
            if not priced.finished:
                break
        return priced

    def _stops(self, bound: float, nodes: int = 0) -> bool:
        """Keep a bound that holds, and tell the callback; whether the search has to end."""
        self.bound = max(self.bound, bound)
        return self.clock.report(self.objective, min(self.bound, self.objective), self.nodes + nodes)

    def _rest(self, callback: Callback | None = None) -> Clock:
        """A clock for the time that is left."""
        limit = self.clock.time_limit
        return Clock(None if limit is None else max(limit - self.clock.seconds, 0.0), callback)

    def _settle(self, masks_C: IntArray, beyond: float) -> None:
        """Choose among the groups that matter; groupings with any other group cost at least ``beyond``."""
        masks_C = np.unique(np.concatenate([masks_C, self.best]))

        def report(progress: Progress) -> bool:
            return self._stops(min(progress.bound, beyond), progress.nodes)

        try:
            settled = self.pairs.choose(masks_C, self.limit, self._rest(report))
        except NoResultError:
            self.clock.expired()
            return
        if settled.stopped == "interrupted":
            self.clock.interrupt()
        self.clock.expired()
        if settled.objective <= self.objective + 1e-12 * abs(self.objective):
            self.best, self.objective = settled.chosen, settled.objective
        self.bound = max(self.bound, min(settled.bound, beyond))

    def _relax(self, master: Master) -> tuple[FloatArray, float]:
        """Row prices and the price of a network when local search finds no group that improves the relaxation."""
        tolerance = 1e-12 * self.scale
        while True:
            duals_T, price = self._optimise(master, tolerance)
            if self.clock.expired() or self.pairs.largest == 1:
                return duals_T, price
            owners = np.unique(master.owner_M[master.owner_M >= 0])
            n_tasks = self.pairs.n_tasks
            random_MT = self.random.random((2 * n_tasks, n_tasks)) < self.random.uniform(0.1, 0.7, (2 * n_tasks, 1))
            starts_MT = np.vstack([members_of(self.masks_C[owners], n_tasks), np.eye(n_tasks, dtype=bool), random_MT])
            starts_MT = starts_MT[starts_MT.sum(axis=1) <= self.pairs.largest]
            members_MT, profit_M = climb(self.pairs.gains(duals_T), starts_MT, self.pairs.largest)
            if not self._learn(masks_of(members_MT[profit_M > price + tolerance])):
                return duals_T, price

    def _optimise(self, master: Master, tolerance: float) -> tuple[FloatArray, float]:
        """Prices at the relaxation's optimum over the known groups."""
        fresh = False
        for _ in range(200 + 60 * master.m):
            duals_T, prices_D = master.prices()
            if self.clock.expired():
                break
            if master.enter_unit(duals_T, prices_D, tolerance):
                fresh = False
                continue
            margin_TC = self.value_TC - duals_T[:, None]
            reduced_C = np.minimum(margin_TC, 0.0, out=margin_TC).sum(axis=0)
            c = int(reduced_C.argmin())
            serves_T = self.value_TC[:, c] < duals_T
            if reduced_C[c] + prices_D[0] < -tolerance and master.enter(
                np.append(serves_T, 1.0), float(self.value_TC[serves_T, c].sum()), c
            ):
                fresh = False
                continue
            if fresh or master.pivots == 0:
                break
            master.factor()  # what looks optimal must still be so with rounding errors removed
            fresh = True
        return duals_T, max(float(prices_D[0]), 0.0)

    def _round(self, master: Master) -> None:
        """Look for a grouping among the groups that the relaxation uses, and others that it nearly uses."""
        duals_T, prices_D = master.prices()
        used = np.unique(master.owner_M[(master.owner_M >= 0) & (master.levels() > 1e-7)])
        if len(used) <= self.limit:
            self._offer(self.masks_C[used])
        if self.objective <= duals_T.sum() - self.limit * prices_D[0] + 1e-9 * self.scale:
            return
        reduced_C = np.minimum(self.value_TC - duals_T[:, None], 0.0).sum(axis=0)
        near = np.argsort(reduced_C, kind="stable")[:_ROUNDED]
        masks_C = np.unique(np.concatenate([self.masks_C[used], self.masks_C[near], self.best]))
        try:
            rounded = self.pairs.choose(masks_C, self.limit, self._rest())
        except NoResultError:
            return
        if rounded.stopped == "interrupted":
            self.clock.interrupt()
        self._offer(rounded.chosen)

    def _offer(self, masks_G: IntArray) -> None:
        """Keep a grouping of at most ``limit`` groups if it is the best so far."""
        self._learn(masks_G)
        value_TG = self.value_TC[:, np.isin(self.masks_C, masks_G)]
        objective = float(value_TG.min(axis=1, initial=np.inf).sum())
        if objective < self.objective:
            self.best, self.objective = masks_G, objective

    def _learn(self, masks_C: IntArray) -> bool:
        """Add groups to those known; False if all of them were."""
        new_C = np.setdiff1d(masks_C, self.masks_C)
        value_CT = self.pairs.losses(new_C) * self.pairs.weight_T
        value_CT[np.isnan(value_CT)] = np.inf
        self.masks_C = np.concatenate([self.masks_C, new_C])
        self.value_TC = np.hstack([self.value_TC, value_CT.T])
        return len(new_C) > 0
