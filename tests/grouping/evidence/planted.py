"""Test losses with a known truth: what every grouping would score on all seeds and all rows is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.evidence import TestLosses


@dataclass(frozen=True)
class Design:
    """Where the noise of a planted experiment comes from; standard deviations relative to the loss.

    ``seed``: of a network's loss over trainings. ``cluster``: of a network's loss over clusters of rows, the same in
    every training (what other data would change). ``row``: of single rows and trainings. ``skewed``: clusters differ
    in difficulty (log-normal) and in size (exponential), and labels are missing.
    """

    seeds: int = 5
    tasks: int = 4
    clusters: int = 40
    rows: int = 20
    seed: float = 0.015
    cluster: float = 0.04
    row: float = 0.3
    skewed: bool = False


def planted(design: Design, levels: Sequence[float], rng: np.random.Generator) -> list[TestLosses]:
    """One experiment: a grouping for each level, its true loss relative to the reference; the reference comes first."""
    groupings, shape_TG = len(levels) + 1, (design.tasks, design.clusters)
    rows_TG = np.full(shape_TG, float(design.rows))
    difficulty_TG: FloatArray = np.ones(shape_TG)
    if design.skewed:
        sizes_G = np.maximum(1, design.rows * rng.exponential(size=design.clusters)).round()
        rows_TG = np.maximum(1.0, rng.binomial(sizes_G.astype(int), 0.8, size=shape_TG))
        difficulty_TG = np.exp(0.8 * rng.standard_normal(shape_TG))
    level = np.array([1.0, *levels]).reshape(-1, 1, 1, 1)
    seed = design.seed * rng.standard_normal((groupings, design.seeds, design.tasks, 1))
    shared = design.seed * rng.standard_normal((1, design.seeds, design.tasks, 1))
    cluster = design.cluster * rng.standard_normal((groupings, 1, *shape_TG))
    row = design.row * rng.standard_normal((groupings, design.seeds, *shape_TG)) / np.sqrt(rows_TG)
    scale_T = 10.0 ** np.arange(design.tasks)[:, None]  # every task in another unit
    loss = scale_T * difficulty_TG * (level + seed + shared + cluster + row)
    return [TestLosses(sums, rows_TG) for sums in loss * rows_TG]
