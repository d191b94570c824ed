"""Groups that a table lacks, listed so that they can be estimated: how many there are, and room for them.

Axes: ``R`` seeds, ``C`` candidates, ``T`` tasks, ``G`` groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from grouping.candidates import BoolArray, Candidates, groups_up_to
from grouping.errors import InputError
from grouping.losses import LossTable

__all__ = ["count_groups", "every_group", "kinds", "listable", "with_groups"]

_MOST_GROUPS = 2**14
"""More are not listed."""


def count_groups(n_tasks: int, max_size: int | None) -> int:
    """How many groups of at most that size there are."""
    return sum(math.comb(n_tasks, size) for size in range(1, min(max_size or n_tasks, n_tasks) + 1))


def listable(n_tasks: int, max_size: int | None) -> bool:
    """Whether the groups of so many tasks are listed."""
    return count_groups(n_tasks, max_size) <= _MOST_GROUPS


def every_group(n_tasks: int, max_size: int | None, hint: str) -> Iterable[tuple[int, ...]]:
    """All groups of at most that size.

    Raises:
        InputError: more than can be listed; ``hint`` is the way out.
    """
    if not listable(n_tasks, max_size):
        count = count_groups(n_tasks, max_size)
        raise InputError(f"{n_tasks} tasks form {count:,} groups, too many to list", where="estimator", fix=hint)
    return groups_up_to(n_tasks, max_size or n_tasks)


def kinds(candidates: Candidates) -> list[BoolArray]:
    """Masks of the candidates that share cost and label."""
    label_C = np.array(candidates.label_C)
    found = dict.fromkeys(zip(candidates.cost_C.tolist(), candidates.label_C, strict=True))
    return [(candidates.cost_C == cost) & (label_C == label) for cost, label in found]


def with_groups(table: LossTable, groups: Iterable[Sequence[int]]) -> LossTable:
    """The table with an empty candidate for every group it lacks, at every cost and label that has groups.

    What an added group costs in other units is not known, so only the cost it is listed at stands.
    """
    candidates = table.candidates
    wanted = [tuple(group) for group in groups]
    asked_GT = np.zeros((len(wanted), candidates.n_tasks), dtype=bool)
    for g, group in enumerate(wanted):
        asked_GT[g, list(group)] = True
    members, cost, labels = [candidates.members_CT], [candidates.cost_C], list(candidates.label_C)
    for same_C in kinds(candidates):
        shared = np.flatnonzero(same_C & (candidates.size_C >= 2))
        if not len(shared):
            continue
        known = {bytes(members_T) for members_T in candidates.members_CT[same_C]}
        new_GT = asked_GT[np.array([bytes(members_T) not in known for members_T in asked_GT], dtype=bool)]
        members.append(new_GT)
        cost.append(np.full(len(new_GT), candidates.cost_C[shared[0]]))
        labels += [candidates.label_C[shared[0]]] * len(new_GT)
    added = sum(map(len, members)) - len(candidates)
    if not added:
        return table
    assert table.estimated_CT is not None
    losses_RCT = np.pad(table.losses_RCT, ((0, 0), (0, added), (0, 0)), constant_values=np.nan)
    extended = Candidates(candidates.tasks, np.vstack(members), np.concatenate(cost), tuple(labels))
    return LossTable(extended, losses_RCT, table.seeds, np.pad(table.estimated_CT, ((0, added), (0, 0))))
