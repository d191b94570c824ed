"""Input columns as one float32 matrix; everything that is learnt from data (means, categories) is learnt from the
training rows alone. Targets are ``targets``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grouping.candidates import FloatArray, IntArray
from search.errors import DataError

__all__ = ["Float32Array", "Inputs", "encode_inputs", "mean_and_scale", "numbers", "scaled"]

Float32Array = NDArray[np.float32]

_MOST_CATEGORIES = 1_000
_LARGEST_NUMBER = 1e100  # squares stay finite in float64
_FARTHEST = 1e15
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")


@dataclass(frozen=True, eq=False)
class Inputs:
    """Encoded inputs.

    Args:
        values_NF: One row for each row of the table, float32, finite.
        names: What each of the F columns is: ``wind``, ``wind_missing``, ``airport=JFK`` or ``fold_17``.
        warnings: What the user should know, one sentence each.
    """

    values_NF: Float32Array
    names: tuple[str, ...]
    warnings: tuple[str, ...]


def encode_inputs(
    table: pd.DataFrame, columns: Sequence[str], train_rows: IntArray, *, categorical: Sequence[str] = (), fold: int = 0
) -> Inputs:
    """Encode input columns.

    Numbers are standardised by mean and standard deviation of their training rows. A missing number takes the mean;
    where training rows miss some, a column ``<name>_missing`` says which. Categories become one 0/1 column each;
    missing ones and ones that no training row has are 0 in all of them. Columns that are constant over the training
    rows are left out.

    Args:
        table: The rows.
        columns: Its columns to encode.
        train_rows: Numbers of the training rows.
        categorical: Those of ``columns`` that hold categories.
        fold: Add up binary (0/1) columns whose positions are equal modulo this number, before standardising; 0 to
            leave them alone. What hashed fingerprints are shortened by.

    Raises:
        DataError: a value is no finite number, too many categories, nothing left to learn from.
    """
    plain = [name for name in columns if name not in set(categorical)]
    raw_NF = np.column_stack([numbers(table[name], f"input '{name}'") for name in plain] or [np.empty((len(table), 0))])
    names: list[str] = list(plain)
    if fold:
        raw_NF, names = _folded(raw_NF, names, fold)
    values_NF, names, dropped = _standardised(raw_NF, names, train_rows)
    blocks: list[FloatArray] = [values_NF]
    for name in columns:
        if name in set(categorical):
            block_NK, categories = _one_hot(table[name], name, train_rows)
            blocks.append(block_NK)
            names.extend(f"{name}={category}" for category in categories)
    encoded_NF = np.concatenate(blocks, axis=1)
    if encoded_NF.shape[1] == 0:
        raise DataError("no input varies over the training rows", where="data.inputs", fix="Name other input columns")
    warnings: tuple[str, ...] = ()
    if dropped:
        shown = ", ".join(dropped[:5]) + (", ..." if len(dropped) > 5 else "")
        warnings = (f"{len(dropped)} inputs are constant over the training rows and left out: {shown}",)
    return Inputs(encoded_NF.astype(np.float32), tuple(names), warnings)


def numbers(column: pd.Series[Any], where: str) -> FloatArray:
    """A column as floats, NaN where missing.

    Raises:
        DataError: a cell is neither a number nor missing, or infinite; ``where`` and the row are named.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype):
        kind = "complex numbers" if pd.api.types.is_complex_dtype(column.dtype) else "times"
        raise DataError(f"holds {kind}, real numbers are needed", where=where, fix="Derive numbers from them first")
    if pd.api.types.is_numeric_dtype(column.dtype):
        values_N = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values_N = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad_N = np.isnan(values_N) & column.notna().to_numpy()
        if bad_N.any():
            row = int(np.flatnonzero(bad_N)[0])
            cell = str(column.iloc[row])
            fix = "List it under data.categorical, or leave it out with data.exclude"
            if where.startswith("target"):
                fix = "Give numbers, or the type multiclass"
            if _DECIMAL_COMMA.fullmatch(cell):
                fix = "Write decimals with a point, not a comma"
            raise DataError(f"'{cell[:40]}' in data row {row + 1} is not a number", where=where, fix=fix)
    huge_N = np.abs(values_N) > _LARGEST_NUMBER
    if huge_N.any():
        row = int(np.flatnonzero(huge_N)[0])
        what = f"the value {values_N[row]:g} in data row {row + 1} is infinite or beyond {_LARGEST_NUMBER:g}"
        raise DataError(what, where=where, fix="Leave the cell empty where the value is unknown")
    return values_N


