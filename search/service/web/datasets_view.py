"""Data sets as their pages show them: what a table holds, what its columns seem to be for, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grouping.report.blocks import Column, Table
from grouping.report.wording import MISSING, count, share
from search.service.web.wording import Moment, file_size, moment

__all__ = ["ColumnFact", "DataCard", "DataPage", "column_facts", "columns_table", "data_card", "data_page"]

_MOST_COLUMNS = 300
_MOST_INPUTS = 40


@dataclass(frozen=True)
class DataCard:
    """A data set at a glance."""

    id: str
    name: str
    about: str
    uploaded: bool
    created: Moment | None
    owner: str


@dataclass(frozen=True)
class DataPage:
    """A data set in full."""

    card: DataCard
    facts: tuple[tuple[str, str], ...]
    tasks: Table
    inputs: str
    notes: tuple[str, ...]
    ready: bool


@dataclass(frozen=True)
class ColumnFact:
    """One column, for people who have to say which ones are tasks."""

    name: str
    kind: str
    distinct: int
    missing: str


def data_card(about: Mapping[str, Any], now: float) -> DataCard:
    """A data set as the list shows it; ``about`` is a ``DatasetAnswer`` as plain values."""
    parts = []
    if about.get("rows") is not None:
        parts.append(count(int(about["rows"]), "row"))
    if about.get("tasks"):
        parts.append(count(len(about["tasks"]), "task"))
    if about.get("bytes") is not None:
        parts.append(file_size(int(about["bytes"])))
    text = " · ".join(parts) if parts else ("" if about.get("uploaded") else "Comes with the installation")
    return DataCard(
        id=str(about["id"]),
        name=str(about["name"]),
        about=text,
        uploaded=bool(about.get("uploaded")),
        created=moment(about.get("created"), now),
        owner=str(about.get("principal") or ""),
    )


def data_page(about: Mapping[str, Any], now: float) -> DataPage:
    """A data set in full."""
    card = data_card(about, now)
    rows = int(about["rows"]) if about.get("rows") is not None else None
    facts = [("Rows", MISSING if rows is None else f"{rows:,}")]
    facts.append(("Columns", MISSING if about.get("columns") is None else f"{int(about['columns']):,}"))
    facts.append(("Tasks found", str(len(about.get("tasks", ())))))
    if about.get("bytes") is not None:
        facts.append(("Size", file_size(int(about["bytes"]))))
    tasks = Table(
        "The columns that seem to be tasks",
        (
            Column("Task"),
            Column("Column"),
            Column("Type"),
            Column("Unit"),
            Column("Rows without a label", numeric=True),
        ),
        tuple(
            (
                str(task["name"]),
                str(task["target"]),
                str(task["type"]),
                str(task.get("unit") or MISSING),
                _missing(int(task.get("missing") or 0), rows),
            )
            for task in about.get("tasks", ())
        ),
    )
    inputs = list(about.get("inputs", ()))
    shown = ", ".join(inputs[:_MOST_INPUTS])
    if len(inputs) > _MOST_INPUTS:
        shown += f", and {len(inputs) - _MOST_INPUTS:,} more"
    return DataPage(card, tuple(facts), tasks, shown, tuple(about.get("notes", ())), bool(about.get("draft")))


def column_facts(about: Mapping[str, Any]) -> tuple[tuple[ColumnFact, ...], int]:
    """The first columns of a table, and how many are left out."""
    rows = int(about["rows"]) if about.get("rows") is not None else None
    fields = list(about.get("fields", ()))[:_MOST_COLUMNS]
    facts = tuple(
        ColumnFact(
            name=str(one["name"]),
            kind=str(one["kind"]),
            distinct=int(one["distinct"]),
            missing=_missing(int(one["missing"]), rows) if one["missing"] else "",
        )
        for one in fields
    )
    total = int(about["columns"]) if about.get("columns") is not None else len(facts)
    return facts, max(0, total - len(facts))


def _missing(missing: int, rows: int | None) -> str:
    if not missing:
        return "none"
    return f"{missing:,} ({share(missing / rows, 1)})" if rows else f"{missing:,}"


def columns_table(about: Mapping[str, Any]) -> Table:
    """The columns of a table with what each holds."""
    facts, left_out = column_facts(about)
    caption = (
        "Every column of the table" if not left_out else f"The first {len(facts)} of {len(facts) + left_out:,} columns"
    )
    heads = (Column("Column"), Column("Holds"), Column("Distinct values", numeric=True), Column("Empty", numeric=True))
    return Table(caption, heads, tuple((f.name, f.kind, f"{f.distinct:,}", f.missing or "none") for f in facts))
