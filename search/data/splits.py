"""Which rows are trained on, which choose, which judge: by column, by fractions of rows or groups, or by time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grouping.candidates import IntArray
from grouping.tasks import nearest_name
from search.errors import DataError
from search.spec import SplitSpec
from search.trials import stream_seed

__all__ = ["PARTS", "PART_NAMES", "Rows", "split_rows"]

PARTS = ("train", "validation", "test")
PART_NAMES = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2}
"""What a split column may say, in any case, and the part it means."""


class Rows(NamedTuple):
    """Row numbers of each part, ascending; disjoint, and together all rows of the table."""

    train: IntArray
    validation: IntArray
    test: IntArray


def split_rows(table: pd.DataFrame, spec: SplitSpec, *, draw: int = 0) -> Rows:
    """Split the rows of a table.

    Args:
        table: Its columns ``spec.column``, ``spec.group`` or ``spec.time`` are looked at.
        spec: How to split.
        draw: 0 for the split itself, k for the k-th redraw of seeded fractions.

    Raises:
        DataError: no such column, unknown or missing values in it, a part without rows, nothing to draw again.
    """
    if spec.column is not None:
        _refuse_redraw(draw, "a split by column")
        part_N = _parts_by_column(_column(table, spec.column, "data.split.column"), spec.column)
    else:
        group_N, n_groups = _groups(table, spec)
        if spec.time is not None:
            _refuse_redraw(draw, "a split by time")
            order_G = np.arange(n_groups)
        else:
            order_G = np.random.default_rng(stream_seed(spec.seed, "split", draw)).permutation(n_groups)
        assert spec.fractions is not None
        part_N = _cut(order_G, np.bincount(group_N, minlength=n_groups), spec.fractions)[group_N]
    rows = Rows(*(np.flatnonzero(part_N == part) for part in range(3)))
    for name, rows_N in zip(PARTS, rows, strict=True):
        if len(rows_N) == 0:
            what = f"the {name} part has no rows ({len(table)} rows, {', '.join(str(len(r)) for r in rows)} by part)"
            raise DataError(what, where="data.split", fix="Give every part some rows (or groups) of its own")
    return rows


def _parts_by_column(column: pd.Series[Any], name: str) -> NDArray[np.int64]:
    codes, values = pd.factorize(column)
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        raise DataError(f"the value in row {row} is missing", where=f"column '{name}'", fix="Say a part for every row")
    parts = []
    for value in values:
        part = PART_NAMES.get(str(value).strip().lower())
        if part is None:
            fix = "Use train, val (or valid, validation) and test"
            raise DataError(f"'{str(value)[:40]}' names no part", where=f"column '{name}'", fix=fix)
        parts.append(part)
    return np.array(parts, dtype=np.int64)[codes]


def _groups(table: pd.DataFrame, spec: SplitSpec) -> tuple[NDArray[np.int64], int]:
    """What stays together: a row, the rows of a group, or the rows of one moment; moments are numbered in order."""
    name = spec.group if spec.group is not None else spec.time
    if name is None:
        return np.arange(len(table)), len(table)
    column = _column(table, name, "data.split.group" if spec.group is not None else "data.split.time")
    if spec.time is not None and not pd.api.types.is_numeric_dtype(column.dtype):
        column = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
    codes, values = pd.factorize(column, sort=True)
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        what = f"the value in row {row} is missing" + (" or no time" if spec.time is not None else "")
        raise DataError(what, where=f"column '{name}'", fix="Fill it in, or remove the row")
    if len(values) < 3:
        what = f"has {len(values)} different values, three parts need at least 3"
        raise DataError(what, where=f"column '{name}'", fix="Split by another column, or by fractions of rows")
    return np.asarray(codes, dtype=np.int64), len(values)


def _cut(
    order_G: NDArray[np.int64], count_G: NDArray[np.int64], fractions: tuple[float, float, float]
) -> NDArray[np.int64]:
    """The part of each group: the ordered groups are cut where the wanted share of rows is come nearest to.

    Every part gets one group at least where there are three.
    """
    before_G = np.concatenate([[0], np.cumsum(count_G[order_G])])
    n_groups, n_rows = len(order_G), before_G[-1]
    first = int(np.abs(before_G - fractions[0] * n_rows).argmin())
    first = min(max(first, 1), max(n_groups - 2, 1))
    second = int(np.abs(before_G - (fractions[0] + fractions[1]) * n_rows).argmin())
    second = min(max(second, first + 1), max(n_groups - 1, 1))
    part_G = np.empty(n_groups, dtype=np.int64)
    part_G[order_G] = (np.arange(n_groups) >= first).astype(np.int64) + (np.arange(n_groups) >= second)
    return part_G


def _column(table: pd.DataFrame, name: str, where: str) -> pd.Series[Any]:
    if name not in table.columns:
        raise DataError(f"there is no column '{name}'", where=where, fix=nearest_name(name, list(table.columns)))
    return table[name]


def _refuse_redraw(draw: int, what: str) -> None:
    if draw:
        raise DataError(f"{what} cannot be drawn again", where="evidence.splits", fix="Use fractions, or one split")
