"""Successive halving: which candidates need not be trained any further, and what their early losses stand for.

Jamieson & Talwalkar, AISTATS 2016, drop the worse half of all candidates at every rung. Networks of different tasks
have no common order, so here a candidate is compared task by task with the others that hold that task, each relative
to the single-task networks at the same moment of training, and dropped only where it is hopeless for all its tasks.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks, ``S`` readings.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.curves import CurveTable
from grouping.errors import InputError
from grouping.losses import LossTable

__all__ = ["at_rung", "dropped", "fewest_survivors", "hopeless", "with_early_losses"]


def hopeless(losses_CT: FloatArray, members_CT: BoolArray, kind_C: FloatArray, keep: float) -> BoolArray:
    """Where a candidate is not among the best for one of its tasks, [C, T].

    Of the n candidates of one kind that hold a task, the best ``ceil(keep * n)`` are not hopeless for it, nor is who
    ties with the last of them. Only the order within a task and a kind counts: neither its unit nor a reference that
    all share changes anything.

    Args:
        losses_CT: Losses at one moment of training, mean over all seeds; NaN where there is none.
        members_CT: Who shares.
        kind_C: Only candidates of one kind (capacity) are compared.
        keep: Share that stays, in (0, 1].

    Raises:
        InputError: a share outside (0, 1].
    """
    if not 0 < keep <= 1:
        raise InputError(f"the share {keep} to be kept is outside (0, 1]", where="candidates.halving.keep")
    found_CT = np.zeros(members_CT.shape, dtype=bool)
    known_CT = members_CT & ~np.isnan(losses_CT)
    for kind in np.unique(kind_C):
        for t in range(members_CT.shape[1]):
            rivals = np.flatnonzero((kind_C == kind) & known_CT[:, t])
            if len(rivals):
                losses_N = losses_CT[rivals, t]
                found_CT[rivals, t] = losses_N > np.sort(losses_N)[_kept(len(rivals), keep) - 1]
    return found_CT


def dropped(losses_CT: FloatArray, members_CT: BoolArray, kind_C: FloatArray, keep: float) -> BoolArray:
    """Candidates that are hopeless for every one of their tasks, [C]; arguments as for ``hopeless``.

    The best candidate for a task always stays, and so do candidates with at least ``keep`` of all memberships. One
    without a loss is not dropped: it has failed.
    """
    out_CT = hopeless(losses_CT, members_CT, kind_C, keep)
    return np.asarray((out_CT | ~members_CT).all(axis=1))


def fewest_survivors(members_CT: BoolArray, spared_C: BoolArray, keep: float, rungs: int) -> list[int]:
    """How many candidates of one kind stay at least after each of some rungs, the spared ones included.

    A task keeps ``ceil(keep * n)`` of the candidates that hold it; fewest stay where the largest ones do.

    Args:
        members_CT: Who shares.
        spared_C: Candidates that are never dropped.
        keep: Share that stays.
        rungs: Number of rungs.
    """
    held_T = members_CT.sum(axis=0)
    spared_T = members_CT[spared_C].sum(axis=0)
    sizes = np.sort(members_CT[~spared_C].sum(axis=1))[::-1]
    counts = []
    for _ in range(rungs):
        held_T = np.array([_kept(int(n), keep) for n in held_T])
        places = int(np.maximum(held_T - spared_T, 0).sum())
        counts.append(int(spared_C.sum()) + int(np.searchsorted(np.cumsum(sizes), places)) + (places > 0))
    return counts


def at_rung(curves: CurveTable, reading: int, single_T: IntArray) -> LossTable:
    """Losses at a reading, relative to the mean single-task network at the same reading.

    Args:
        curves: Of all candidates.
        reading: Index into its steps.
        single_T: The candidate that is each task's own network.
    """
    losses_RCT = curves.curves_RCTS[..., reading]
    table = LossTable(curves.candidates, losses_RCT, curves.seeds)
    return table.scaled(table.mean_CT[single_T, np.arange(len(single_T))])


def with_early_losses(
    table: LossTable, curves: CurveTable, early_C: BoolArray, single_T: IntArray, reference_T: FloatArray
) -> LossTable:
    """The table with the early losses of candidates that were not trained to the end, marked as estimates.

    The estimate is the last loss that was read, relative to the single-task networks at that reading, times the
    reference: the candidate is taken to keep its place among the others. A candidate with a loss in the table keeps it.

    Args:
        table: Losses of candidates that were trained to the end, in the unit of ``reference_T``.
        curves: Of the same candidates and seeds.
        early_C: Candidates that are estimated.
        single_T: The candidate that is each task's own network, trained to the end.
        reference_T: What losses are relative to at the end.
    """
    assert table.estimated_CT is not None
    losses_RCT, estimated_CT = table.losses_RCT.copy(), table.estimated_CT.copy()
    unfinished_C = early_C & (table.replicates_CT == 0).all(axis=1)
    for c in np.flatnonzero(unfinished_C).tolist():
        read_S = np.flatnonzero(~np.isnan(curves.curves_RCTS[:, c]).all(axis=(0, 1)))
        if not len(read_S):
            continue
        reading = int(read_S[-1])
        losses_RCT[:, c] = at_rung(curves, reading, single_T).losses_RCT[:, c] * reference_T
        estimated_CT[c] = True
    return replace(table, losses_RCT=losses_RCT, estimated_CT=estimated_CT)


def _kept(n: int, keep: float) -> int:
    return math.ceil(keep * n - 1e-9)
