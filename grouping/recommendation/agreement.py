"""How far two recommendations group tasks alike: over pairs of tasks that both serve, together or apart in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from grouping.recommendation.records import Recommendation

__all__ = ["Agreement", "agreements"]


@dataclass(frozen=True)
class Agreement:
    """Two recommendations beside each other.

    Args:
        first: Position of the one.
        second: Position of the other.
        pairs: Pairs of tasks that both serve.
        alike: Those of them that are served by one network in both, or by two in both.
        same_tasks: Whether both serve the same tasks.
    """

    first: int
    second: int
    pairs: int
    alike: int
    same_tasks: bool


def agreements(found: Sequence[Recommendation | None]) -> tuple[Agreement, ...]:
    """Every two of them; None, where a run recommends nothing, agrees with nobody and is left out."""
    served = {i: _network_of(one) for i, one in enumerate(found) if one is not None}
    rows = []
    for (first, ours), (second, theirs) in combinations(served.items(), 2):
        pairs = list(combinations(sorted(ours.keys() & theirs.keys()), 2))
        alike = sum((ours[a] == ours[b]) == (theirs[a] == theirs[b]) for a, b in pairs)
        rows.append(Agreement(first, second, len(pairs), alike, ours.keys() == theirs.keys()))
    return tuple(rows)


def _network_of(one: Recommendation) -> dict[str, int]:
    return {task: i for i, network in enumerate(one.solution.networks) for task in network.serves}
