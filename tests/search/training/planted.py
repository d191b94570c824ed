"""Small data sets whose truth is known, made in memory: tasks that are learnable functions of the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grouping.tasks import Task, TaskType
from search.data.dataset import Dataset, Part
from search.spec import NetworkSpec, TrainingSpec
from search.training.experiment import Experiment

KINDS: tuple[TaskType, ...] = ("regression", "binary", "multiclass", "regression")


def planted(
    kinds: Sequence[TaskType] = KINDS, *, rows: int = 300, inputs: int = 6, missing: float = 0.0, seed: int = 0
) -> Dataset:
    """Tasks ``t0``, ``t1``, ...: noisy linear functions, a sign, the largest of three; a share of labels missing."""
    rng = np.random.default_rng(seed)
    weights_TFK = rng.normal(size=(len(kinds), inputs, 3))

    def part(n: int) -> Part:
        inputs_NF = rng.normal(size=(n, inputs)).astype(np.float32)
        targets_NT = np.empty((n, len(kinds)), np.float32)
        for t, kind in enumerate(kinds):
            scores_NK = inputs_NF @ weights_TFK[t] + 0.3 * rng.normal(size=(n, 3))
            targets_NT[:, t] = {
                "regression": scores_NK[:, 0] / inputs**0.5,
                "binary": scores_NK[:, 0] > 0,
                "multiclass": scores_NK.argmax(axis=1),
            }[kind]
        targets_NT[rng.random(targets_NT.shape) < missing] = np.nan
        return Part(inputs_NF, targets_NT, np.arange(n, dtype=np.int64) % 7)

    regression_T = np.array([kind == "regression" for kind in kinds])
    return Dataset(
        name="planted",
        tasks=tuple(Task(f"t{t}", kind) for t, kind in enumerate(kinds)),
        classes_T=tuple(3 if kind == "multiclass" else 1 for kind in kinds),
        class_names=tuple(("a", "b", "c") if kind == "multiclass" else () for kind in kinds),
        train=part(rows),
        validation=part(rows // 2),
        test=part(rows // 2),
        target_mean_T=np.where(regression_T, 10.0, 0.0),
        target_scale_T=np.where(regression_T, 4.0, 1.0),
        units=("",) * len(kinds),
        input_names=tuple(f"x{f}" for f in range(inputs)),
        cluster_name="week",
        fingerprint=f"planted {kinds} {rows} {inputs} {missing} {seed}",
        warnings=(),
    )


def planted_experiment(
    dataset: Dataset | None = None, *, widths: tuple[int, ...] = (16, 8), **training: object
) -> Experiment:
    """A few quick epochs on planted data."""
    settings = {"epochs": 4, "batch_size": 64, "learning_rate": 1e-2} | training
    return Experiment(dataset or planted(), NetworkSpec(widths=widths), TrainingSpec.model_validate(settings))


def without_labels(part: Part, tasks: Sequence[int]) -> Part:
    """The part with every label of some tasks missing."""
    targets_NT = part.targets_NT.copy()
    targets_NT[:, list(tasks)] = np.nan
    return replace(part, targets_NT=targets_NT)
