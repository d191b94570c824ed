"""Searches of policies, as records: what a trunk's units are to each task, how that was found, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

__all__ = ["PolicySize", "SearchedPolicy"]


@dataclass(frozen=True)
class PolicySize:
    """What the network of a policy costs for one input row, and its trained parameters.

    Args:
        trunk_flops: All but the heads.
        head_flops: Of all heads.
        trunk_parameters: All but the heads.
        head_parameters: Of all heads.
    """

    trunk_flops: int
    head_flops: int
    trunk_parameters: int
    head_parameters: int


@dataclass(frozen=True)
class SearchedPolicy:
    """One search on one group of tasks.

    Args:
        tasks: The group.
        sharing: The way to share that was searched, as in the spec.
        candidate: What was found, as in the loss table's ``candidate`` column; ``hard`` where it is one trunk.
        capacity: Of the searched trunk, in standard network times.
        units: Names of the trunk's units, from the input on.
        fixed: Those of them that cannot be skipped, where skipping was one of the modes.
        modes: What was chosen from.
        chosen: Mode of every task (rows) in every unit.
        turns: After how many turns of the policy probabilities were noted down.
        probability: By turn, unit, task and mode.
        together: Pairs of tasks, and the share of the units used by either that both use in common.
        draws: Policies that were compared on validation losses, with the weights of the search.
        gain: What the chosen one saves against hard sharing there, share of its loss; not comparable with other tables.
        flops: The network's trunk FLOPs as multiples of those of hard sharing with layers as wide.
        seconds: Process time of the search.
        size: Of the network that was trained; None where no network of the policy can have the asked capacity.
    """

    tasks: tuple[str, ...]
    sharing: str
    candidate: str
    capacity: float
    units: tuple[str, ...]
    fixed: tuple[str, ...]
    modes: tuple[str, ...]
    chosen: tuple[tuple[str, ...], ...]
    turns: tuple[int, ...]
    probability: tuple[tuple[tuple[tuple[float, ...], ...], ...], ...]
    together: tuple[tuple[str, str, float], ...]
    draws: int
    gain: float
    flops: float
    seconds: float
    size: PolicySize | None = None

    @property
    def alike(self) -> float | None:
        """How near tasks came to each other: 1 less the mean distance of two tasks' probabilities of the shared unit.

        Over units that a task uses and that can be other than shared; None where there is no such unit or one task.
        """
        used = [
            level
            for level, unit in enumerate(self.units)
            if unit not in self.fixed and any(modes[level] != "skip" for modes in self.chosen)
        ]
        pairs = list(combinations(range(len(self.tasks)), 2))
        if not (used and pairs and self.probability):
            return None
        last = self.probability[-1]
        apart = [abs(last[level][i][0] - last[level][j][0]) for level in used for i, j in pairs]
        return 1 - sum(apart) / len(apart)
