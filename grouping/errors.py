"""The exceptions users meet: each says what is wrong, where, and the way out.

::

    GroupingError                 exit 1   anything unexpected that we can still name
    ├── InputError                exit 2   a value, a document or an option is wrong
    │   └── TableError            exit 2   ... in a table: file and line are in ``where``
    └── NoResultError             exit 3   the question is well put and has no usable answer
        └── InfeasibleError       exit 3   no grouping fits; carries the smallest budget that would

``search.errors`` adds the leaves of the machinery (store, disk, cluster).
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["GroupingError", "InfeasibleError", "InputError", "NoResultError", "TableError"]


class GroupingError(Exception):
    """Root of every error this project raises on purpose.

    Args:
        what: What is wrong, naming the value and the rule.
        where: File and line, field path or option; empty where there is none.
        fix: The way out, as an instruction; empty where there is none.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what, where, fix)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.fix}" if self.fix else head

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders; keyword-only fields need to be carried by hand.
        return (_rebuild, (type(self), self.what, self.__dict__.copy()))

    def as_json(self) -> dict[str, object]:
        """The ``error`` object of ``--json``: code, what, where, fix."""
        return {"code": self.code, "what": self.what, "where": self.where, "fix": self.fix}


class InputError(GroupingError):
    """A value, a document or an option is wrong."""

    code = "input"
    exit_code = 2


class TableError(InputError):
    """A table cannot be read as it is; ``where`` holds file and line."""

    code = "table"


class NoResultError(GroupingError):
    """The question is well put but nothing usable came out."""

    code = "no-result"
    exit_code = 3


class InfeasibleError(NoResultError):
    """No grouping satisfies the constraints.

    Args:
        minimum_budget: The smallest feasible budget where the budget alone is the obstacle, else None.
    """

    code = "infeasible"

    def __init__(self, what: str, *, where: str = "", fix: str = "", minimum_budget: float | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.minimum_budget = minimum_budget

    def as_json(self) -> dict[str, object]:
        return {**super().as_json(), "minimum_budget": self.minimum_budget}


def _rebuild(kind: type[GroupingError], what: str, state: dict[str, object]) -> GroupingError:
    error = kind(what)
    error.__dict__.update(state)
    error.args = (error.what, error.where, error.fix)
    return error
