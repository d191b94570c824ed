"""The first spec for somebody's data: a commented YAML text that runs as it stands. ``init`` writes it to a file."""

from __future__ import annotations

from string import Template

from search.data.layout import Layout, Source
from search.data.splits import split_rows
from search.documents import on_one_line
from search.spec import TaskSpec

__all__ = ["draft_spec"]

# Trainings of about 1,000 to 2,000 steps: long enough for a small network to settle, short enough to train hundreds.
_LARGE_TABLE, _SMALL_TABLE = 10_000, 5_000
_NETWORKS = 3
_SMALLEST_IMAGE = 4  # pixels across that two convolutions, each followed by halving, need

_SPEC = Template(
    """\
# Which of these tasks should share a network?
#   taskgroup plan SPEC        says what will be trained and what that costs
#   taskgroup recommend SPEC   does it, and writes a report
name: $name

data:
  source: $source  # a data set's name, or a CSV, Parquet or npz file (relative to this file, or $${TASKGROUP_DATA}/...)
  inputs: $inputs  # columns or globs; targets and the columns below are never inputs
$categorical\
$split\
$cluster\

# type: regression, binary or multiclass. An empty cell of a target is a label that is not known, and is left out.
# weight: a task's share in the objective. role: auxiliary = trained for the others' sake, never served.
# metric: what decides, each relative to the task alone: loss, absolute error (regression) or error rate (classes).
tasks:
$tasks

# The trunk at 1 SNT (standard network time), and the sizes it may have, in SNT.
network: {trunk: $trunk, widths: $widths, capacities: $capacities}

# Every candidate is trained this way, once for each of the seeds; with fewer than 3 nothing is told from noise.
training: {epochs: $epochs, batch_size: $batch, learning_rate: 1.0e-3, seeds: 3}

# higher-order: train single tasks and pairs, estimate larger groups from them, measure what is chosen.
# measured: train every group. early-stopping: train every group for a while.
affinity: {estimator: higher-order}

# What serving may cost in all, in SNT, and in how many networks at most.
budget: {inference: $budget, unit: snt, max_networks: $networks}
"""
)


def draft_spec(name: str, path: str, source: Source, layout: Layout) -> str:
    """A spec for a table, or for pictures with a table.

    Args:
        name: Of the spec.
        path: What goes into ``data.source``.
        source: The rows, for how long to train; pictures ask for another network.
        layout: What the columns are for.
    """
    n_train = len(split_rows(source.table, layout.split).train)
    n_tasks = len(layout.tasks)
    networks = min(_NETWORKS, max(n_tasks - 1, min(n_tasks, 2)))  # fewer than tasks, or there is little to ask
    split = layout.split.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    pictures = len(layout.inputs) == 1 and layout.inputs[0] in source.images
    pictures = pictures and min(source.images[layout.inputs[0]].shape[2:]) >= _SMALLEST_IMAGE
    return _SPEC.substitute(
        name=on_one_line(name),
        source=on_one_line(path),
        inputs=on_one_line(list(layout.inputs)),
        categorical=_line("categorical", list(layout.categorical) or None, "one 0/1 column for each value"),
        split=_line("split", split, "a column, or seeded fractions (of rows; of groups: group; in order: time)"),
        cluster=_line("cluster", layout.cluster, "rows that belong together, for honest intervals"),
        tasks="\n".join(f"  - {on_one_line(_entry(task))}" for task in layout.tasks),
        trunk="cnn" if pictures else "mlp",
        widths=[16, 32, 64] if pictures else [64, 64],
        capacities=[1.0, float(networks)] if networks > 1 else [1.0],
        epochs=12 if n_train >= _LARGE_TABLE else 20 if n_train >= _SMALL_TABLE else 40,
        batch=256 if n_train >= _LARGE_TABLE else 64,
        budget=networks,
        networks=networks,
    )


def _line(key: str, value: object, comment: str) -> str:
    return "" if value is None else f"  {key}: {on_one_line(value)}  # {comment}\n"


def _entry(task: TaskSpec) -> dict[str, object]:
    entry = {"name": task.name, "target": task.target, "type": task.type, "unit": task.unit or None}
    return {key: value for key, value in entry.items() if value is not None and (key != "target" or value != task.name)}
