"""What proves that a grouping is optimal, as data that can be written to a file: the question and the search tree.

``verification`` says what the tree proves and checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from grouping.errors import InputError
from grouping.solver.question import Question, SharedCost

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
        question: What was asked. Where heads that serve nobody are dropped, candidates are what its ``heads`` says.
        objective: Claimed weighted sum of losses of the chosen candidates.
        bound: Claimed lower bound of every grouping's.
        chosen: The grouping, in the question's candidates.
        spendable: The largest sums of costs within the budgets (and the number of networks) that can occur.
        nodes: The tree, parents first.
    """

    question: Question
    objective: float
    bound: float
    chosen: tuple[int, ...]
    spendable: tuple[float, ...]
    nodes: tuple[ProofNode, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for ``json.dumps``."""
        data = asdict(self)
        data["question"]["at_most"] = list(self.question.at_most.items())
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Certificate:
        """The inverse of ``to_json``.

        Raises:
            InputError: this is no certificate.
        """
        try:
            nodes = tuple(
                ProofNode(
                    int(node["parent"]),
                    None if node["branch"] is None else Branch(**node["branch"]),
                    tuple(map(float, node["duals_T"])),
                    tuple(map(float, node["prices_D"])),
                )
                for node in data["nodes"]
            )
            return cls(
                question=Question(**{name: _read(name, value) for name, value in data["question"].items()}),
                objective=float(data["objective"]),
                bound=float(data["bound"]),
                chosen=tuple(map(int, data["chosen"])),
                spendable=tuple(map(float, data["spendable"])),
                nodes=nodes,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"this is no certificate: {type(error).__name__} {error}", where="certificate") from None


def _read(name: str, value: Any) -> Any:  # noqa: ANN401  (whatever a field of the question holds)
    """A field of the question as it was before ``to_json``."""
    if name == "at_most":
        return {int(task): float(limit) for task, limit in value}
    if name == "shared":
        return tuple(SharedCost(**part).plain() for part in value)
    if name in ("together", "apart"):
        return tuple((int(a), int(b)) for a, b in value)
    return tuple(value) if isinstance(value, list) else value
