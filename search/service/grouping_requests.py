"""A posted table and its question: the options of ``taskgroup solve`` by the same names, as JSON."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from grouping.errors import InputError
from search.service.settings import Settings

__all__ = ["GroupingOptions", "GroupingRequest", "rows_as_csv"]

Amount = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Name = Annotated[str, Field(max_length=10_000)]
Names = Annotated[tuple[Name, ...], Field(max_length=1_000)]
Count = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Cell = str | int | float | bool | None

_MOST_TOP, _MOST_DRAWS = 1_000, 10_000
_MOST_COLUMNS = 1_000
_TREATED = {"loss_column", "group_column", "higher_is_better", "budget", "time_limit"}


class GroupingOptions(BaseModel):
    """What the best grouping is asked for under; one of ``budget``, ``max_networks`` and ``frontier`` is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    budget: Amount | Name | Annotated[tuple[Amount | Name, ...], Field(max_length=8)] | None = Field(
        default=None, description="Largest sum of costs: 3, 'flops=2e9', or several", examples=[3.0]
    )
    max_networks: Count | None = Field(default=None, examples=[3])
    max_size: Count | None = None
    partition: bool = False
    loss_column: Annotated[str, Field(max_length=200)] = "loss"
    group_column: Annotated[str, Field(max_length=200)] = "network"
    higher_is_better: bool = False
    where: dict[str, Cell] = Field(default_factory=dict, max_length=100)
    score_where: dict[str, Cell] = Field(default_factory=dict, max_length=100)
    estimator: Literal["measured", "higher-order", "linear-surrogate", "early-stopping"] = "measured"
    estimate_where: dict[str, Cell] = Field(default_factory=dict, max_length=100)
    fraction: Amount | None = None
    relative: bool = False
    weights: dict[str, Amount] = Field(default_factory=dict, max_length=10_000)
    objective: Literal["sum", "max"] = "sum"
    at_most: dict[str, Amount] = Field(default_factory=dict, max_length=10_000)
    together: Names = ()
    apart: Names = ()
    deployed: Names = ()
    sunk: Names = ()
    shared_cost: Names = ()
    drop_heads: bool = False
    auxiliary: Names = ()
    top: Annotated[int, Field(ge=1, le=_MOST_TOP, strict=True)] = 1
    draws: Annotated[int, Field(ge=1, le=_MOST_DRAWS, strict=True)] | None = None
    tail: Amount | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    frontier: bool = False
    budgets: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="FROM:TO:STEP")
    time_limit: Annotated[float, Field(ge=0, le=10**6, allow_inf_nan=False)] | None = None

    def columns(self) -> dict[str, Any]:
        """Where the losses stand in the table."""
        return {"loss": self.loss_column, "group": self.group_column, "higher_is_better": self.higher_is_better}

    def options(self, settings: Settings) -> dict[str, Any]:
        """As ``SolveOptions`` takes them; the time is at most the operator's."""
        given = self.model_dump(include=set(GroupingOptions.model_fields) - _TREATED)
        for name in ("where", "score_where", "estimate_where"):
            given[name] = {column: _cell(value) for column, value in given[name].items()}
        budgets = () if self.budget is None else self.budget if isinstance(self.budget, tuple) else (self.budget,)
        limit = settings.solve_seconds
        return {
            **given,
            "budget": [budget if isinstance(budget, str) else repr(float(budget)) for budget in budgets],
            "time_limit": limit if self.time_limit is None else min(limit, self.time_limit),
        }


class GroupingRequest(GroupingOptions):
    """A table, one row a (network, task), and the question."""

    table: tuple[dict[str, Cell], ...] = Field(
        description="One object a row: network, task, loss; optional cost, candidate, seed and others",
        examples=[
            [
                {"network": "rain", "task": "rain", "loss": 0.5},
                {"network": "temp", "task": "temp", "loss": 0.4},
                {"network": "rain+temp", "task": "rain", "loss": 0.42},
                {"network": "rain+temp", "task": "temp", "loss": 0.45},
            ]
        ],
    )


def rows_as_csv(rows: tuple[dict[str, Cell], ...]) -> str:
    """Rows as a CSV text; a key that a row lacks is an empty cell there.

    Raises:
        InputError: no rows, or too many columns.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        raise InputError("the table has no rows", where="table", fix="Give one object for each network and task")
    if len(names) > _MOST_COLUMNS:
        raise InputError(f"the table has {len(names):,} columns", where="table", fix=f"Give at most {_MOST_COLUMNS:,}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else repr(value)
