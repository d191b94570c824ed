"""Other ways to share against one trunk: the same groups at the same cost, paired by seeds.

Axes: ``R`` seeds, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.evidence.intervals import Interval
from grouping.losses import LossTable
from grouping.policy import without_modes

__all__ = ["WayGain", "ways_to_share"]


@dataclass(frozen=True)
class WayGain:
    """What a way to share saves against one trunk.

    Args:
        sharing: The candidates' label.
        groups: Groups that were trained both ways.
        better: How many of them have a lower mean relative loss.
        gain: Share of the loss that is saved, mean over tasks, then groups; the error is that of seeds.
    """

    sharing: str
    groups: int
    better: int
    gain: Interval


def ways_to_share(table: LossTable) -> tuple[WayGain, ...]:
    """Every label of the table against the candidates without one, in the order of the table.

    Only seeds count with which all compared networks of a way were trained: differences are paired. Groups are those
    that the search trained, not a sample of others, so their spread is no error.

    Args:
        table: Positive losses, as measured; NaN where nothing was.
    """
    candidates = table.candidates
    found = []
    for label in dict.fromkeys(without_modes(name) for name in candidates.label_C if name):
        pairs = [
            (c, hard)
            for c, its in enumerate(candidates.label_C)
            if without_modes(its) == label
            and (hard := candidates.index(_names(table, c), float(candidates.cost_C[c]), "")) is not None
            and not np.isnan(table.losses_RCT[:, [c, hard]]).all(axis=(0, 2)).any()
        ]
        if not pairs:
            continue
        ways, hards = map(list, zip(*pairs, strict=True))
        saved_RCT = 1 - table.losses_RCT[:, ways] / table.losses_RCT[:, hards]
        members_CT = candidates.members_CT[ways]
        saved_RC = np.where(members_CT, saved_RCT, 0.0).sum(axis=2) / members_CT.sum(axis=1)
        whole_R = ~np.isnan(saved_RC).any(axis=1)
        saved_RC = saved_RC[whole_R] if whole_R.any() else np.nanmean(saved_RC, axis=0)[None]
        gain_R = saved_RC.mean(axis=1)
        seeds = len(gain_R)
        error = float(gain_R.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else float("inf")
        better = int((saved_RC.mean(axis=0) > 0).sum())
        found.append(
            WayGain(label, len(pairs), better, Interval(float(gain_R.mean()), error, max(seeds - 1, 1), seeds))
        )
    return tuple(found)


def _names(table: LossTable, candidate: int) -> list[str]:
    return [task for task, member in zip(table.tasks, table.candidates.members_CT[candidate], strict=True) if member]
