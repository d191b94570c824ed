"""A search over settings of networks, as records: what was tried, how far, what was kept, which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["SettingsSearch", "TriedSettings"]


@dataclass(frozen=True)
class TriedSettings:
    """One configuration: one network of all tasks.

    Args:
        candidate: Its network, as in the loss table's ``candidate`` column.
        values: The point of the space.
        state: ``stopped`` is early, and then ``loss`` is no final one; ``undone`` was begun and left.
        share: Of the training that it got.
        loss: Mean over the main tasks and seeds, relative to single-task networks, on the validation part.
        cost: In the budget's unit.
        seconds: Process time.
        reason: Why it failed.
        kept: Whether it was trained again in every group and is among the candidates.
    """

    candidate: str
    values: Mapping[str, str | int | float]
    state: Literal["finished", "stopped", "failed", "undone"]
    share: float
    loss: float | None
    cost: float | None
    seconds: float
    reason: str = ""
    kept: bool = False


@dataclass(frozen=True)
class SettingsSearch:
    """The whole search.

    Args:
        tried: In the order of the plan.
        planned: How many were planned; fewer were tried where time was up.
        seeds: Networks of each.
        brackets: Upper ends of cost that configurations were drawn for and compared within.
        by_cost: Whether loss and cost were minimised together.
        early: Whether configurations were stopped early.
        importance: Of each setting, the share of what good configurations have in common (PED-ANOVA, Watanabe et al.
            2023), of those that finished; empty where there are too few.
    """

    tried: tuple[TriedSettings, ...]
    planned: int
    seeds: int
    brackets: tuple[float, ...]
    by_cost: bool
    early: bool
    importance: tuple[tuple[str, float], ...]

    def count(self, state: str) -> int:
        """How many ended so."""
        return sum(one.state == state for one in self.tried)
