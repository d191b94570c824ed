"""What the columns of a table are for: inputs, targets, split and cluster, as names. Numbers come in ``arrays``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pandas as pd

from grouping.tasks import nearest_name
from search.data.images import Images
from search.errors import DataError
from search.spec import SplitSpec, TaskSpec

__all__ = ["Layout", "Source", "SourceLoader", "Table", "is_pattern", "match_columns"]


@dataclass(frozen=True)
class Layout:
    """The roles of a table's columns, where nobody says otherwise.

    Args:
        inputs: Column names or globs.
        tasks: Tasks with target column and type.
        split: How rows become parts.
        categorical: Those inputs that are one-hot encoded.
        cluster: Column whose values are resampled together, if any.
        notes: What was guessed, one sentence each, for people.
    """

    inputs: tuple[str, ...]
    tasks: tuple[TaskSpec, ...]
    split: SplitSpec
    categorical: tuple[str, ...] = ()
    cluster: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One of several tables whose rows were put one after the other.

    Args:
        name: For people.
        rows: How many.
        columns: Those that it has itself.
    """

    name: str
    rows: int
    columns: frozenset[str]


@dataclass(frozen=True, eq=False)
class Source:
    """A table and, where its maker knows it, its layout; else the layout is inferred.

    Args:
        table: One row for each row of the data.
        layout: What its columns are for.
        images: Pictures [N, C, H, W] by name; the table's column of that name only says which are equal.
        tables: What it was put together from, in order; empty where it is one table.
    """

    table: pd.DataFrame
    layout: Layout | None = None
    images: Mapping[str, Images] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()


SourceLoader = Callable[[], Source]


def is_pattern(name: str) -> bool:
    """Whether a name is a glob."""
    return any(mark in name for mark in "*?[")


def match_columns(patterns: Sequence[str], columns: Sequence[str], where: str) -> list[str]:
    """Columns named or matched, each once, in the order of the table.

    A name that is a column is that column, also if it looks like a glob.

    Raises:
        DataError: a name is no column, or a glob matches none.
    """
    chosen: set[str] = set()
    known = set(columns)
    for pattern in patterns:
        if pattern in known:
            chosen.add(pattern)
        elif is_pattern(pattern):
            hits = [name for name in columns if fnmatchcase(name, pattern)]
            if not hits:
                raise DataError(f"no column matches '{pattern}'", where=where, fix=nearest_name(pattern, columns))
            chosen.update(hits)
        else:
            raise DataError(f"there is no column '{pattern}'", where=where, fix=nearest_name(pattern, columns))
    return [name for name in columns if name in chosen]
