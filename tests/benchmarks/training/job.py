"""What is trained: the reference job (9,000 x 64 -> 8 regression targets, 37 networks), and experiments of other sizes.

Every contender reads the loss of 512 validation rows after every epoch, so that reading counts for all alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np

from search.data.dataset import Dataset, Part
from search.spec import EngineName, NetworkSpec, TrainingSpec
from search.training.experiment import Experiment
from search.trials import Trial
from tests.search.training.planted import planted

__all__ = [
    "BATCH",
    "EPOCHS",
    "INPUTS",
    "LEARNING_RATE",
    "ROWS",
    "TASKS",
    "VALIDATION",
    "WIDTHS",
    "Group",
    "dataset",
    "experiment",
    "groups",
    "mixed_groups",
    "trials",
]

Group = tuple[int, ...]
"""The tasks of a network, by number."""

ROWS, INPUTS, TASKS = 9_000, 64, 8
WIDTHS = (128, 128)
EPOCHS, BATCH, LEARNING_RATE = 20, 256, 1e-3
VALIDATION = 512


def groups() -> list[Group]:
    """8 singles, 28 pairs and the group of all."""
    return [*combinations(range(TASKS), 1), *combinations(range(TASKS), 2), tuple(range(TASKS))]


def mixed_groups(count: int) -> list[Group]:
    """Different groups of one to three tasks, in an order without meaning."""
    every = [group for size in (1, 2, 3) for group in combinations(range(TASKS), size)]
    order = np.random.default_rng(0).permutation(len(every))[:count].tolist()
    return [every[index] for index in order]


def trials(asked: Sequence[Group], seed: int = 0) -> list[Trial]:
    """One search trial for each group."""
    return [Trial(tuple(f"t{task}" for task in group), 1.0, seed) for group in asked]


@cache
def dataset(rows: int = ROWS, inputs: int = INPUTS, validation: int = VALIDATION) -> Dataset:
    """Noisy linear functions of standard normal inputs; what is to be learnt does not matter to the clock."""
    whole = planted(["regression"] * TASKS, rows=max(rows, 2 * validation), inputs=inputs)
    return replace(whole, train=_first(whole.train, rows), validation=_first(whole.validation, validation))


def experiment(
    data: Dataset,
    engine: EngineName,
    *,
    network: NetworkSpec | None = None,
    batch_size: int = BATCH,
    epochs: int = EPOCHS,
) -> Experiment:
    """The reference job's training on some data, but for what is given."""
    training = TrainingSpec(epochs=epochs, batch_size=batch_size, learning_rate=LEARNING_RATE, engine=engine)
    return Experiment(data, network or NetworkSpec(widths=WIDTHS), training)


def _first(part: Part, rows: int) -> Part:
    return replace(
        part, inputs_NF=part.inputs_NF[:rows], targets_NT=part.targets_NT[:rows], cluster_N=part.cluster_N[:rows]
    )
