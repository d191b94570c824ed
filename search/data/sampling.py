"""How often tasks of unequal sizes are drawn.

Axes: ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grouping.candidates import FloatArray
from search.errors import DataError

__all__ = ["temperature_shares"]


def temperature_shares(rows_T: Sequence[int], temperature: float) -> FloatArray:
    """How often each task is drawn, ``n_t^(1/temperature)`` scaled to add up to 1, [T].

    1 is in proportion to the tasks' rows, infinity the same for all; values between favour small tasks without
    repeating them as often (Arivazhagan et al. 2019, *Massively Multilingual Neural Machine Translation in the Wild*).

    Raises:
        DataError: a task without rows, or a temperature that is not above 0.
    """
    _check_rows(rows_T)
    if not temperature > 0:
        raise DataError(
            f"the temperature {temperature:g} is not above 0",
            where="temperature",
            fix="Use 1 for shares in proportion to rows, infinity for equal ones",
        )
    size_T = np.log(np.asarray(rows_T, dtype=float)) / temperature
    share_T = np.exp(size_T - size_T.max())
    return np.asarray(share_T / share_T.sum())


def _check_rows(rows_T: Sequence[int]) -> None:
    for task, rows in enumerate(rows_T):
        if rows < 1:
            raise DataError(f"task {task} has {rows} rows", where="rows_T", fix="Leave it out: nothing can be drawn")
