"""What a report is rendered from: a recommendation and the tables of its run folder. Reads files, judges nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from grouping.errors import InputError, TableError
from grouping.recommendation import SCHEMA, Recommendation

__all__ = ["CURVE_COLUMNS", "LOSS_COLUMNS", "Content", "read_content"]

CURVE_COLUMNS = ("network", "candidate", "cost", "seed", "task", "step", "loss")
LOSS_COLUMNS = ("network", "cost", "candidate", "task", "loss")

# Task names such as "NA" or "null" are names; only an empty loss is missing.
_TEXT_COLUMNS = {"network": str, "candidate": str, "task": str}


@dataclass(frozen=True, eq=False)
class Content:
    """Everything one report shows.

    Args:
        recommendation: The records of ``recommendation.json``.
        curves: Validation losses along training: network, candidate, cost, seed, task, step, loss. May be empty.
        losses: The tidy loss table of the search: network, cost, candidate, task, loss and more. May be empty.

    Raises:
        TableError: a table that lacks a column.
    """

    recommendation: Recommendation
    curves: pd.DataFrame
    losses: pd.DataFrame

    def __post_init__(self) -> None:
        _check_columns(self.curves, CURVE_COLUMNS, "curves")
        _check_columns(self.losses, LOSS_COLUMNS, "losses")


def read_content(folder: Path) -> Content:
    """Read the files of a run folder that a report needs.

    ``recommendation.json`` must be there; without ``curves.parquet`` or ``losses.csv`` the report lacks those parts.

    Raises:
        InputError: no such folder, no recommendation in it, or one that cannot be read.
        TableError: a table that cannot be read or lacks a column.
    """
    if not folder.is_dir():
        raise InputError("there is no such run folder", where=str(folder), fix="List the runs with: taskgroup runs")
    return Content(
        _read_recommendation(folder / "recommendation.json"),
        _read_table(folder / "curves.parquet", pd.read_parquet, CURVE_COLUMNS),
        _read_table(folder / "losses.csv", _read_losses, LOSS_COLUMNS),
    )


def _read_recommendation(path: Path) -> Recommendation:
    if not path.is_file():
        raise InputError(
            "this run has no recommendation yet",
            where=str(path),
            fix=f"Finish it with: taskgroup resume {path.parent.name}",
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON: {error}", where=str(path)) from error
    if not isinstance(data, dict):
        raise InputError("the recommendation is not a JSON object", where=str(path))
    if data.get("schema") != SCHEMA:
        raise InputError(
            f"the recommendation has schema {data.get('schema')!r}, this version reads {SCHEMA}",
            where=str(path),
            fix="Render it with the version of taskgroup that wrote it",
        )
    try:
        return Recommendation.from_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{field}: {first['msg']}", where=str(path)) from error


def _read_losses(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=_TEXT_COLUMNS, keep_default_na=False, na_values={"loss": [""]}, encoding="utf-8-sig")


def _read_table(path: Path, reader: Callable[[Path], pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame({column: [] for column in columns})
    try:
        table = reader(path)
    except (OSError, ValueError) as error:  # pandas' parser errors and pyarrow's are ValueErrors
        raise TableError(f"the table cannot be read: {error}", where=str(path)) from error
    _check_columns(table, columns, str(path))
    return table


def _check_columns(table: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise TableError(f"the table lacks the column '{missing[0]}'", where=where, fix=f"Needed: {', '.join(columns)}")
