"""Groupings that nobody had to think about: what a recommendation must beat, and the oracle that tests solvers.

A grouping is a tuple of groups, a group a tuple of ascending task indices; groups are ordered by their first task.
Axes: ``T`` tasks, ``N`` rows, ``C`` candidates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import TypeAlias

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InfeasibleError, InputError

__all__ = [
    "Group",
    "Grouping",
    "all_in_one",
    "clustering",
    "exhaustive",
    "independent",
    "label_similarity",
    "partition_count",
    "random_groupings",
    "random_groups",
]

Group: TypeAlias = tuple[int, ...]
Grouping: TypeAlias = tuple[Group, ...]

_ENUMERABLE = 5000
"""Up to so many possibilities all are listed and some picked; beyond, duplicates among random draws are drawn again."""
_FEWEST_SHARED_LABELS = 10
_MOST_CANDIDATES = 20


def all_in_one(n_tasks: int) -> Grouping:
    """One network for all tasks."""
    return (tuple(range(n_tasks)),)


def independent(n_tasks: int) -> Grouping:
    """One network per task."""
    return tuple((t,) for t in range(n_tasks))


@cache
def partition_count(n_tasks: int, networks: int, sizes: tuple[int, ...] | None = None) -> int:
    """Number of partitions of the tasks into exactly so many groups (Stirling number of the second kind).

    With ``sizes`` only partitions into groups of these sizes are counted.
    """
    if sizes is not None:
        if sum(sizes) != n_tasks or len(sizes) != networks or min(sizes, default=0) < 1:
            return 0
        alike = math.prod(math.factorial(sizes.count(size)) for size in set(sizes))
        return math.factorial(n_tasks) // math.prod(map(math.factorial, sizes)) // alike
    if networks < 1 or networks > n_tasks:
        return 0
    if networks in (1, n_tasks):
        return 1
    return partition_count(n_tasks - 1, networks - 1) + networks * partition_count(n_tasks - 1, networks)


def random_groupings(
    n_tasks: int, networks: int, count: int, rng: np.random.Generator, *, sizes: Sequence[int] | None = None
) -> tuple[Grouping, ...]:
    """Distinct random partitions into exactly ``networks`` groups, each partition being equally likely.

    Args:
        n_tasks: Number of tasks.
        networks: Number of groups, 1 to ``n_tasks``.
        count: How many partitions; all of them where fewer exist.
        rng: Source of the draws.
        sizes: Sizes of the groups, ``networks`` of them; default: any.

    Raises:
        InputError: more networks than tasks, none, or sizes that do not add up.
    """
    wanted = None if sizes is None else tuple(sorted(sizes))
    possible = partition_count(n_tasks, networks, wanted)
    if not possible:
        of_sizes = "" if wanted is None else f" of the sizes {wanted}"
        raise InputError(
            f"{n_tasks} tasks cannot be split into {networks} groups{of_sizes}", fix=f"Ask for 1 to {n_tasks}"
        )
    if partition_count(n_tasks, networks) <= _ENUMERABLE:
        every = [p for p in _partitions(n_tasks, networks) if wanted is None or _sizes(p) == wanted]
        return tuple(every[i] for i in rng.permutation(possible)[:count])
    drawn: dict[Grouping, None] = {}
    while len(drawn) < min(count, possible):
        drawn[_random_partition(n_tasks, networks, rng) if wanted is None else _of_sizes(wanted, rng)] = None
    return tuple(drawn)


def _sizes(grouping: Grouping) -> tuple[int, ...]:
    return tuple(sorted(map(len, grouping)))


def _of_sizes(sizes: tuple[int, ...], rng: np.random.Generator) -> Grouping:
    """A random partition into groups of these sizes, each equally likely."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return _grouping(rng.permutation(labels).tolist())


def random_groups(n_tasks: int, count: int, sizes: Sequence[int], rng: np.random.Generator) -> tuple[Group, ...]:
    """Distinct random task groups, each group of an allowed size being equally likely.

    Args:
        n_tasks: Number of tasks.
        count: How many groups; all of them where fewer exist.
        sizes: Allowed numbers of tasks, each 1 to ``n_tasks``.
        rng: Source of the draws.

    Raises:
        InputError: no size, or one that no group can have.
    """
    allowed = sorted(set(sizes))
    if not allowed or allowed[0] < 1 or allowed[-1] > n_tasks:
        raise InputError(f"no group of {n_tasks} tasks has the sizes {allowed}", fix=f"Give sizes of 1 to {n_tasks}")
    ways = [math.comb(n_tasks, size) for size in allowed]
    if sum(ways) <= _ENUMERABLE:
        every = [group for size in allowed for group in combinations(range(n_tasks), size)]
        return tuple(every[i] for i in rng.permutation(len(every))[:count])
    share = [way / sum(ways) for way in ways]
    drawn: dict[Group, None] = {}
    while len(drawn) < min(count, sum(ways)):
        size = int(rng.choice(allowed, p=share))
        drawn[tuple(sorted(rng.choice(n_tasks, size=size, replace=False).tolist()))] = None
    return tuple(drawn)


