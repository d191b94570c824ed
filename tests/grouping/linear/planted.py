"""Linear tasks with planted clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grouping.linear import Labelled
from grouping.linear.labelled import Kind


def planted(
    seed: int,
    sizes: Sequence[int] = (3, 3),
    *,
    inputs: int = 5,
    rows: int = 80,
    spread: float = 0.1,
    noise: float = 0.3,
    missing: float = 0.0,
    kind: Kind = "regression",
) -> tuple[Labelled, tuple[tuple[str, ...], ...]]:
    """Rows of tasks whose weights are near those of their cluster, and the clusters."""
    rng = np.random.default_rng(seed)
    cluster_T = np.repeat(np.arange(len(sizes)), sizes)
    n_tasks = len(cluster_T)
    weights_FT = rng.normal(size=(inputs, len(sizes)))[:, cluster_T] + spread * rng.normal(size=(inputs, n_tasks))
    inputs_NF = rng.normal(size=(rows, inputs)) + 1.0
    targets_NT = inputs_NF @ weights_FT + 2.0 + noise * rng.normal(size=(rows, n_tasks))
    if kind == "binary":
        targets_NT = (targets_NT > np.median(targets_NT, axis=0)).astype(float)
    targets_NT[rng.random(targets_NT.shape) < missing] = np.nan
    names = tuple(f"task {t}" for t in range(n_tasks))
    groups = tuple(tuple(names[t] for t in np.flatnonzero(cluster_T == c)) for c in range(len(sizes)))
    return Labelled(names, inputs_NF, targets_NT, kind), groups
