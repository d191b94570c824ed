"""What proves that a grouping is optimal, and a check of it that shares no code with the solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Branch", "ProofNode"]

BranchKind = Literal["at most", "above", "without", "with"]


@dataclass(frozen=True)
class Branch:
    """One side of a split: the value of requirement ``which`` is at most / above theta, or candidate ``which`` is
    left out / paid for."""

    kind: BranchKind
    which: int
    theta: float = 0.0


@dataclass(frozen=True)
class ProofNode:
    """A node of the search tree with the prices that bound it; no prices: nothing is left in it."""

    parent: int
    branch: Branch | None
    duals_T: tuple[float, ...]
    prices_D: tuple[float, ...]
