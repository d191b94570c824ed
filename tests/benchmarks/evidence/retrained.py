"""Coverage on networks that really were trained again: two halves of the seeds of a complete table, judged apart.

The truth of real networks is not known, but two independent estimates of it must differ by no more than their errors
say: a nominal 90 % interval of the difference of the two, made from the errors of both, has to hold 0 in 90 % of cases.
Seeds only: the rows are the same for both halves.

Axes: ``R`` seeds, ``T`` tasks, ``G`` clusters of rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from grouping.affinity import pair_errors
from grouping.candidates import IntArray
from grouping.evidence.intervals import Interval, TestLosses, compare, compare_with_random
from grouping.losses import LossTable
from grouping.solver.baselines import Grouping, random_groupings
from tests.benchmarks.replay.cases import lattices

__all__ = ["retrained"]

_REPEATS, _RANDOMS = 40, 10
_CONFIDENCE = 0.9


def retrained() -> dict[str, Any]:
    """Shares of cases in which the difference of two halves lies within its interval, over all tables and per table."""
    tables = {}
    for place, case in enumerate(lattices()):
        assert case.scored is not None
        rng = np.random.default_rng(place)
        networks = int(case.goals.limit_K[0])
        pairs = [_groupings(case.scored, networks, rng) for _ in range(_REPEATS)]
        chosen = [_against_random(case.scored, networks, rng) for _ in range(_REPEATS)]
        cells = [inside for _ in range(_REPEATS // 4) for inside in _affinities(case.table, rng)]
        found = {"groupings": pairs, "random": chosen, "affinities": cells}
        tables[case.name] = {kind: float(np.mean(inside)) for kind, inside in found.items()}
    means = {kind: [row[kind] for row in tables.values()] for kind in ("groupings", "random", "affinities")}
    return {
        "tables": tables,
        **{
            kind: {"covered": float(np.mean(values)), "error": float(np.std(values, ddof=1) / np.sqrt(len(values)))}
            for kind, values in means.items()
        },
    }


def _groupings(table: LossTable, networks: int, rng: np.random.Generator) -> bool:
    """Whether two random groupings differ alike with both halves of the seeds, as the verdict's intervals have it."""
    n_tasks = table.candidates.n_tasks
    one, other = random_groupings(n_tasks, networks, 2, rng)
    singles = tuple((t,) for t in range(n_tasks))
    found = []
    for rows in _halves(table, rng):
        losses = [_losses(table, grouping, rows) for grouping in (one, other, singles)]
        found.append(compare(losses[0], losses[1], losses[2], np.full(n_tasks, 1 / n_tasks)))
    return _agree(*found)


def _against_random(table: LossTable, networks: int, rng: np.random.Generator) -> bool:
    """The same of one grouping against the mean of ten of its sizes, the same ten for both halves."""
    n_tasks = table.candidates.n_tasks
    (first,) = random_groupings(n_tasks, networks, 1, rng)
    sizes = tuple(sorted(map(len, first)))
    one, *others = random_groupings(n_tasks, networks, _RANDOMS + 1, rng, sizes=sizes)
    singles = tuple((t,) for t in range(n_tasks))
    found = []
    for rows in _halves(table, rng):
        losses = [_losses(table, grouping, rows) for grouping in (one, singles, *others)]
        weights_T = np.full(n_tasks, 1 / n_tasks)
        found.append(compare_with_random(losses[0], losses[2:], losses[1], weights_T, possible=len(others)))
    return _agree(*found)


def _losses(table: LossTable, grouping: Grouping, rows: list[int]) -> TestLosses:
    serves_T: IntArray = np.zeros(table.candidates.n_tasks, np.int64)
    for group in grouping:
        members_T = np.isin(np.arange(table.candidates.n_tasks), group)
        serves_T[members_T] = np.flatnonzero((table.candidates.members_CT == members_T).all(axis=1))[0]
    losses_RT = table.losses_RCT[rows][:, serves_T, np.arange(len(serves_T))]
    # Two clusters that are equal add no variance of rows.
    return TestLosses(np.repeat(losses_RT[:, :, None], 2, axis=2), np.ones((losses_RT.shape[1], 2)))


def _affinities(table: LossTable, rng: np.random.Generator) -> list[bool]:
    """The same for each cell of the affinity matrix."""
    found = []
    for rows in _halves(table, rng):
        seeds = tuple(table.seeds[r] for r in rows)
        found.append(pair_errors(replace(table, losses_RCT=table.losses_RCT[rows], seeds=seeds)))
    return [
        _agree(*(Interval(float(gain[t, u]), float(error[t, u]), float(df[t, u]), 1) for gain, error, df in found))
        for t, u in np.argwhere(~np.eye(table.candidates.n_tasks, dtype=bool)).tolist()
    ]


def _halves(table: LossTable, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    order_R = rng.permutation(len(table.seeds)).tolist()
    return order_R[: len(order_R) // 2], order_R[len(order_R) // 2 :]


def _agree(one: Interval, other: Interval) -> bool:
    """Whether two independent estimates are equal within the interval of their difference (Welch 1947)."""
    squares = one.error**2, other.error**2
    if sum(squares) == 0:
        return one.mean == other.mean
    df = sum(squares) ** 2 / (squares[0] ** 2 / one.df + squares[1] ** 2 / other.df)
    away = Interval(one.mean - other.mean, float(np.sqrt(sum(squares))), df, one.n, _CONFIDENCE)
    return away.low <= 0 <= away.high
