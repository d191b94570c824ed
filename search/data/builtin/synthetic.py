"""``synthetic``: tasks whose best grouping is known, because they were made from hidden factors of known groups.

Tasks of one group are different mixtures of the same few non-linear factors of the inputs: what one of them learns
helps the others. Groups share no factor, so in a small network they compete for its units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grouping.tasks import TaskType
from search.data.layout import Layout, Source
from search.spec import SplitSpec, TaskSpec

__all__ = ["Planted", "load_synthetic", "planted"]


@dataclass(frozen=True, eq=False)
class Planted:
    """A made table and the truth about it.

    Args:
        source: Table (inputs ``x_*``, targets ``y_*``, ``split``, ``cluster``) and layout.
        groups: Names of the tasks that were made from the same factors.
        affinity_TT: 1 where two tasks come from the same factors, 0 elsewhere and on the diagonal.
    """

    source: Source
    groups: tuple[tuple[str, ...], ...]
    affinity_TT: NDArray[np.float64]


def load_synthetic() -> Source:
    """Six regressions in two groups of three."""
    return planted().source


def planted(
    *,
    group_sizes: Sequence[int] = (3, 3),
    rows: int = 3_000,
    inputs: int = 12,
    factors: int = 3,
    noise: float = 0.3,
    missing: float = 0.0,
    types: Sequence[TaskType] = ("regression",),
    seed: int = 0,
) -> Planted:
    """Make a data set with planted affinity.

    Args:
        group_sizes: How many tasks each group has.
        rows: Rows, of which 60 % train, 20 % validation, 20 % test, in whole clusters of ten.
        inputs: Independent standard normal inputs.
        factors: Hidden factors of each group; each is ``sin`` of its own random direction in the inputs.
        noise: Standard deviation of what no input tells, relative to the signal's.
        missing: Share of labels left out, independently for each task.
        types: Types of the tasks, taken in turn: regression as it is; binary and four classes by cutting at quantiles.
        seed: Everything follows from it.
    """
    random = np.random.default_rng(seed)
    x_NF = random.standard_normal((rows, inputs))
    columns: dict[str, NDArray[np.float64]] = {f"x_{f}": x_NF[:, f] for f in range(inputs)}
    tasks: list[TaskSpec] = []
    groups: list[tuple[str, ...]] = []
    for g, size in enumerate(group_sizes):
        directions_FL = random.standard_normal((inputs, factors))
        directions_FL /= np.linalg.norm(directions_FL, axis=0)
        factors_NL = np.sin(2.0 * x_NF @ directions_FL)
        for t in range(size):
            signal_N = factors_NL @ _mixture(random, factors)
            value_N = signal_N / signal_N.std() + noise * random.standard_normal(rows)
            kind = types[len(tasks) % len(types)]
            target_N = _as_type(value_N, kind)
            target_N[random.random(rows) < missing] = np.nan
            task = TaskSpec(name=f"g{g}_{t}", target=f"y_g{g}_{t}", type=kind)
            columns[task.column] = target_N
            tasks.append(task)
        groups.append(tuple(task.name for task in tasks[-size:]))
    table = pd.DataFrame(columns)
    table["cluster"] = np.arange(rows) // 10
    table["split"] = np.array(["train", "train", "train", "val", "test"])[table["cluster"] % 5]
    layout = Layout(("x_*",), tuple(tasks), SplitSpec(column="split"), cluster="cluster")
    member_TG = np.array([[task.name in group for group in groups] for task in tasks], dtype=np.float64)
    affinity_TT = member_TG @ member_TG.T
    np.fill_diagonal(affinity_TT, 0.0)
    return Planted(Source(table, layout), tuple(groups), affinity_TT)


def _mixture(random: np.random.Generator, factors: int) -> NDArray[np.float64]:
    """Weights of either sign, none near zero: every task needs every factor of its group."""
    sign_L = np.where(random.random(factors) < 0.5, -1.0, 1.0)
    return sign_L * random.uniform(0.5, 1.5, factors)


def _as_type(value_N: NDArray[np.float64], kind: TaskType) -> NDArray[np.float64]:
    if kind == "regression":
        return value_N.copy()
    cuts = [0.5] if kind == "binary" else [0.25, 0.5, 0.75]
    return np.searchsorted(np.quantile(value_N, cuts), value_N).astype(np.float64)
