"""What a solver returns: the chosen networks, who serves whom, and how far that is from proven best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.solver.certificate import Certificate

__all__ = ["Progress", "Solution", "Stopped"]

Stopped = Literal["", "time limit", "interrupted", "callback"]


@dataclass(frozen=True)
class Progress:
    """What a callback is told: the best objective so far (None before the first), its bound, nodes and seconds."""

    objective: float | None
    bound: float
    nodes: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Solution:
    """A grouping with its certificate. ``G`` counts chosen networks, ``T`` tasks.

    Args:
        objective: Weighted sum (or maximum) over tasks of the chosen networks' losses; lower is better.
        bound: Proven lower bound of the objective over all groupings within the budget.
        cost: Summed cost of the chosen networks.
        budget: The limit they had to keep.
        chosen: Candidate indices, ascending, [G]; none of them serves no task.
        serves_T: Index into ``chosen`` of the network that serves each task, [T]; -1 for auxiliary tasks.
        members_GT: Who is trained in each chosen network, [G, T].
        losses_T: Loss of each task in the network that serves it, unweighted; NaN for auxiliary tasks.
        seconds: Time the solver took.
        stopped: What ended the search early; empty where it ran to its end.
        certificate: The proof, for ``verify``; None where the objective is the maximum or was refined afterwards, or
            the search took too many nodes to keep.
        alternatives: Further solutions with other routings, best first, where more than one was asked for.
    """

    objective: float
    bound: float
    cost: float
    budget: float
    chosen: IntArray
    serves_T: IntArray
    members_GT: BoolArray
    losses_T: FloatArray
    seconds: float
    stopped: Stopped = ""
    certificate: Certificate | None = None
    alternatives: tuple[Solution, ...] = ()

    @property
    def gap(self) -> float:
        """``|objective - bound| / max(|objective|, 1e-12)``."""
        return abs(self.objective - self.bound) / max(abs(self.objective), 1e-12)

    @property
    def proven_optimal(self) -> bool:
        """Whether the gap is at most 1e-9."""
        return self.gap <= 1e-9
