"""What the columns of somebody's table seem to be for: inputs, targets and their types, split, cluster.

Guesses for ``init`` and for specs that leave them out; each guess that may be wrong is put in words (``Layout.notes``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouping.errors import InputError
from grouping.tasks import TaskType, check_task_name
from search.data.layout import Layout, match_columns
from search.data.splits import PART_NAMES
from search.errors import DataError
from search.spec import SplitSpec, TaskSpec

__all__ = ["DEFAULT_FRACTIONS", "infer_layout", "infer_split", "infer_type", "is_categorical", "is_text", "task_name"]

DEFAULT_FRACTIONS = (0.7, 0.15, 0.15)
_TARGET_PREFIXES = ("y_", "target_", "label_")
_INPUT_PREFIX = "x_"
_SPLIT_NAMES = frozenset({"split", "part", "fold", "subset", "partition"})
_CLUSTER_NAMES = frozenset({"cluster", "group", "scaffold", "subject", "patient", "patient_id", "session", "week"})
_TIME_NAMES = frozenset({"time", "date", "datetime", "timestamp", "time_hour"})
_ID_NAME = re.compile(r"(.*_)?(id|uuid|guid|index|key|smiles)", re.IGNORECASE)
_LIKE_A_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*")
_MOST_CLASSES = 20
_MOST_CATEGORIES = 50


def infer_layout(table: pd.DataFrame, targets: Sequence[str] = (), inputs: Sequence[str] = ()) -> Layout:
    """Guess the roles of a table's columns.

    Targets are those asked for, else the columns that start with ``y_``, ``target_`` or ``label_``. Inputs are the
    ``x_`` columns, else every number or category that has no other role and does not look like an identifier.

    Args:
        table: The table.
        targets: Names or globs of the targets, where known.
        inputs: Names or globs of the inputs, where known.

    Raises:
        DataError: no targets can be told, one is unknown, or no inputs are left.
    """
    columns = [str(name) for name in table.columns]
    chosen = match_columns(targets, columns, "--targets") if targets else _prefixed(columns, _TARGET_PREFIXES)
    if not chosen:
        shown = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        fix = "Name them: init --targets a,b or tasks in the spec, or let their columns start with y_"
        raise DataError(f"cannot tell which columns are targets ({shown})", where="tasks", fix=fix)
    notes: list[str] = []
    tasks = tuple(_task(table[name], name, notes) for name in chosen)
    split = infer_split(table, notes)
    cluster = next((name for name in columns if name.lower() in _CLUSTER_NAMES and name not in chosen), None)
    if cluster is not None:
        notes.append(f"rows with the same '{cluster}' are kept together in intervals")
        if split.fractions is not None and split.time is None and table[cluster].nunique() >= 10:
            split = split.model_copy(update={"group": cluster})
    taken = {*chosen, split.column, split.group, split.time, cluster}
    rest = [name for name in columns if name not in taken]
    patterns, used = _inputs(table, rest, inputs, notes)
    categorical = tuple(name for name in used if is_categorical(table[name]))
    return Layout(patterns, tasks, split, categorical, cluster, tuple(notes))


def infer_split(table: pd.DataFrame, notes: list[str]) -> SplitSpec:
    """By a split column if there is one, in the order of time if rows have a time, else by seeded fractions."""
    for name in map(str, table.columns):
        if name.lower() in _SPLIT_NAMES and is_text(table[name]):
            values = {str(value).strip().lower() for value in table[name].dropna().unique()}
            if values and values <= set(PART_NAMES):
                return SplitSpec(column=name)
    for name in map(str, table.columns):
        is_time = pd.api.types.is_datetime64_any_dtype(table[name].dtype) or name.lower() in _TIME_NAMES
        if is_time and table[name].nunique() >= 10:
            notes.append(f"rows have a time, so the split follows '{name}': train on the past, test on the future")
            return SplitSpec(fractions=DEFAULT_FRACTIONS, time=name)
    notes.append("no column says train, val or test: rows are split at random, 70/15/15")
    return SplitSpec(fractions=DEFAULT_FRACTIONS)


def infer_type(column: pd.Series[Any]) -> TaskType:
    """The type of a target: two values are binary, texts and few whole numbers classes, all else regression."""
    known = column.dropna()
    if is_text(column):
        return "binary" if known.nunique() <= 2 else "multiclass"
    values_N = known.to_numpy(dtype=np.float64) if pd.api.types.is_numeric_dtype(known.dtype) else np.empty(0)
    distinct = np.unique(values_N)
    if set(distinct.tolist()) <= {0.0, 1.0}:
        return "binary"
    # Consecutive whole numbers from 0 or 1 are how people write classes; counts and grades have gaps, or many values.
    consecutive = len(distinct) <= _MOST_CLASSES and distinct[0] in (0, 1) and bool((np.diff(distinct) == 1).all())
    return "multiclass" if consecutive and len(values_N) >= 10 * len(distinct) else "regression"


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds neither numbers nor times."""
    return not (
        pd.api.types.is_numeric_dtype(column.dtype)
        or pd.api.types.is_datetime64_any_dtype(column.dtype)
        or pd.api.types.is_timedelta64_dtype(column.dtype)
    )