def mean_and_scale(known_N: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation; the latter is exactly 0 where all values are equal, whatever the rounding."""
    constant = bool((known_N == known_N[0]).all())
    return float(known_N.mean()), 0.0 if constant else float(known_N.std())


def scaled(values_N: FloatArray, mean: float, scale: float, where: str) -> FloatArray:
    """``(values - mean) / scale``.

    Raises:
        DataError: a value is so far from the training rows that float32 cannot hold it.
    """
    scaled_N = (values_N - mean) / scale
    far_N = np.abs(scaled_N) > _FARTHEST
    if far_N.any():
        row = int(np.flatnonzero(far_N)[0])
        what = f"{values_N[row]:g} in data row {row + 1} is over {_FARTHEST:g} training deviations from the mean"
        raise DataError(what, where=where, fix="Correct the value, or leave the cell empty")
    return scaled_N


def _folded(raw_NF: FloatArray, names: Sequence[str], fold: int) -> tuple[FloatArray, list[str]]:
    binary_F = ((raw_NF == 0) | (raw_NF == 1)).all(axis=0)
    if not binary_F.any():
        fix = "Leave fold out, or name binary inputs"
        raise DataError("no input holds zeros and ones only, so there is nothing to fold", where="data.fold", fix=fix)
    if fold >= int(binary_F.sum()):
        what = f"folding {int(binary_F.sum())} binary inputs to {fold} columns would shorten nothing"
        raise DataError(what, where="data.fold", fix="Give a smaller number, or leave fold out")
    bits_NB = raw_NF[:, binary_F]
    sums_NK = np.stack([bits_NB[:, k::fold].sum(axis=1) for k in range(fold)], axis=1)
    others = [name for name, binary in zip(names, binary_F, strict=True) if not binary]
    return np.concatenate([raw_NF[:, ~binary_F], sums_NK], axis=1), [*others, *(f"fold_{k}" for k in range(fold))]


def _standardised(
    raw_NF: FloatArray, names: Sequence[str], train_rows: IntArray
) -> tuple[FloatArray, list[str], list[str]]:
    """Values, names of the columns left, names of the columns dropped for being constant over training rows."""
    blocks: list[FloatArray] = []
    kept: list[str] = []
    dropped: list[str] = []
    for raw_N, name in zip(raw_NF.T, names, strict=True):
        missing_N = np.isnan(raw_N)
        known_N = raw_N[train_rows][~missing_N[train_rows]]
        mean, scale = mean_and_scale(known_N) if len(known_N) else (0.0, 0.0)
        if scale > 0:
            blocks.append(np.where(missing_N, 0.0, scaled(raw_N, mean, scale, f"input '{name}'")))
            kept.append(name)
        else:
            dropped.append(name)
        if 0 < missing_N[train_rows].sum() < len(train_rows):
            blocks.append(missing_N.astype(np.float64))
            kept.append(f"{name}_missing")
    values_NF = np.stack(blocks, axis=1) if blocks else np.empty((len(raw_NF), 0))
    return values_NF, kept, dropped


def _one_hot(column: pd.Series[Any], name: str, train_rows: IntArray) -> tuple[FloatArray, list[str]]:
    missing_N = column.isna().to_numpy()
    text_N = column.astype(object).where(~missing_N, "").astype(str).to_numpy()
    known = train_rows[~missing_N[train_rows]]
    categories = sorted(set(text_N[known].tolist()))
    if len(categories) > _MOST_CATEGORIES:
        what = f"has {len(categories):,} categories in the training rows, at most {_MOST_CATEGORIES:,} are encoded"
        raise DataError(
            what, where=f"input '{name}'", fix="Leave it out with data.exclude; it looks like an identifier"
        )
    place = {category: k for k, category in enumerate(categories)}
    codes_N = np.array([-1 if gone else place.get(text, -1) for text, gone in zip(text_N, missing_N, strict=True)])
    return (codes_N[:, None] == np.arange(len(categories))).astype(np.float64), categories
