"""The engine that ``training.engine: auto`` chooses, and whether it is ever slower than the plain one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from search.decision.engine_choice import choose_engine
from search.decision.enumeration import make_plan
from search.execution.executor import InlineExecutor
from search.spec import Spec
from tests.benchmarks.training.convolutions import other_cells
from tests.benchmarks.training.grid import Cell, measured, mlp_cells
from tests.benchmarks.training.job import mixed_groups, trials
from tests.benchmarks.training.measurement import Measurement

__all__ = ["engine"]

_LONG = 100_000
"""Epochs of the run that the choice is made for; a short one is left to the plain engine unmeasured."""


def engine(*, quick: bool) -> Iterator[Measurement]:
    """Every cell: the choice, and its time over plain's for a full pack and for a single network."""
    with other_cells() as others:
        for cell in mlp_cells()[2:3] if quick else [*mlp_cells(), *others]:
            yield from _beside_plain(cell, quick=quick)


def _beside_plain(cell: Cell, *, quick: bool) -> Iterator[Measurement]:
    chosen, rounds = _chosen(cell), 2 if quick else 3
    for size in (1, 8):
        label = f"{cell.label}, {size} together"
        found = {row.contender: row for row in measured("engine", label, cell, trials(mixed_groups(size)), rounds)}
        pairs = zip(found[chosen].samples, found["plain"].samples, strict=True)
        yield replace(found[chosen], unit="of plain's time", samples=tuple(mine / plain for mine, plain in pairs))


def _chosen(cell: Cell) -> str:
    """What a run over all pairs of the data set would be trained with."""
    asked = cell.experiment("plain", _LONG)
    spec = Spec.model_validate(
        {
            "name": "benchmark",
            "data": {"source": "synthetic"},
            "tasks": [{"name": task.name, "type": task.type} for task in asked.dataset.tasks],
            "network": cell.network,
            "training": asked.training.model_copy(update={"engine": "auto"}),
            "budget": {"inference": 3},
        }
    )
    n_inputs = asked.dataset.train.inputs_NF.shape[1]
    plan = make_plan(spec, asked.dataset.tasks, n_inputs, asked.dataset.classes_T)
    return choose_engine(plan, replace(asked, training=spec.training), InlineExecutor()).engine
