"""What proves that a grouping is optimal, as data that can be written to a file: the question and the search tree.

``verification`` says what the tree proves and checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from grouping.solver.question import SharedCost

__all__ = ["Branch", "Certificate", "ProofNode"]


@dataclass(frozen=True)
class Branch:
    """One side of a split.

    ``at most`` / ``above``: the weighted loss of requirement ``which`` is at most / above theta.
    ``without`` / ``with``: candidate ``which`` is left out / paid for in advance; in a partition, it is chosen.
    ``no part`` / ``part``: nobody uses the optional shared part ``which`` / it is paid for in advance.
    """

    kind: Literal["at most", "above", "without", "with", "no part", "part"]
    which: int
    theta: float = 0.0


@dataclass(frozen=True)
class ProofNode:
    """A node of the search tree with the prices that bound it; no prices: nothing is left in it."""

    parent: int
    branch: Branch | None
    duals_T: tuple[float, ...]
    prices_D: tuple[float, ...]


@dataclass(frozen=True)
class Certificate:
    """A claim about a table and its proof; tasks and candidates are named by index.

    Args:
        objective: Claimed weighted sum of losses of the chosen candidates.
        bound: Claimed lower bound of every grouping's.
        chosen: The grouping.
        budget_D, weights_T, max_networks, max_size, partition, together, apart, at_most, deployed, sunk, shared,
            auxiliary, spent_D, heads: The question; see ``Question``.
        spendable: The largest sums of costs within the budgets (and the number of networks) that can occur.
        nodes: The tree, parents first.
    """

    objective: float
    bound: float
    chosen: tuple[int, ...]
    budget_D: tuple[float, ...]
    weights_T: tuple[float, ...]
    spendable: tuple[float, ...]
    nodes: tuple[ProofNode, ...]
    max_networks: int | None = None
    max_size: int | None = None
    partition: bool = False
    together: tuple[tuple[int, int], ...] = ()
    apart: tuple[tuple[int, int], ...] = ()
    at_most: Mapping[int, float] = field(default_factory=dict)
    deployed: tuple[int, ...] = ()
    sunk: tuple[int, ...] = ()
    shared: tuple[SharedCost, ...] = ()
    auxiliary: tuple[int, ...] = ()
    spent_D: tuple[float, ...] = ()
    heads: Literal["", "trunks", "variants"] = ""

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return {**asdict(self), "at_most": [[task, limit] for task, limit in self.at_most.items()]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Certificate:
        """The inverse of ``to_json``."""
        nodes = tuple(
            ProofNode(
                node["parent"],
                None if node["branch"] is None else Branch(**node["branch"]),
                tuple(node["duals_T"]),
                tuple(node["prices_D"]),
            )
            for node in data["nodes"]
        )
        pairs = {name: tuple((a, b) for a, b in data[name]) for name in ("together", "apart")}
        flat = ("chosen", "budget_D", "weights_T", "spendable", "deployed", "sunk", "auxiliary", "spent_D")
        tuples = {name: tuple(data[name]) for name in flat}
        shared = tuple(SharedCost(**part) for part in data["shared"])
        rest = {
            **data,
            **pairs,
            **tuples,
            "shared": shared,
            "nodes": nodes,
            "at_most": {int(t): limit for t, limit in data["at_most"]},
        }
        return cls(**rest)
