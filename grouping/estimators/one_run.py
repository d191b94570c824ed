"""Estimates from trainings of all tasks that were looked at: the same table, whatever was seen.

Axes: ``C`` candidates, ``T`` tasks; recipients in rows and partners in columns, [T, T].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.estimators.linearised import linearised
from grouping.estimators.pair_scores import from_pair_scores
from grouping.losses import LossTable

__all__ = ["ONE_RUN", "from_runs"]

ONE_RUN = ("look-ahead", "first-order", "cosine", "linearised")
"""Estimators that look at one training of all tasks a seed."""


def from_runs(table: LossTable, estimator: str, runs: Mapping[str, FloatArray]) -> LossTable:
    """The table with an estimate for every candidate of two or more tasks that was not measured.

    Args:
        table: Losses; single tasks and, for scores, the network of all tasks must have been measured.
        estimator: One of ``ONE_RUN``.
        runs: What was seen, by the table's seeds: scores of all pairs [T, T], or for ``linearised`` the ratios of the
            table's candidates [C, T]. A seed without a run of its own gets another's.

    Raises:
        InputError: no run at all; else as ``from_pair_scores`` and ``linearised``.
    """
    if not runs:
        raise InputError("no training of all tasks could be looked at", where="estimator", fix="Use: higher-order")
    spare = list(runs.values())
    seen = np.stack([runs.get(seed, spare[r % len(spare)]) for r, seed in enumerate(table.seeds)])
    return linearised(table, seen) if estimator == "linearised" else from_pair_scores(table, seen)