def label_similarity(targets_NT: FloatArray) -> FloatArray:
    """How alike tasks are by their labels alone: absolute Pearson correlation over the rows where both have one.

    Args:
        targets_NT: Labels, NaN where missing, [N, T]; class indices are taken as numbers.

    Returns:
        Similarity in [0, 1], [T, T], 1 on the diagonal; 0 where two tasks share fewer than 10 labelled rows or one of
        them does not vary there.
    """
    targets_NT = np.asarray(targets_NT, dtype=float)
    known_NT = (~np.isnan(targets_NT)).astype(float)
    rows_T = np.maximum(known_NT.sum(axis=0), 1)
    filled_NT = np.nan_to_num(targets_NT)
    # Centred and scaled per task first: the pairwise sums below would lose digits to large means.
    filled_NT = (filled_NT - filled_NT.sum(axis=0) / rows_T) * known_NT
    scale_T = np.sqrt((filled_NT**2).sum(axis=0) / rows_T)
    filled_NT /= np.where(scale_T > 0, scale_T, 1)
    shared_TT = known_NT.T @ known_NT
    rows_TT = np.maximum(shared_TT, 1)
    mean_TT = filled_NT.T @ known_NT / rows_TT
    variance_TT = (filled_NT**2).T @ known_NT / rows_TT - mean_TT**2
    covariance_TT = filled_NT.T @ filled_NT / rows_TT - mean_TT * mean_TT.T
    varies_TT = (variance_TT > 1e-12) & (variance_TT.T > 1e-12) & (shared_TT >= _FEWEST_SHARED_LABELS)
    scale_TT = np.sqrt(np.where(varies_TT, variance_TT * variance_TT.T, 1.0))
    similarity_TT = np.clip(np.where(varies_TT, np.abs(covariance_TT) / scale_TT, 0.0), 0.0, 1.0)
    np.fill_diagonal(similarity_TT, 1.0)
    return similarity_TT


def clustering(similarity_TT: FloatArray, networks: int) -> Grouping:
    """Average-linkage clustering of the tasks into exactly so many groups.

    Args:
        similarity_TT: Symmetric, larger is more alike, [T, T]; the diagonal is not looked at.
        networks: Number of groups, 1 to T.

    Raises:
        InputError: more networks than tasks, or none.
    """
    from scipy.cluster.hierarchy import cut_tree, linkage  # 0.2 s that no other baseline needs

    n_tasks = len(similarity_TT)
    if not 1 <= networks <= n_tasks:
        raise InputError(f"{n_tasks} tasks cannot be split into {networks} groups", fix=f"Ask for 1 to {n_tasks}")
    if networks in (1, n_tasks):
        return all_in_one(n_tasks) if networks == 1 else independent(n_tasks)
    distance = (similarity_TT.max() - similarity_TT)[np.triu_indices(n_tasks, 1)]
    return _grouping(cut_tree(linkage(distance, "average"), n_clusters=[networks])[:, 0].tolist())


def exhaustive(losses_CT: FloatArray, cost_C: FloatArray, budget: float) -> tuple[float, Group]:
    """The best choice by looking at every subset of candidates: slow and obviously right, for tests of solvers.

    Args:
        losses_CT: Loss per candidate and task, NaN where it does not serve the task, [C, T].
        cost_C: Cost of each candidate, [C].
        budget: Limit of the summed cost; a part in 10^9 above it still fits, which forgives decimals.

    Returns:
        The summed loss of the tasks, and the chosen candidates ascending. Among equal objectives (1e-12 relative):
        lowest cost, then fewest networks, then smallest indices.

    Raises:
        InputError: more than 20 candidates.
        InfeasibleError: no subset within the budget serves every task.
    """
    if len(losses_CT) > _MOST_CANDIDATES:
        raise InputError(f"{len(losses_CT)} candidates have too many subsets", fix="Use grouping.solve")
    served_CT = np.where(np.isnan(losses_CT), np.inf, losses_CT)
    found: list[tuple[float, float, int, Group]] = []
    for size in range(1, len(served_CT) + 1):
        for subset in combinations(range(len(served_CT)), size):
            cost = float(cost_C[list(subset)].sum())
            if cost <= budget * (1 + 1e-9):
                objective = float(served_CT[list(subset)].min(axis=0).sum())
                found.append((objective, cost, size, subset))
    best = min((objective for objective, *_ in found), default=math.inf)
    if best == math.inf:
        raise InfeasibleError(f"no choice of networks within {budget:g} serves every task")
    equal = [option for option in found if option[0] <= best + 1e-12 * max(abs(best), 1e-300)]
    objective, _, _, chosen = min(equal, key=lambda option: option[1:])
    return objective, chosen


def _grouping(labels: Sequence[int]) -> Grouping:
    """Groups in the order of their first task, from one label per task."""
    return tuple(tuple(t for t, other in enumerate(labels) if other == label) for label in dict.fromkeys(labels))


def _partitions(n_tasks: int, networks: int) -> Iterator[Grouping]:
    """Every partition into exactly so many groups, as restricted growth strings."""

    def grow(labels: list[int], used: int) -> Iterator[Grouping]:
        left = n_tasks - len(labels)
        if left == 0:
            yield _grouping(labels)
            return
        for label in range(min(used + 1, networks)):
            opened = max(used, label + 1)
            if networks - opened <= left - 1:
                yield from grow([*labels, label], opened)

    yield from grow([0], 1)


def _random_partition(n_tasks: int, networks: int, rng: np.random.Generator) -> Grouping:
    """One partition, all being equally likely.

    The recursion of the Stirling numbers, backwards: the last task is a group of its own in S(n-1, k-1) of the S(n, k)
    partitions, in the others it joins one of k groups.
    """
    labels: list[int] = []
    groups = networks
    for tasks in range(n_tasks, 0, -1):
        alone = partition_count(tasks - 1, groups - 1) / partition_count(tasks, groups) if tasks > 1 else 1.0
        if rng.random() < alone:
            groups -= 1
            labels.append(groups)
        else:
            labels.append(int(rng.integers(groups)))
    return _grouping(labels[::-1])
