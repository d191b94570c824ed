"""Answers that inputs may give away, and rows that stand in two parts: found before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from search.data.arrays import Float32Array
from search.data.splits import PARTS, Rows

__all__ = ["copied_targets", "shared_clusters", "shared_rows"]

_COPY = 1 - 1e-6
_TARGET_PREFIXES = ("y_", "target_", "label_")


def copied_targets(
    inputs_NF: Float32Array, input_names: Sequence[str], targets_NT: Float32Array, task_names: Sequence[str]
) -> list[str]:
    """Warn of inputs that are a target in other words: a correlation of one over the labelled training rows."""
    warnings = [
        f"input '{name}' is named like a target; if it is one, the network is shown answers"
        for name in input_names
        if name.startswith(_TARGET_PREFIXES)
    ]
    labelled_NT = (~np.isnan(targets_NT)).astype(np.float64)
    x_NF, y_NT = inputs_NF.astype(np.float64), np.nan_to_num(targets_NT.astype(np.float64))
    # Sums over the labelled rows of each task, for all pairs at once; both sides are near unit scale already.
    n_T = labelled_NT.sum(axis=0)
    x_FT, y_T = x_NF.T @ labelled_NT, y_NT.sum(axis=0)
    xy_FT = n_T * (x_NF.T @ y_NT) - x_FT * y_T
    xx_FT = n_T * (np.square(x_NF).T @ labelled_NT) - x_FT**2
    yy_T = n_T * np.square(y_NT).sum(axis=0) - y_T**2
    floor_T = 1e-6 * n_T**2  # what is left of a constant after rounding is no correlation
    varied_FT = (xx_FT > floor_T) & (yy_T > floor_T) & (n_T >= 3)
    copy_FT = varied_FT & (xy_FT**2 >= _COPY**2 * xx_FT * yy_T)
    warnings.extend(
        f"input '{input_names[f]}' is a copy of the target of task '{task_names[t]}': is it known in time?"
        for f, t in np.argwhere(copy_FT).tolist()
    )
    return warnings


def shared_rows(table: pd.DataFrame, columns: Sequence[str], rows: Rows) -> list[str]:
    """Warn of rows equal in all inputs and targets that stand in the training part and in another one."""
    digest_N = pd.util.hash_pandas_object(table[list(columns)], index=False).to_numpy()
    warnings = []
    for part, rows_N in zip(PARTS[1:], rows[1:], strict=True):
        repeated = int(np.isin(digest_N[rows_N], digest_N[rows.train]).sum())
        if repeated:
            what = "row also stands" if repeated == 1 else "rows also stand"
            warnings.append(f"{repeated} of {len(rows_N)} {part} {what} in the training part, value for value")
    return warnings


def shared_clusters(cluster: pd.Series, rows: Rows) -> list[str]:
    """Warn of clusters whose rows are spread over parts: the parts are then less independent than they look."""
    trained = set(cluster.iloc[rows.train].dropna().unique().tolist())
    spread = sum(value in trained for value in cluster.iloc[rows.test].dropna().unique().tolist())
    if not spread:
        return []
    fix = f"split by it with data.split.group: {cluster.name}"
    return [f"{spread} values of '{cluster.name}' have training and test rows; {fix}"]
