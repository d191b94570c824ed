"""Partners without any help to give: the labels of a task shuffled, and a second copy of it.

Axes: ``N`` rows, ``T`` tasks.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from grouping.candidates import frozen
from search.data.arrays import Float32Array
from search.data.dataset import Dataset, Part
from search.trials import stream_seed

__all__ = ["copy_of", "part_of", "shuffled", "with_controls"]


def shuffled(task: str) -> str:
    """The name of a task whose training labels are shuffled."""
    return f"{task} (shuffled)"


def copy_of(task: str) -> str:
    """The name of a second copy of a task."""
    return f"{task} (copy)"


def with_controls(dataset: Dataset, seed: int) -> Dataset:
    """The data set with a shuffled twin and a copy of every task, in that order after its own tasks.

    Labels are shuffled in the training part only, among the rows that have one; rows, inputs and scaling stay.
    """
    rng = np.random.default_rng(stream_seed(seed, "shuffled labels"))
    kinds = (shuffled, copy_of)
    tasks = tuple(replace(task, name=name(task.name)) for name in kinds for task in dataset.tasks)
    twins_NT = _shuffled(dataset.train.targets_NT, rng)
    return replace(
        dataset,
        tasks=(*dataset.tasks, *tasks),
        classes_T=dataset.classes_T * 3,
        class_names=dataset.class_names * 3,
        train=_wider(dataset.train, twins_NT),
        validation=_wider(dataset.validation, dataset.validation.targets_NT),
        test=_wider(dataset.test, dataset.test.targets_NT),
        target_mean_T=frozen(np.tile(dataset.target_mean_T, 3)),
        target_scale_T=frozen(np.tile(dataset.target_scale_T, 3)),
        units=dataset.units * 3,
        fingerprint=hashlib.sha256(f"{dataset.fingerprint} controls {seed}".encode()).hexdigest(),
    )


def part_of(dataset: Dataset, share: float, seed: int) -> Dataset:
    """The data set with a share of its training rows, at random; a smaller share is part of a larger one."""
    rows = len(dataset.train.inputs_NF)
    order_N = np.random.default_rng(stream_seed(seed, "share of the rows")).permutation(rows)
    kept_N = np.sort(order_N[: max(1, int(share * rows))])
    _, clusters_N = np.unique(dataset.train.cluster_N[kept_N], return_inverse=True)
    part = Part(
        frozen(dataset.train.inputs_NF[kept_N]),
        frozen(dataset.train.targets_NT[kept_N]),
        frozen(clusters_N.astype(np.int64)),
    )
    return replace(
        dataset, train=part, fingerprint=hashlib.sha256(f"{dataset.fingerprint} {share} {seed}".encode()).hexdigest()
    )


def _wider(part: Part, twins_NT: Float32Array) -> Part:
    return replace(part, targets_NT=frozen(np.concatenate([part.targets_NT, twins_NT, part.targets_NT], axis=1)))


def _shuffled(targets_NT: Float32Array, rng: np.random.Generator) -> Float32Array:
    twins_NT = targets_NT.copy()
    for t in range(targets_NT.shape[1]):
        labelled = np.flatnonzero(~np.isnan(targets_NT[:, t]))
        twins_NT[labelled, t] = targets_NT[rng.permutation(labelled), t]
    return twins_NT
