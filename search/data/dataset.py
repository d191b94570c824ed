"""A spec's data as arrays ready for training: one value with three parts, NumPy only, the same in every process.

Axes: ``N`` rows of a part, ``F`` encoded inputs, ``T`` tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from grouping.candidates import FloatArray, IntArray, frozen
from grouping.tasks import Task
from search.data.arrays import Float32Array, Inputs, encode_inputs
from search.data.images import encode_images
from search.data.joined import split_tables
from search.data.layout import Source
from search.data.leakage import copied_targets, shared_clusters, shared_rows
from search.data.resolution import complete, input_columns, open_source
from search.data.splits import Rows
from search.data.targets import Target, encode_target
from search.errors import DataError
from search.spec import DataSpec, Spec
from search.trials import stream_seed

__all__ = ["Dataset", "Part", "load_dataset"]

_FEW_ROWS = 30
_MOST_BLOCKS = 500


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one part.

    Args:
        inputs_NF: float32, finite: standardised, imputed and one-hot encoded by what the training rows say.
        targets_NT: float32: regression in training standard deviations, binary 0/1, multiclass the class index; NaN
            where the label is missing.
        cluster_N: Which rows are resampled together, numbered from 0 without gaps within the part.
    """

    inputs_NF: Float32Array
    targets_NT: Float32Array
    cluster_N: IntArray

    def __len__(self) -> int:
        return len(self.inputs_NF)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Everything about the data that training and scoring need.

    Args:
        name: The spec's name for it.
        tasks: The tasks, in the order of axis T everywhere.
        classes_T: Outputs each task needs: 1 for regression and binary, the number of classes for multiclass.
        class_names: Names of the classes of each task in the order of their indices; empty for regression.
        train: The part that is trained on.
        validation: The part that choices are made on.
        test: The part that is looked at last.
        target_mean_T: What was subtracted from targets (0 unless regression), in the target's unit.
        target_scale_T: What targets were divided by (1 unless regression), in the target's unit.
        units: Unit of each target; empty where there is none.
        input_names: What each encoded input column is.
        cluster_name: The column behind ``cluster_N``, or ``row``.
        fingerprint: SHA-256 over all arrays and names, hexadecimal.
        warnings: What the user should know, one sentence each.
    """

    name: str
    tasks: tuple[Task, ...]
    classes_T: tuple[int, ...]
    class_names: tuple[tuple[str, ...], ...]
    train: Part
    validation: Part
    test: Part
    target_mean_T: FloatArray
    target_scale_T: FloatArray
    units: tuple[str, ...]
    input_names: tuple[str, ...]
    cluster_name: str
    fingerprint: str
    warnings: tuple[str, ...]

    @property
    def opaque(self) -> bool:
        """Whether there are no rows to be seen: a foreign trainer owns them."""
        return not self.input_names


def load_dataset(spec: Spec, base: Path | None = None, *, split: int = 0) -> Dataset:
    """Load, split, check and encode the data of a spec.

    Args:
        spec: The spec; what it leaves out about the data is filled in from the data.
        base: Folder that relative paths start from (the spec file's); the current one by default.
        split: 0 for the split itself, k for the k-th redraw of seeded fractions.

    Raises:
        SpecError, DataError: the spec does not fit its data, or the data cannot be learnt from.
    """
    if spec.opaque:
        return _opaque(spec)
    source = open_source(spec.data, base)
    spec = complete(spec, source, base)
    table = source.table
    assert spec.data.split is not None
    columns = input_columns(spec.data, spec.tasks, table)
    rows = split_tables(source, spec.data.split, split)
    repeated = shared_rows(table, [*columns, *(task.column for task in spec.tasks)], rows)
    rows = _capped(rows, spec.data, split)
    inputs = _inputs(source, columns, spec.data, rows)
    targets = [encode_target(table[task.column], task, rows) for task in spec.tasks]
    targets_NT = np.stack([target.values_N for target in targets], axis=1)
    parts = [
        Part(frozen(inputs.values_NF[rows_N]), frozen(targets_NT[rows_N]), frozen(_clusters(table, spec.data, rows_N)))
        for rows_N in rows
    ]
    names = [task.name for task in spec.tasks]
    warnings = [
        *inputs.warnings,
        *(warning for target in targets for warning in target.warnings),
        *copied_targets(parts[0].inputs_NF, inputs.names, parts[0].targets_NT, names),
        *repeated,
        *(shared_clusters(table[spec.data.cluster], rows) if spec.data.cluster is not None else ()),
        *_few_labels(names, parts[1], "validation"),
        *_few_labels(names, parts[2], "test"),
        *_never_judged(names, parts[1]),
    ]
    return Dataset(
        name=spec.name,
        tasks=spec.task_set(),
        classes_T=tuple(_outputs(task.type or "", target) for task, target in zip(spec.tasks, targets, strict=True)),
        class_names=tuple(target.classes for target in targets),
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        target_mean_T=frozen(np.array([target.mean for target in targets])),
        target_scale_T=frozen(np.array([target.scale for target in targets])),
        units=tuple(task.unit for task in spec.tasks),
        input_names=inputs.names,
        cluster_name=spec.data.cluster or "row",
        fingerprint=_fingerprint(spec, targets, inputs.names, parts),
        warnings=tuple(warnings),
    )


def _opaque(spec: Spec) -> Dataset:
    """The tasks over no rows, where nobody but a trainer sees the data."""
    n_tasks = len(spec.tasks)
    arrays = np.empty((0, 0), np.float32), np.empty((0, n_tasks), np.float32), np.empty(0, np.int64)
    none = Part(frozen(arrays[0]), frozen(arrays[1]), frozen(arrays[2]))
    return Dataset(
        name=spec.name,
        tasks=spec.task_set(),
        classes_T=(1,) * n_tasks,
        class_names=((),) * n_tasks,
        train=none,
        validation=none,
        test=none,
        target_mean_T=frozen(np.zeros(n_tasks)),
        target_scale_T=frozen(np.ones(n_tasks)),
        units=tuple(task.unit for task in spec.tasks),
        input_names=(),
        cluster_name="row",
        fingerprint=spec.data.source,
        warnings=(),
    )


def _outputs(kind: str, target: Target) -> int:
    return len(target.classes) if kind == "multiclass" else 1


def _inputs(source: Source, columns: Sequence[str], data: DataSpec, rows: Rows) -> Inputs:
    """All inputs of a row side by side: pictures first, then what the other columns hold."""
    encoded = [encode_images(source.images[name], name, rows.train) for name in columns if name in source.images]
    plain = [name for name in columns if name not in source.images]
    if plain or data.fold:
        encoded.append(
            encode_inputs(source.table, plain, rows.train, categorical=data.categorical, fold=data.fold or 0)
        )
    if len(encoded) == 1:
        return encoded[0]
    return Inputs(
        np.concatenate([block.values_NF for block in encoded], axis=1),
        tuple(name for block in encoded for name in block.names),
        tuple(warning for block in encoded for warning in block.warnings),
    )


def _capped(rows: Rows, data: DataSpec, draw: int) -> Rows:
    """At most ``data.rows`` training rows, drawn by the split's seed; the other parts stay whole."""
    if data.rows is None or data.rows >= len(rows.train):
        return rows
    assert data.split is not None
    random = np.random.default_rng(stream_seed(data.split.seed, "rows", draw))
    return rows._replace(train=np.sort(random.choice(rows.train, size=data.rows, replace=False)))


def _clusters(table: pd.DataFrame, data: DataSpec, rows_N: IntArray) -> IntArray:
    if data.cluster is None:
        # Independent rows: random blocks of them have the same variance as single rows, and results stay small.
        dealt_N = np.random.default_rng(len(rows_N)).permutation(len(rows_N)) if len(rows_N) > _MOST_BLOCKS else None
        return np.arange(len(rows_N)) if dealt_N is None else dealt_N % _MOST_BLOCKS
    codes, _ = pd.factorize(table[data.cluster].iloc[rows_N], sort=True)
    if (codes < 0).any():
        row = int(rows_N[codes < 0][0])
        what = f"the value in data row {row + 1} is missing"
        raise DataError(what, where=f"cluster column '{data.cluster}'", fix="Fill it in, or name another column")
    return codes.astype(np.int64)


def _few_labels(names: list[str], part: Part, called: str) -> list[str]:
    count_T = (~np.isnan(part.targets_NT)).sum(axis=0)
    return [
        f"task '{name}' has only {count} labelled {called} rows: expect wide intervals"
        for name, count in zip(names, count_T, strict=True)
        if 0 < count < _FEW_ROWS
    ]


def _never_judged(names: list[str], validation: Part) -> list[str]:
    missing_T = np.isnan(validation.targets_NT).all(axis=0)
    return [
        f"task '{names[t]}' has no validation labels: its loss stands as 1 in every network, and decides nothing"
        for t in np.flatnonzero(missing_T).tolist()
    ]


def _fingerprint(spec: Spec, targets: list[Target], input_names: tuple[str, ...], parts: list[Part]) -> str:
    digest = hashlib.sha256()
    tasks = [
        (t.name, t.type, target.classes, target.mean, target.scale)
        for t, target in zip(spec.tasks, targets, strict=True)
    ]
    digest.update(repr((tasks, input_names)).encode())
    for part in parts:
        for array in (part.inputs_NF, part.targets_NT, part.cluster_N):
            digest.update(repr((array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
