"""Which groups of a pair table are worth their price, found without enumerating groups.

At row prices ``u_t`` the gain of t from training with u is ``gain_tu = u_t - weight_t * pair_tu``. A group S of two or
more is worth ``profit(S) = sum_{t in S} max(0, sum_{u in S} gain_tu) / (|S| - 1)``, and improves the relaxation where
that exceeds the price of a network. ``climb`` finds good groups; ``attractive`` finds all, or proves that none is left.

The exact search decides one task after the other, in or out, for all sizes at once and for thousands of partial groups
at once. What a partial group (decided members I, r more to come from the undecided U) can still reach is bounded by:

* t in I gets ``x = sum_{u in I} gain_tu`` plus r terms of U, so it lies in an interval ``[low, high]`` there, and
  ``max(0, x)`` is at most the chord over that interval. A chord is linear: each u in U gets its share of every t in I.
* u in U gets what I gives it, and its best r - 1 partners in U. Within U, what a pair of tasks gains may be divided
  between the two at will: t transfers ``share * (gain_tu - gain_ut) / 2`` to u, served or not. That is much tighter
  where most members are served (share 1: both get half of the sum), and looser where few are (share 0). So the share
  is the one that gives the lowest bound at the start, for every size of groups.

The r tasks of U with the largest sums complete the bound. Sources: the bound of Gilmore and Lawler for quadratic
assignment; divided pairs as in Caprara, Pisinger and Toth 1999 (quadratic knapsack). The chords are this file's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray

__all__ = ["Attractive", "attractive", "climb", "masks_of", "members_of"]

_CHUNK = 4096
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_SLACK = 1e-10  # rounding errors of a sum of at most 62 * 62 terms, each at most 1


def masks_of(members_CT: BoolArray) -> IntArray:
    """Groups as numbers, [C]: bit t stands for task t."""
    masks_C: IntArray = members_CT.astype(np.int64) @ (np.int64(1) << np.arange(members_CT.shape[1], dtype=np.int64))
    return masks_C


def members_of(masks_C: IntArray, n_tasks: int) -> BoolArray:
    """The inverse of ``masks_of``, [C, T]."""
    members_CT: BoolArray = (masks_C[:, None] >> np.arange(n_tasks) & 1).astype(bool)
    return members_CT


def climb(gain_TT: FloatArray, members_MT: BoolArray, largest: int) -> tuple[BoolArray, FloatArray]:
    """Local search from many groups: add or drop the task that raises the profit most, until none does.

    Args:
        gain_TT: See the module's docstring; zero on the diagonal.
        members_MT: Where to start.
        largest: Groups have at most that many members.

    Returns:
        The groups arrived at, [M, T], of two members or more where that is any better, and their profits [M].
    """
    members_MT = members_MT.copy()
    sum_MT = members_MT @ gain_TT.T
    profit_M = _profits(sum_MT, members_MT)
    live_M = np.arange(len(members_MT))
    while len(live_M):
        inside_LT = members_MT[live_M]
        sum_LT = sum_MT[live_M]
        sign_LT = np.where(inside_LT, -1.0, 1.0)
        flipped_LTT = sum_LT[:, :, None] + sign_LT[:, None, :] * gain_TT  # [L, who gains, who is flipped]
        np.maximum(flipped_LTT, 0.0, out=flipped_LTT)
        total_LT = np.einsum("lt,ltu->lu", inside_LT.astype(float), flipped_LTT)
        total_LT += sign_LT * np.maximum(sum_LT, 0.0)
        others_LT = inside_LT.sum(axis=1)[:, None] + sign_LT - 1
        total_LT /= np.maximum(others_LT, 1)
        total_LT[(others_LT < 1) | (others_LT >= largest)] = -np.inf
        flip_L = total_LT.argmax(axis=1)
        best_L = total_LT[np.arange(len(flip_L)), flip_L]
        up_L = best_L > profit_M[live_M] + 1e-12 * np.abs(profit_M[live_M])
        live_M, flip_L = live_M[up_L], flip_L[up_L]
        sum_MT[live_M] += sign_LT[up_L, flip_L][:, None] * gain_TT[:, flip_L].T
        members_MT[live_M, flip_L] ^= True
        profit_M[live_M] = best_L[up_L]
    return members_MT, profit_M


def _profits(sum_MT: FloatArray, members_MT: BoolArray) -> FloatArray:
    others_M = np.maximum(members_MT.sum(axis=1) - 1, 1)
    profit_M: FloatArray = (np.maximum(sum_MT, 0.0) * members_MT).sum(axis=1) / others_M
    return profit_M


@dataclass(frozen=True, eq=False)
class Attractive:
    """What ``attractive`` found.

    Args:
        masks_C: Groups of two or more, see ``masks_of``.
        profit_C: Their profits; where nobody in a group has a profit, the largest (negative) share of a member.
        threshold: Every group of two or more that is worth more than this is listed, if the search is ``finished``.
        most: No group of two or more is worth more than this, finished or not.
        finished: Whether the search ran to its end.
        nodes: How many partial groups were looked at.
    """

    masks_C: IntArray
    profit_C: FloatArray
    threshold: float
    most: float
    finished: bool
    nodes: int


def attractive(
    gain_TT: FloatArray,
    threshold: float,
    *,
    largest: int,
    enough: float = np.inf,
    at_most: int = 1 << 62,
    stop: Callable[[float, int], bool] | None = None,
) -> Attractive:
    """All groups of two or more tasks that are worth at least the threshold.

    Args:
        gain_TT: See the module's docstring; zero on the diagonal.
        threshold: Profit; may be zero or negative.
        largest: Groups have at most that many members.
        enough: A group worth more than this ends the search, unfinished.
        at_most: Where there are more groups than that, the threshold is raised.
        stop: Told now and then what no group can exceed and the number of nodes; True ends the search, unfinished.
    """
    n_tasks = len(gain_TT)
    size_N = np.arange(2, min(largest, n_tasks) + 1)
    if not len(size_N):
        return Attractive(np.zeros(0, np.int64), np.zeros(0), threshold, -np.inf, finished=True, nodes=0)
    scale = float(np.abs(gain_TT).max()) or 1.0
    search = _Search(gain_TT / scale, threshold / scale, enough / scale, at_most)
    finished = search.run(size_N, None if stop is None else lambda most, nodes: stop(most * scale, nodes))
    masks_C, profit_C = search.found()
    return Attractive(
        masks_C, profit_C * scale, search.threshold * scale, search.most() * scale, finished, search.nodes
    )


@dataclass(frozen=True, eq=False)
class _Batch:
    """Partial groups that decide the same tasks. ``T`` in the order of decisions.

    Args:
        decided: How many tasks are decided.
        sum_NT: What each task gains from the members so far; hopelessly negative for tasks that are out.
        mask_N: The members so far.
        open_N: How many members are to come.
        size_N: Size of the group.
        most: What no completion of any of them exceeds.
    """

    decided: int
    sum_NT: FloatArray
    mask_N: IntArray
    open_N: IntArray
    size_N: IntArray
    most: float

    def part(self, rows: slice | BoolArray) -> _Batch:
        return _Batch(
            self.decided, self.sum_NT[rows], self.mask_N[rows], self.open_N[rows], self.size_N[rows], self.most
        )


@dataclass(frozen=True, eq=False)
class _Limits:
    """What r more members can bring, for the tasks decided and those undecided (U) at one depth.

    Args:
        high_RT: The r largest gains of each task.
        low_RT: The r smallest.
        served_FRU: The r largest gains after transfers, for every share that is used.
        helping_FRU: The r largest transfers, for a task that is not served.
    """

    high_RT: FloatArray
    low_RT: FloatArray
    served_FRU: FloatArray
    helping_FRU: FloatArray


class _Search:
    """Depth first over batches; gains are at most 1."""

    def __init__(self, gain_TT: FloatArray, threshold: float, enough: float, at_most: int) -> None:
        n_tasks = len(gain_TT)
        both_TT = (gain_TT + gain_TT.T) / 2
        # Who could earn most is decided first.
        promise_T = np.sort(both_TT, axis=1)[:, -max(n_tasks // 3, 1) :].sum(axis=1)
        self.order_T = np.argsort(-promise_T, kind="stable")
        self.gain_TT = np.ascontiguousarray(gain_TT[np.ix_(self.order_T, self.order_T)])
        self.given_TT = np.ascontiguousarray(self.gain_TT.T)
        self.moved_TT = (self.given_TT - self.gain_TT) / 2
        self.out = -4.0 * n_tasks
        self.threshold, self.enough, self.at_most = threshold, enough, at_most
        self.limits: list[_Limits] = []
        self.shares: tuple[float, ...] = ()
        self.share_S: IntArray = np.zeros(n_tasks + 1, dtype=np.int64)
        self.masks: list[IntArray] = []
        self.profits: list[FloatArray] = []
        self.n_found = self.nodes = 0
        self.best = -np.inf
        self.stack: list[_Batch] = []

    def run(self, size_N: IntArray, stop: Callable[[float, int], bool] | None) -> bool:
        """Search groups of these sizes; returns whether the search ran to its end."""
        n_tasks = len(self.order_T)
        root = _Batch(
            0, np.zeros((len(size_N), n_tasks)), np.zeros(len(size_N), np.int64), size_N.copy(), size_N, np.inf
        )
        self._divide(root)
        self._bound(root)
        while self.stack:
            if self.best > self.enough or (stop is not None and stop(self.most(), self.nodes)):
                return False
            batch = self.stack.pop()
            if len(batch.open_N) > _CHUNK:
                self.stack.append(batch.part(slice(_CHUNK, None)))
                batch = batch.part(slice(_CHUNK))
            self._decide(batch)
        return not self.best > self.enough

    def most(self) -> float:
        """What no group can exceed."""
        return max([self.threshold, self.best, *(batch.most for batch in self.stack)])

    def found(self) -> tuple[IntArray, FloatArray]:
        """Groups that reach the threshold, and their profits."""
        masks_C = np.concatenate([np.zeros(0, np.int64), *self.masks])
        profit_C = np.concatenate([np.zeros(0), *self.profits])
        return masks_C, profit_C

    def _divide(self, root: _Batch) -> None:
        """Find for every size how pairs are best divided."""
        bound_FN = np.empty((len(_SHARES), len(root.size_N)))
        for f, share in enumerate(_SHARES):
            reach_NT = np.maximum(
                _largest_sums(self.gain_TT + share * self.moved_TT, 0)[root.size_N - 1],
                _largest_sums(share * self.moved_TT, 0)[root.size_N - 1],
            )
            summed_NT = np.cumsum(-np.sort(-reach_NT, axis=1), axis=1)
            bound_FN[f] = summed_NT[np.arange(len(root.size_N)), root.size_N - 1]
        chosen, self.share_S[root.size_N] = np.unique(bound_FN.argmin(axis=0), return_inverse=True)
        self.shares = tuple(_SHARES[f] for f in chosen)

    def _limits_at(self, decided: int) -> _Limits:
        """What so many decided tasks leave within reach; there is one more of it with every depth first reached."""
        while len(self.limits) <= decided:
            d = len(self.limits)
            shared = [share * self.moved_TT for share in self.shares]
            limits = _Limits(
                _largest_sums(self.gain_TT, d),
                -_largest_sums(-self.gain_TT, d),
                np.stack([_largest_sums(self.gain_TT + moved_TT, d)[:, d:] for moved_TT in shared]),
                np.stack([_largest_sums(moved_TT, d)[:, d:] for moved_TT in shared]),
            )
            self.limits.append(limits)
        return self.limits[decided]

    def _decide(self, batch: _Batch) -> None:
        """Put the next task in, and leave it out."""
        task = batch.decided
        spare_N = batch.open_N < len(self.order_T) - task
        without_NT = batch.sum_NT[spare_N]
        without_NT[:, task] = self.out
        bit = np.int64(1) << self.order_T[task]
        children = _Batch(
            task + 1,
            np.concatenate([batch.sum_NT + self.given_TT[task], without_NT]),
            np.concatenate([batch.mask_N | bit, batch.mask_N[spare_N]]),
            np.concatenate([batch.open_N - 1, batch.open_N[spare_N]]),
            np.concatenate([batch.size_N, batch.size_N[spare_N]]),
            batch.most,
        )
        self.nodes += len(children.open_N)
        whole_N = children.open_N == 0
        if whole_N.any():
            self._collect(children.part(whole_N))
            children = children.part(~whole_N)
        if len(children.open_N):
            self._bound(children)

    def _collect(self, groups: _Batch) -> None:
        """Keep the complete groups that reach the threshold."""
        sum_NT = groups.sum_NT[:, : groups.decided]
        total_N = np.maximum(sum_NT, 0.0).sum(axis=1)
        profit_N = np.where(total_N > 0, total_N, sum_NT.max(axis=1)) / (groups.size_N - 1)
        reached_N = profit_N >= self.threshold - _SLACK
        if not reached_N.any():
            return
        self.masks.append(groups.mask_N[reached_N])
        self.profits.append(profit_N[reached_N])
        self.best = max(self.best, float(profit_N.max()))
        self.n_found += int(reached_N.sum())
        if self.n_found > self.at_most:
            masks_C, profit_C = self.found()
            self.threshold = float(np.partition(profit_C, len(profit_C) - self.at_most // 2)[-self.at_most // 2])
            kept_C = profit_C > self.threshold + 2 * _SLACK  # groups that tie are kept all or none
            self.threshold += 2 * _SLACK
            self.masks, self.profits, self.n_found = [masks_C[kept_C]], [profit_C[kept_C]], int(kept_C.sum())

    def _bound(self, batch: _Batch) -> None:
        """Put on the stack what can still reach the threshold; see the module's docstring."""
        d, open_N = batch.decided, batch.open_N
        limits, share_N = self._limits_at(d), self.share_S[batch.size_N]
        in_ND, undecided_NU = batch.sum_NT[:, :d], batch.sum_NT[:, d:]
        high_ND = in_ND + limits.high_RT[open_N, :d]
        short_ND = np.maximum(-in_ND - limits.low_RT[open_N, :d], 0.0)
        slope_ND = np.maximum(high_ND, 0.0)
        slope_ND /= slope_ND + short_ND + 1e-300
        short_ND += in_ND
        total_N = (slope_ND * short_ND).sum(axis=1)
        reach_NU = undecided_NU + limits.served_FRU[share_N, open_N - 1]
        np.maximum(reach_NU, limits.helping_FRU[share_N, open_N - 1], out=reach_NU)
        reach_NU += slope_ND @ self.gain_TT[:d, d:]
        reach_NU.sort(axis=1)
        summed_NU = np.cumsum(reach_NU[:, ::-1], axis=1)
        total_N += summed_NU[np.arange(len(open_N)), open_N - 1]
        others_N = batch.size_N - 1
        total_N /= others_N
        if self.threshold > 0:
            left_N = total_N >= self.threshold - _SLACK
        else:  # everything reaches zero: somebody must be worth serving
            best_N = (undecided_NU + limits.high_RT[open_N - 1, d:]).max(axis=1)
            best_N = np.maximum(best_N, high_ND.max(axis=1, initial=self.out))
            left_N = best_N >= self.threshold * others_N - _SLACK
        if left_N.any():
            most = min(batch.most, float(total_N[left_N].max()) + _SLACK)
            left = batch.part(left_N)
            self.stack.append(_Batch(d, left.sum_NT, left.mask_N, left.open_N, left.size_N, most))


def _largest_sums(term_TT: FloatArray, decided: int) -> FloatArray:
    """Row r: the sum of the r largest terms of each task among the undecided other tasks, [U + 1, T]."""
    n_tasks = len(term_TT)
    undecided = np.arange(decided, n_tasks)
    term_TU = term_TT[:, decided:].copy()
    term_TU[undecided, undecided - decided] = -np.inf
    sum_UT = np.zeros((n_tasks - decided + 1, n_tasks))
    sum_UT[1:] = np.cumsum(-np.sort(-term_TU, axis=1), axis=1).T
    return sum_UT
