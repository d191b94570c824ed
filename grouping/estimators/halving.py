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

_FEWEST_FREE = 2
"""Degrees of freedom from which on a slope is learnt."""


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
    """The table with estimates for candidates that were not trained to the end, from their last readings.

    What the last reading means is learnt from the groups of the same kind that were trained on: at the end, relative
    losses lie on a line through those at that reading, with one slope for all tasks and a level for each. Who is
    dropped is decided by that reading, which the line is conditional on, so that survivors tell about the others. For
    a task without survivors the relative loss stays as it was. A candidate with a loss in the table keeps it.

    Args:
        table: Losses of candidates that were trained to the end, in the unit of ``reference_T``.
        curves: Of the same candidates and seeds; their ``cost`` is the kind.
        early_C: Candidates that are estimated.
        single_T: The candidate that is each task's own network, trained to the end.
        reference_T: What losses are relative to at the end.
    """
    assert table.estimated_CT is not None
    candidates = table.candidates
    losses_RCT, estimated_CT = table.losses_RCT.copy(), table.estimated_CT.copy()
    final_CT = table.mean_CT / reference_T
    read_CS: BoolArray = ~np.logical_and.reduce(np.isnan(curves.curves_RCTS), axis=(0, 2))
    last_C = read_CS.shape[1] - 1 - read_CS[:, ::-1].argmax(axis=1)
    open_C = np.logical_and.reduce([early_C, (table.replicates_CT == 0).all(axis=1), np.logical_or.reduce(read_CS, 1)])
    for reading in np.unique(last_C[open_C]).tolist():
        early = at_rung(curves, reading, single_T)
        for kind in np.unique(candidates.cost_C[open_C & (last_C == reading)]).tolist():
            alike_C = candidates.cost_C == kind
            learnt_C, guessed_C = alike_C & (candidates.size_C >= 2), alike_C & open_C & (last_C == reading)
            slope_T, level_T = _line(early.mean_CT[learnt_C], final_CT[learnt_C])
            losses_RCT[:, guessed_C] = (level_T + slope_T * early.losses_RCT[:, guessed_C]) * reference_T
            estimated_CT[guessed_C] = True
    return replace(table, losses_RCT=losses_RCT, estimated_CT=estimated_CT)


def _line(early_CT: FloatArray, final_CT: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slopes and levels, [T] each, of final losses over early ones: least squares within tasks, one slope for all.

    The slope is never negative, and 1 where too few points are known; a task without any keeps its losses as they are.
    """
    both_CT = ~(np.isnan(early_CT) | np.isnan(final_CT))
    count_T = both_CT.sum(axis=0)
    early_T, final_T = (
        np.where(both_CT, x_CT, 0).sum(axis=0) / np.maximum(count_T, 1) for x_CT in (early_CT, final_CT)
    )
    early_K, final_K = (early_CT - early_T)[both_CT], (final_CT - final_T)[both_CT]
    spread, freedom = float(early_K @ early_K), len(early_K) - int((count_T > 0).sum())
    slope = max(0.0, float(early_K @ final_K) / spread) if freedom >= _FEWEST_FREE and spread > 0 else 1.0
    slope_T = np.where(count_T > 0, slope, 1.0)
    return slope_T, np.where(count_T > 0, final_T - slope * early_T, 0.0)


def _kept(n: int, keep: float) -> int:
    return math.ceil(keep * n - 1e-9)
