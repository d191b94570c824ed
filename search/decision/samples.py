"""Random groups that a surrogate learns from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from search.errors import SpecError
from search.spec import Spec
from search.trials import stream_seed

__all__ = ["sampled_groups"]

_LEAST = 3
"""Trained groups of a task beside the network of all tasks, so that even with one lost it can be learnt from."""


def sampled_groups(spec: Spec, groups: Iterable[tuple[int, ...]], n_tasks: int) -> dict[tuple[int, ...], None]:
    """Groups of two or more, but for that of all tasks, drawn without replacement; each task is in three or more.

    Args:
        spec: How many, or by default as many as there are pairs; and the seed.
        groups: What is drawn from.
        n_tasks: How many tasks there are.

    Raises:
        SpecError: too few to hold every task three times.
    """
    pool = [group for group in groups if 2 <= len(group) < n_tasks]
    wanted = min(spec.affinity.samples or n_tasks * (n_tasks - 1) // 2, len(pool))
    order = np.random.default_rng(stream_seed(spec.training.seed, "samples")).permutation(len(pool))
    drawn = [pool[place] for place in order[:wanted]]
    later = [pool[place] for place in order[wanted:]]
    count_T = np.bincount([t for group in drawn for t in group], minlength=n_tasks)
    for t in range(n_tasks):
        while count_T[t] < _LEAST and later:
            helps = [group for group in later if t in group]
            spare = [group for group in drawn if all(count_T[u] > _LEAST for u in group)]
            if not helps or not spare:
                break
            drawn[drawn.index(spare[-1])] = helps[0]
            later[later.index(helps[0])] = spare[-1]
            count_T = np.bincount([u for group in drawn for u in group], minlength=n_tasks)
    if len(pool) > wanted and (count_T < _LEAST).any():
        name = spec.tasks[int(count_T.argmin())].name
        raise SpecError(
            f"{wanted} sampled groups hold the task '{name}' {count_T.min()} times, {_LEAST} are needed to learn from",
            where="affinity.samples",
            fix=f"Use {2 * n_tasks} or more",
        )
    return dict.fromkeys(drawn)
