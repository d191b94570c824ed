"""Loss tables as files: one row a (network, task), in CSV or Parquet, read strictly and written whole.

Columns: ``network`` (task names joined by ``+``), ``task``, ``loss``; optional ``cost`` (default 1.0), ``cost_flops``,
``cost_parameters``, ``cost_latency_ms``, ``candidate``, ``seed`` (replicates), ``step`` (curves), ``source`` (measured
or estimated). Whatever could be read in two ways is refused with file and line, never guessed.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np

from grouping.budget import BudgetUnit
from grouping.candidates import Candidates, FloatArray
from grouping.curves import CurveTable
from grouping.errors import InputError, TableError
from grouping.files.sheet import (
    Sheet,
    decimal,
    escaped,
    finite,
    natural_order,
    read_sheet,
    shown,
    unescaped,
    write_whole,
)
from grouping.losses import LossTable
from grouping.tasks import SEPARATOR, check_task_names

__all__ = ["losses_csv", "read_curves", "read_losses", "write_losses"]

_UNITS: tuple[BudgetUnit, ...] = tuple(unit for unit in get_args(BudgetUnit) if unit != "snt")
_OPTIONAL = {"cost", "candidate", "seed", "source", "step", *(f"cost_{unit}" for unit in _UNITS)}


def read_losses(
    path: str | os.PathLike[str],
    *,
    loss_column: str = "loss",
    group_column: str = "network",
    higher_is_better: bool = False,
    where: Mapping[str, str] | None = None,
) -> LossTable:
    """Read a loss table.

    Tasks stand in the order in which the networks spell them; where no network tells, by name. So the order of rows
    does not matter.

    Args:
        path: A ``.csv`` or ``.parquet`` file.
        loss_column: Name of the column with the losses.
        group_column: Name of the column with the networks.
        higher_is_better: The column holds gains or accuracies; they are negated, as lower is better everywhere here.
        where: Keep the rows whose columns have these values, compared as numbers where both are numbers.

    Raises:
        TableError: with file and line, and what to do.
    """
    sheet = read_sheet(Path(path), where or {}, {group_column, "task", loss_column}, _OPTIONAL)
    cells = list(_cells(sheet, loss_column, group_column))
    if "step" in sheet.header and len({cell.step for cell in cells}) > 1:
        raise TableError(
            f"column 'step' takes several values ({shown({f'{cell.step:g}' for cell in cells})})",
            where=sheet.name,
            fix="Choose one with --where step=N, or estimate from an early one with --estimator early-stopping",
        )
    layout = _Layout(sheet, cells, group_column)
    sign = -1.0 if higher_is_better else 1.0
    losses_RCT = np.full((len(layout.seeds), len(layout.candidates), layout.candidates.n_tasks), np.nan)
    estimated_CT = np.zeros(losses_RCT.shape[1:], dtype=bool)
    first: dict[tuple[int, int, int], _Cell] = {}
    for cell in cells:
        place = layout.place(cell)
        if place in first:
            raise _repeated(sheet, first[place], cell, loss_column)
        first[place] = cell
        losses_RCT[place] = sign * cell.loss
        estimated_CT[place[1:]] |= cell.estimated
    return LossTable(layout.candidates, losses_RCT, layout.seeds, estimated_CT)


def read_curves(
    path: str | os.PathLike[str],
    *,
    loss_column: str = "loss",
    group_column: str = "network",
    higher_is_better: bool = False,
    where: Mapping[str, str] | None = None,
) -> CurveTable:
    """Read losses along training: the same table with a ``step`` column. Arguments and errors as ``read_losses``."""
    sheet = read_sheet(Path(path), where or {}, {group_column, "task", loss_column, "step"}, _OPTIONAL)
    cells = list(_cells(sheet, loss_column, group_column))
    layout = _Layout(sheet, cells, group_column)
    steps = sorted({cell.step for cell in cells})
    position = {step: s for s, step in enumerate(steps)}
    shape = (len(layout.seeds), len(layout.candidates), layout.candidates.n_tasks, len(steps))
    curves_RCTS = np.full(shape, np.nan)
    sign = -1.0 if higher_is_better else 1.0
    first: dict[tuple[int, int, int, int], _Cell] = {}
    for cell in cells:
        place = (*layout.place(cell), position[cell.step])
        if place in first:
            raise _repeated(sheet, first[place], cell, loss_column)
        first[place] = cell
        curves_RCTS[place] = sign * cell.loss
    return CurveTable(layout.candidates, np.array(steps, dtype=np.int64), curves_RCTS, layout.seeds)


def write_losses(table: LossTable, path: str | os.PathLike[str]) -> None:
    """Write a loss table as CSV that ``read_losses`` reads back.

    Raises:
        InputError: the file cannot be written.
    """
    write_whole(Path(path), losses_csv(table))


def losses_csv(table: LossTable) -> str:
    """A loss table as CSV that ``read_losses`` reads back; ``candidate``, ``seed`` and ``source`` always there."""
    candidates = table.candidates
    units = [unit for unit in _UNITS if unit in candidates.other_costs_C]
    names = ["network", "cost", "candidate", "seed", "task", "loss", "source", *(f"cost_{unit}" for unit in units)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    assert table.estimated_CT is not None
    for c in range(len(candidates)):
        network, label = escaped(candidates.name(c)), escaped(candidates.label_C[c])
        others = [repr(float(candidates.other_costs_C[unit][c])) for unit in units]
        for r, seed in enumerate(table.seeds):
            for t in np.flatnonzero(~np.isnan(table.losses_RCT[r, c])).tolist():
                source = "estimated" if table.estimated_CT[c, t] else "measured"
                cost, loss = repr(float(candidates.cost_C[c])), repr(float(table.losses_RCT[r, c, t]))
                writer.writerow([network, cost, label, escaped(seed), escaped(table.tasks[t]), loss, source, *others])
    return buffer.getvalue()


@dataclass(frozen=True)
class _Cell:
    """One interpreted row."""

    line: int
    row: list[str]
    network: str
    task: str
    loss: float
    cost: float
    candidate: str
    seed: str
    step: int
    estimated: bool
    others: tuple[float, ...]


def _cells(sheet: Sheet, loss_column: str, group_column: str) -> Iterator[_Cell]:
    at = {name: column for column, name in enumerate(sheet.header)}
    costs = [at[f"cost_{unit}"] for unit in _present(sheet)]
    for line, row in zip(sheet.lines, sheet.rows, strict=True):

        def text(name: str, default: str, row: list[str] = row) -> str:
            return unescaped(row[at[name]]) if name in at else default

        source = text("source", "measured")
        if source not in {"measured", "estimated"}:
            raise TableError(f"source is '{source}'", where=sheet.at(line), fix="Write measured or estimated")
        cost = finite(sheet, line, "cost", row[at["cost"]]) if "cost" in at else 1.0
        others = tuple(finite(sheet, line, sheet.header[column], row[column]) for column in costs)
        least = min((cost, *others))
        if least < 0:
            raise TableError(f"a cost is negative: {least:g}", where=sheet.at(line), fix="Costs are 0 or more")
        step = finite(sheet, line, "step", row[at["step"]]) if "step" in at else 0.0
        yield _Cell(
            line=line,
            row=row,
            network=unescaped(row[at[group_column]]),
            task=unescaped(row[at["task"]]),
            loss=finite(sheet, line, loss_column, row[at[loss_column]]),
            cost=cost,
            candidate=text("candidate", ""),
            seed=text("seed", ""),
            step=int(step),
            estimated=source == "estimated",
            others=others,
        )


def _present(sheet: Sheet) -> list[BudgetUnit]:
    return [unit for unit in _UNITS if f"cost_{unit}" in sheet.header]


class _Layout:
    """Tasks, candidates and seeds of a table, and where each row stands among them."""

    def __init__(self, sheet: Sheet, cells: Sequence[_Cell], group_column: str) -> None:
        spelled: dict[str, tuple[str, ...]] = {}
        for cell in cells:
            if cell.network not in spelled:
                spelled[cell.network] = _members(sheet, cell, group_column)
            if cell.task not in spelled[cell.network]:
                raise TableError(
                    f"task '{cell.task}' is no member of {group_column} '{cell.network}'",
                    where=sheet.at(cell.line),
                    fix=f"A {group_column} is named by all its tasks, joined by '{SEPARATOR}'",
                )
        tasks = _task_order(list(spelled.values()))
        try:
            check_task_names(tasks, sheet.name)
        except InputError as error:
            raise TableError(error.what, where=error.where, fix=error.fix) from None
        self._task = {task: t for t, task in enumerate(tasks)}
        self._set = {name: frozenset(self._task[member] for member in members) for name, members in spelled.items()}
        self.seeds = tuple(sorted({cell.seed for cell in cells}, key=natural_order))
        self._seed = {seed: r for r, seed in enumerate(self.seeds)}
        self._candidate: dict[tuple[frozenset[int], float, str], int] = {}
        others: list[tuple[float, ...]] = []
        for cell in cells:
            identity = self._identity(cell)
            c = self._candidate.setdefault(identity, len(self._candidate))
            if c == len(others):
                others.append(cell.others)
            elif others[c] != cell.others:
                raise TableError(
                    f"'{cell.network}' has several values of {' or '.join(f'cost_{unit}' for unit in _present(sheet))}",
                    where=sheet.at(cell.line),
                )
        members_CT = np.zeros((len(self._candidate), len(tasks)), dtype=bool)
        for (members, _, _), c in self._candidate.items():
            members_CT[c, list(members)] = True
        other_CU: FloatArray = np.array(others, dtype=float).reshape(len(others), -1)
        self.candidates = Candidates(
            tuple(tasks),
            members_CT,
            np.array([cost for _, cost, _ in self._candidate]),
            tuple(label for _, _, label in self._candidate),
            {unit: other_CU[:, u] for u, unit in enumerate(_present(sheet))},
        )

    def _identity(self, cell: _Cell) -> tuple[frozenset[int], float, str]:
        return (self._set[cell.network], cell.cost, cell.candidate)

    def place(self, cell: _Cell) -> tuple[int, int, int]:
        """Replicate, candidate, task."""
        return self._seed[cell.seed], self._candidate[self._identity(cell)], self._task[cell.task]


def _members(sheet: Sheet, cell: _Cell, group_column: str) -> tuple[str, ...]:
    members = tuple(cell.network.split(SEPARATOR))
    if len(set(members)) < len(members) or not all(members):
        raise TableError(
            f"{group_column} '{cell.network}' names a task twice or an empty one",
            where=sheet.at(cell.line),
            fix=f"Join the names of its tasks by '{SEPARATOR}', each once",
        )
    return members


def _task_order(networks: Sequence[Sequence[str]]) -> list[str]:
    """The order in which networks spell their tasks; what they leave open, or contradict, by name."""
    after: dict[str, set[str]] = {task: set() for members in networks for task in members}
    for members in networks:
        for first, second in pairwise(members):
            after[first].add(second)
    before = dict.fromkeys(after, 0)
    for followers in after.values():
        for task in followers:
            before[task] += 1
    order: list[str] = []
    left = sorted(after, key=natural_order)
    while left:
        task = next((task for task in left if before[task] == 0), left[0])
        left.remove(task)
        order.append(task)
        for follower in after[task]:
            before[follower] -= 1
    return order


def _repeated(sheet: Sheet, first: _Cell, second: _Cell, loss_column: str) -> TableError:
    differing = [
        name
        for name, a, b in zip(sheet.header, first.row, second.row, strict=True)
        if a != b and name not in _OPTIONAL | {loss_column} and decimal(a) is not None
    ]
    fix = "Add a seed column if these are replicates"
    if differing:
        fix = f"The two rows differ in {', '.join(differing)}: choose with --where {differing[0]}=VALUE"
    return TableError(
        f"task '{second.task}' of '{second.network}' (cost {second.cost:g}, candidate '{second.candidate}'"
        + (f", seed {second.seed}" if second.seed else "")
        + f") stands already in {sheet.unit} {first.line}",
        where=sheet.at(second.line),
        fix=fix,
    )
