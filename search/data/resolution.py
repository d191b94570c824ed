"""A spec made complete: what it leaves out about the data is filled in from the data, and said where it stands.

Loading the rows as arrays is ``dataset``; here only columns are named.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from grouping.tasks import nearest_name
from search.data.infer import infer_layout, infer_type, is_categorical
from search.data.joined import check_columns, joined
from search.data.layout import Layout, Source, is_pattern, match_columns
from search.data.registry import is_registered, load_registered, registered_names
from search.data.tables import FORMATS, read_source
from search.errors import DataError, SpecError
from search.networks.shape import OF_IMAGES
from search.spec import DataSpec, Spec, SplitSpec, TaskSpec, TrainerSpec

__all__ = ["complete", "input_columns", "open_source", "resolve", "source_path"]

_DATA_VARIABLE = "TASKGROUP_DATA"


def resolve(spec: Spec, base: Path | None = None) -> Spec:
    """The spec with inputs, tasks, types, split, cluster and image filled in, and the path of its data made absolute.

    A path that starts with ``${TASKGROUP_DATA}`` stays as it is, so that the result can be used on another machine.

    Args:
        spec: What the user wrote.
        base: Folder that relative paths start from (the spec file's); the current one by default.

    Raises:
        SpecError, DataError: the spec does not fit its data.
    """
    return _named(spec, base) if spec.opaque else complete(spec, open_source(spec.data, base), base)


def _named(spec: Spec, base: Path | None) -> Spec:
    """The spec with a type for every task; types decide nothing where a trainer has its own data and losses."""
    if not spec.tasks:
        fix = "Name them: tasks: [{name: depth}, {name: normals}]"
        raise SpecError("the trainer owns the data, so nobody else knows the tasks", where="tasks", fix=fix)
    tasks = tuple(task.model_copy(update={"type": task.type or "regression"}) for task in spec.tasks)
    return Spec(**{**dict(spec), "tasks": tasks, "trainer": _placed(spec.trainer, base)})


def _placed(trainer: TrainerSpec | None, base: Path | None) -> TrainerSpec | None:
    """The trainer with an absolute folder to work in, unless that is an installed function, which needs none."""
    if trainer is None or (trainer.command is None and not trainer.files and trainer.cwd is None):
        return trainer
    return trainer.model_copy(update={"cwd": str(((base or Path()) / (trainer.cwd or "")).absolute())})


def open_source(data: DataSpec, base: Path | None = None) -> Source:
    """The registered data set or the tables that ``data.source`` and ``data.more`` name.

    Raises:
        SpecError: an unknown variable in a path; more tables for a registered data set.
        DataError: neither a data set nor a readable table; tables that do not go together.
    """
    if is_registered(data.source):
        if data.more:
            fix = "Leave it out, or write the data set to a file first"
            raise SpecError(f"the data set {data.source} is whole by itself", where="data.more", fix=fix)
        return load_registered(data.source)
    path = source_path(data.source, base)
    if not Path(data.source).suffix and os.sep not in data.source and not path.exists():
        known = nearest_name(data.source, registered_names())
        fix = f"{known}{'' if known.endswith('?') else '.'} Or give a file that ends in {', '.join(FORMATS)}"
        raise DataError(f"'{data.source}' is neither a data set nor a file", where="data.source", fix=fix)
    if not data.more:
        return read_source(path)
    paths = [path, *(source_path(name, base) for name in data.more)]
    return joined([(own.name, read_source(own)) for own in paths])


def source_path(source: str, base: Path | None = None) -> Path:
    """The path that a source means; ``${TASKGROUP_DATA}`` stands for that environment variable, nothing else for any.

    Raises:
        SpecError: another variable, or ``TASKGROUP_DATA`` is not set.
    """
    if "${" in source:
        head, _, rest = source.partition("}")
        if head != "${" + _DATA_VARIABLE or "${" in rest:
            fix = f"Only ${{{_DATA_VARIABLE}}} at the start is replaced"
            raise SpecError(f"'{source}' holds another variable", where="data.source", fix=fix)
        folder = os.environ.get(_DATA_VARIABLE)
        if not folder:
            fix = f"Set it to the folder with the data: export {_DATA_VARIABLE}=..."
            raise SpecError(f"the variable {_DATA_VARIABLE} is not set", where="data.source", fix=fix)
        source = folder + rest
    return (base or Path()) / source


def complete(spec: Spec, source: Source, base: Path | None = None) -> Spec:
    """``resolve`` for a source that is already open."""
    table = source.table
    layout = source.layout
    if layout is None:
        _check_targets(spec.tasks, table)
        layout = infer_layout(table, [task.column for task in spec.tasks], spec.data.inputs or ())
    tasks = _tasks(spec.tasks, layout, table)
    split = spec.data.split if spec.data.split is not None else layout.split
    data = spec.data.model_copy(
        update={
            "source": _kept(spec.data.source, base),
            "more": tuple(_kept(name, base) for name in spec.data.more),
            "inputs": spec.data.inputs if spec.data.inputs is not None else layout.inputs,
            "split": split,
            "cluster": spec.data.cluster or split.group or layout.cluster,
        }
    )
    if data.cluster is not None and data.cluster not in table.columns:
        fix = nearest_name(data.cluster, list(table.columns))
        where = "data.cluster" if spec.data.cluster is not None else "data.split.group"
        raise DataError(f"there is no column '{data.cluster}'", where=where, fix=fix)
    inputs = input_columns(data, tasks, table)
    check_columns(source, [*inputs, *(name for name in (split.column, split.group, split.time, data.cluster) if name)])
    unknown = next((name for name in data.categorical if name not in inputs), None)
    if unknown is not None:
        what = f"'{unknown}' is not one of the inputs"
        raise DataError(what, where="data.categorical", fix=nearest_name(unknown, inputs))
    for where, names in (("tasks", [task.column for task in tasks]), ("data.categorical", data.categorical)):
        pictures = next((name for name in names if name in source.images), None)
        if pictures is not None:
            raise DataError(f"'{pictures}' holds pictures, not one value a row", where=where, fix="Name another column")
    texts = [name for name in inputs if name in data.categorical or is_categorical(table[name])]
    data = data.model_copy(update={"categorical": tuple(texts)})
    network = spec.network
    if network.trunk in OF_IMAGES and network.image is None and len(inputs) == 1 and inputs[0] in source.images:
        channels, height, width = source.images[inputs[0]].shape[1:]
        network = network.model_copy(update={"image": (channels, height, width)})
    trainer = _placed(spec.trainer, base)
    return Spec(**{**dict(spec), "data": data, "tasks": tasks, "network": network, "trainer": trainer})


def input_columns(data: DataSpec, tasks: tuple[TaskSpec, ...], table: pd.DataFrame) -> list[str]:
    """The columns that ``data.inputs`` names, without ``data.exclude``.

    A glob passes over columns that have another role (targets, split, cluster, group, time); naming one is an error
    for targets.

    Raises:
        DataError: an unknown column, a target among the inputs, or no input at all.
    """
    columns = [str(name) for name in table.columns]
    patterns = data.inputs or ()
    targets = {task.column: task.name for task in tasks}
    named = [name for name in patterns if name in columns or not is_pattern(name)]
    for name in named:
        if name in targets:
            what = f"'{name}' is the target of task '{targets[name]}', so the network would be shown the answer"
            raise DataError(what, where="data.inputs", fix="Remove it from the inputs")
    split = data.split or SplitSpec(column="split")
    roles = {*targets, data.cluster, split.column, split.group, split.time} - set(named)
    excluded = set(match_columns(data.exclude, columns, "data.exclude")) if data.exclude else set()
    matched = match_columns(patterns, columns, "data.inputs")
    inputs = [name for name in matched if name not in roles and name not in excluded]
    if not inputs:
        raise DataError("no input columns are left", where="data.inputs", fix="Name other columns: inputs: ['x_*']")
    return inputs


def _check_targets(tasks: tuple[TaskSpec, ...], table: pd.DataFrame) -> None:
    columns = [str(name) for name in table.columns]
    for index, task in enumerate(tasks):
        if task.column not in columns:
            what = f"task '{task.name}' has no column '{task.column}' to learn from"
            raise DataError(what, where=f"tasks[{index}].target", fix=nearest_name(task.column, columns))


def _tasks(asked: tuple[TaskSpec, ...], layout: Layout, table: pd.DataFrame) -> tuple[TaskSpec, ...]:
    """The tasks asked for with target, type and unit filled in from the layout's task of the same name or target."""
    if not asked:
        return layout.tasks
    by_name = {task.name: task for task in layout.tasks}
    by_column = {task.column: task for task in layout.tasks}
    completed = []
    for task in asked:
        known = by_column.get(task.column) or by_name.get(task.name)
        target = task.target or (known.column if known is not None else task.name)
        completed.append(task.model_copy(update={"target": target}))
    _check_targets(tuple(completed), table)
    return tuple(
        task.model_copy(
            update={
                "type": task.type or (known.type if known else infer_type(table[task.column])),
                "unit": task.unit or (known.unit if known else ""),
            }
        )
        for task in completed
        for known in (by_column.get(task.column),)
    )


def _kept(source: str, base: Path | None) -> str:
    """A source as a resolved spec has it."""
    if is_registered(source) or "${" in source:
        return source
    return str(((base or Path()) / source).absolute())