def is_categorical(column: pd.Series[Any]) -> bool:
    """Whether a column of inputs holds texts none of which looks like a number.

    Where some do, a cell or the decimal mark is more likely wrong than the column a category: the user has to say so.
    """
    return is_text(column) and not any(_LIKE_A_NUMBER.fullmatch(str(value)) for value in column.dropna().unique())


def task_name(column: str) -> str:
    """A legal task name for a target column: without the prefix, and without what names may not contain."""
    for prefix in _TARGET_PREFIXES:
        column = column.removeprefix(prefix) or column
    name = re.sub(r"[+/\\]", "_", column).strip()[:200].strip()
    try:
        check_task_name(name)
    except InputError:
        name = re.sub(r"[^\w .-]", "_", name).strip() or "task"
    return name


def _inputs(
    table: pd.DataFrame, rest: Sequence[str], asked: Sequence[str], notes: list[str]
) -> tuple[tuple[str, ...], list[str]]:
    """Names or globs to write down, and the columns they stand for."""
    if asked:
        return tuple(asked), [name for name in match_columns(asked, list(table.columns), "data.inputs") if name in rest]
    prefixed = _prefixed(rest, (_INPUT_PREFIX,))
    if prefixed:
        return (f"{_INPUT_PREFIX}*",), prefixed
    used = [name for name in rest if _is_input(table[name], name)]
    left_out = [name for name in rest if name not in used]
    if left_out:
        notes.append(f"left out as inputs: {', '.join(left_out[:8])}{', ...' if len(left_out) > 8 else ''}")
    if not used:
        raise DataError("no input columns are left", where="data.inputs", fix="Name them: inputs: ['x_*']")
    return tuple(used), used


def _task(column: pd.Series[Any], name: str, notes: list[str]) -> TaskSpec:
    kind = infer_type(column)
    if kind == "multiclass" and not is_text(column):
        notes.append(f"'{name}' holds few whole numbers and is taken for classes; if they are quantities: regression")
    return TaskSpec(name=task_name(name), target=name, type=kind)


def _prefixed(columns: Sequence[str], prefixes: tuple[str, ...]) -> list[str]:
    return [name for name in columns if name.startswith(prefixes)]


def _is_input(column: pd.Series[Any], name: str) -> bool:
    if _ID_NAME.fullmatch(name) or name.lower() in _TIME_NAMES:
        return False
    if is_text(column):
        return 1 < column.nunique() <= _MOST_CATEGORIES
    return pd.api.types.is_numeric_dtype(column.dtype) and column.nunique() > 1
