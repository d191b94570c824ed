"""Target columns as numbers that losses can use: scaled, 0/1 or class indices, NaN where the label is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from search.data.arrays import Float32Array, mean_and_scale, numbers, scaled
from search.data.splits import PARTS, Rows
from search.errors import DataError
from search.spec import TaskSpec

__all__ = ["Target", "encode_target"]

_MOST_CLASSES = 1_000


@dataclass(frozen=True, eq=False)
class Target:
    """One encoded target.

    Args:
        values_N: float32; regression standardised by the training rows, binary 0/1, multiclass the class index; NaN
            where the label is missing.
        classes: Names of the classes in the order of their indices; empty for regression.
        mean: What was subtracted (regression; else 0).
        scale: What was divided by (regression; else 1).
        warnings: What the user should know, one sentence each.
    """

    values_N: Float32Array
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    warnings: tuple[str, ...] = ()


def encode_target(column: pd.Series[Any], task: TaskSpec, rows: Rows) -> Target:
    """Encode a target; scale and classes are learnt from the training rows alone.

    An auxiliary task needs labels in the training part only, because it is never judged. So hints, and quantities that
    are known only after the fact, can be learnt from.

    Raises:
        DataError: a label does not fit the type; constant, of one class, or missing throughout a part.
    """
    where = f"target '{task.column}' of task '{task.name}'"
    missing_N = column.isna().to_numpy()
    for part, rows_N in zip(PARTS, rows, strict=True):
        if missing_N[rows_N].all() and (part == "train" or task.role == "main"):
            what = "every label is missing" if missing_N.all() else f"the {part} part has no labelled row"
            fix = "Remove the task, or split the rows another way"
            if part != "train":
                fix += "; a task that is only learnt from may have the role auxiliary"
            raise DataError(what, where=where, fix=fix)
    if task.type == "regression":
        return _regression(column, where, rows)
    return _classes(column, where, rows, binary=task.type == "binary")


def _regression(column: pd.Series[Any], where: str, rows: Rows) -> Target:
    values_N = numbers(column, where)
    known_N = values_N[rows.train]
    known_N = known_N[~np.isnan(known_N)]
    mean, scale = mean_and_scale(known_N)
    if scale == 0:
        what = f"is constant ({known_N[0]:g}) over the training rows"
        raise DataError(what, where=where, fix="Remove the task; there is nothing to learn")
    return Target(scaled(values_N, mean, scale, where).astype(np.float32), (), mean, scale)


def _classes(column: pd.Series[Any], where: str, rows: Rows, *, binary: bool) -> Target:
    labels_N = _labels(column, where)
    missing_N = column.isna().to_numpy()
    known = set(labels_N[rows.train][~missing_N[rows.train]].tolist())
    classes = sorted(known, key=_class_order)
    if binary and all(isinstance(label, float) for label in known) and not known <= {0.0, 1.0}:
        odd = next(label for label in classes if label not in {0.0, 1.0})
        fix = "Use 0 and 1, or the type multiclass (regression for quantities)"
        raise DataError(f"holds {_class_name(odd)}, a binary target is 0 or 1", where=where, fix=fix)
    if binary and len(classes) > 2:
        what = f"holds {len(classes)} different values, a binary target has two"
        raise DataError(what, where=where, fix="Use the type multiclass")
    if len(classes) < 2:
        what = f"all training labels are '{_class_name(classes[0])}'"
        raise DataError(what, where=where, fix="Remove the task, or split the rows so that both classes are trained on")
    if len(classes) > _MOST_CLASSES:
        what = f"has {len(classes):,} classes, at most {_MOST_CLASSES:,} are supported"
        raise DataError(what, where=where, fix="Use the type regression if the values are quantities")
    place = {label: float(k) for k, label in enumerate(classes)}
    values_N = np.full(len(labels_N), np.nan, dtype=np.float32)
    for row in np.flatnonzero(~missing_N):
        label = labels_N[row]
        if label not in place:
            what = f"the class '{_class_name(label)}' in data row {row + 1} does not occur in the training rows"
            fix = "Split the rows so that every class is trained on, or leave such labels empty"
            raise DataError(what, where=where, fix=fix)
        values_N[row] = place[label]
    names = tuple(_class_name(label) for label in classes)
    warnings = tuple(
        f"{where}: the {part} part has labels of one class only, so its ranking cannot be judged"
        for part, rows_N in zip(PARTS[1:], rows[1:], strict=True)
        if len(np.unique(values_N[rows_N][~missing_N[rows_N]])) == 1
    )
    return Target(values_N, names, warnings=warnings)


def _labels(column: pd.Series[Any], where: str) -> np.ndarray[Any, np.dtype[np.object_]]:
    """Labels as texts, or as whole floats where every one of them is a number."""
    try:
        values_N = numbers(column, where)
    except DataError:
        if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
            raise
        return column.astype(object).where(column.notna(), "").astype(str).to_numpy(dtype=object)
    fraction_N = np.flatnonzero(values_N % 1 > 0)
    if len(fraction_N):
        what = f"{values_N[fraction_N[0]]:g} in data row {fraction_N[0] + 1} is no class"
        raise DataError(what, where=where, fix="Use whole numbers or texts as classes, or the type regression")
    return values_N.astype(object)


def _class_order(label: float | str) -> tuple[float, str]:
    return (label, "") if isinstance(label, float) else (0.0, label)


def _class_name(label: float | str) -> str:
    return str(int(label)) if isinstance(label, float) else label
