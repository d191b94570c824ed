"""Loss tables as files: one row a (network, task), in CSV or Parquet, read strictly and written whole.

Columns: ``network`` (task names joined by ``+``), ``task``, ``loss``; optional ``cost`` (default 1.0), ``cost_flops``,
``cost_parameters``, ``cost_latency_ms``, ``candidate``, ``seed`` (replicates), ``step`` (curves), ``source`` (measured or
estimated). Whatever could be read in two ways is refused with file and line, never guessed.

A name that a spreadsheet would run as a formula (``=...``, ``-...``, ``@...``) is written with an apostrophe before it,
and an apostrophe before such a character is taken off when reading: reading gives back what was written.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import get_args

import numpy as np

from grouping.budget import BudgetUnit
from grouping.candidates import Candidates, FloatArray
from grouping.curves import CurveTable
from grouping.errors import InputError, TableError
from grouping.losses import LossTable
from grouping.tasks import SEPARATOR, check_task_names, nearest_name

__all__ = ["read_curves", "read_losses", "write_losses"]

_UNITS: tuple[BudgetUnit, ...] = tuple(unit for unit in get_args(BudgetUnit) if unit != "snt")
_OWN_COLUMNS = {"task", "cost", "candidate", "seed", "source", "step", *(f"cost_{unit}" for unit in _UNITS)}
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_SHOWN = 8


def read_losses(
    path: str | os.PathLike[str],
    *,
    loss_column: str = "loss",
    group_column: str = "network",
    higher_is_better: bool = False,
    where: Mapping[str, str] | None = None,
) -> LossTable:
    """Read a loss table.

    Tasks stand in the order in which the networks spell them; where no network tells, by name. So the order of rows does
    not matter.

    Args:
        path: A ``.csv`` or ``.parquet`` file.
        loss_column: Name of the column with the losses.
        group_column: Name of the column with the networks.
        higher_is_better: The column holds gains or accuracies; they are negated, as lower is better everywhere here.
        where: Keep the rows whose columns have these values, compared as numbers where both are numbers.

    Raises:
        TableError: with file and line, and what to do.
    """
    sheet = _read(Path(path), where or {}, {group_column, "task", loss_column})
    cells = list(_cells(sheet, loss_column, group_column))
    if "step" in sheet.header and len({cell.step for cell in cells}) > 1:
        raise TableError(
            f"column 'step' takes several values ({_list({f'{cell.step:g}' for cell in cells})})",
            where=sheet.name,
            fix="Choose one with --where step=N, or estimate from an early one with --estimator early-stopping",
        )
    layout = _Layout(sheet, cells, group_column)
    sign = -1.0 if higher_is_better else 1.0
    losses_RCT = np.full((len(layout.seeds), len(layout.candidates), layout.candidates.n_tasks), np.nan)
    estimated_CT = np.zeros(losses_RCT.shape[1:], dtype=bool)
    first: dict[tuple[int, int, int], _Cell] = {}
    for cell in cells:
        r, c, t = place = layout.place(cell)
        if place in first:
            raise _repeated(sheet, first[place], cell)
        first[place] = cell
        losses_RCT[place] = sign * cell.loss
        estimated_CT[c, t] |= cell.estimated
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
    sheet = _read(Path(path), where or {}, {group_column, "task", loss_column, "step"})
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
            raise _repeated(sheet, first[place], cell)
        first[place] = cell
        curves_RCTS[place] = sign * cell.loss
    return CurveTable(layout.candidates, np.array(steps, dtype=np.int64), curves_RCTS, layout.seeds)


def write_losses(table: LossTable, path: str | os.PathLike[str]) -> None:
    """Write a loss table as CSV that ``read_losses`` reads back; ``candidate``, ``seed`` and ``source`` always stand there.

    The file is written under a temporary name, synced and renamed: readers see the old file or the new one, whole.

    Raises:
        InputError: the file cannot be written.
    """
    candidates = table.candidates
    units = [unit for unit in _UNITS if unit in candidates.other_costs_C]
    names = ["network", "cost", "candidate", "seed", "task", "loss", "source", *(f"cost_{unit}" for unit in units)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    assert table.estimated_CT is not None
    for c in range(len(candidates)):
        network, label = _safe(candidates.name(c)), _safe(candidates.label_C[c])
        others = [repr(float(candidates.other_costs_C[unit][c])) for unit in units]
        for r, seed in enumerate(table.seeds):
            for t in np.flatnonzero(~np.isnan(table.losses_RCT[r, c])).tolist():
                source = "estimated" if table.estimated_CT[c, t] else "measured"
                cost, loss = repr(float(candidates.cost_C[c])), repr(float(table.losses_RCT[r, c, t]))
                writer.writerow([network, cost, label, _safe(seed), _safe(table.tasks[t]), loss, source, *others])
    _replace(Path(path), buffer.getvalue())


def _replace(path: Path, text: str) -> None:
    try:
        with NamedTemporaryFile("w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        Path(file.name).replace(path)
    except OSError as error:
        raise InputError(f"cannot write the table: {error.strerror}", where=str(path)) from None


def _safe(name: str) -> str:
    return f"'{name}" if _FORMULA.match(name) else name


def _unsafe(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


@dataclass(frozen=True)
class _Sheet:
    """Text cells with their line numbers. ``unit`` is what rows are counted in: lines, or rows of a Parquet file."""

    name: str
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    unit: str

    def at(self, line: int) -> str:
        return f"{self.name}, {self.unit} {line}"


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


def _read(path: Path, where: Mapping[str, str], needed: set[str]) -> _Sheet:
    """The rows that the conditions leave."""
    sheet = _read_parquet(path) if path.suffix.lower() in {".parquet", ".pq"} else _read_csv(path)
    for name in sorted(needed):
        if name not in sheet.header:
            option = {"loss": " or name it with --loss-column", "network": " or name it with --group-column"}.get(name, "")
            raise TableError(
                f"there is no column '{name}'", where=sheet.name, fix=f"Add it{option}. {nearest_name(name, sheet.header)}"
            )
    for name, value in where.items():
        if name not in sheet.header:
            raise TableError(f"there is no column '{name}'", where=sheet.name, fix=nearest_name(name, sheet.header))
        column = sheet.header.index(name)
        kept = [i for i, row in enumerate(sheet.rows) if _same(row[column], value)]
        if not kept:
            values = _list({row[column] for row in sheet.rows})
            raise TableError(f"no row has {name}={value}", where=sheet.name, fix=f"'{name}' takes: {values}")
        sheet = _Sheet(
            sheet.name, sheet.header, [sheet.rows[i] for i in kept], [sheet.lines[i] for i in kept], sheet.unit
        )
    for column, name in enumerate(sheet.header):
        values = {row[column] for row in sheet.rows}
        if name in _OWN_COLUMNS | needed or len(values) == 1 or all(_number(value) is not None for value in values):
            continue
        raise TableError(
            f"column '{name}' takes several values: {_list(values)}",
            where=sheet.name,
            fix=f"Choose one with --where {name}=VALUE, or remove the column",
        )
    return sheet


def _read_csv(path: Path) -> _Sheet:
    text = _decoded(path, _bytes(path))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(reader, None)
        if header is None:
            raise TableError("the file is empty", where=str(path), fix="Expected at least network,task,loss")
        _check_header(path, header)
        line = reader.line_num + 1
        for row in reader:
            if row and len(row) != len(header):
                raise TableError(
                    f"{len(row)} cells where the header has {len(header)}",
                    where=f"{path}, line {line}",
                    fix="Complete the row; quote cells that contain commas, and write decimals with a point",
                )
            if row:
                rows.append(row)
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"not valid CSV: {error}", where=f"{path}, line {reader.line_num}") from None
    if not rows:
        raise TableError("the table has a header and no rows", where=str(path))
    return _Sheet(str(path), header, rows, lines, "line")


def _check_header(path: Path, header: list[str]) -> None:
    for character, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and character in header[0]:
            raise TableError(
                f"columns are separated by {name}",
                where=f"{path}, line 1",
                fix="Save it with commas between columns, and points (not commas) in decimals",
            )
    for name in header:
        if header.count(name) > 1:
            raise TableError(f"column '{name}' appears twice", where=f"{path}, line 1", fix="Rename or remove one")


def _bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise TableError("this is a folder, not a table", where=str(path), fix="Name the file in it")
        if not stat.S_ISREG(mode):
            raise TableError("this is not a regular file", where=str(path), fix="Save the table to a file first")
        return path.read_bytes()
    except FileNotFoundError:
        raise TableError("there is no such file", where=str(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TableError(f"the file cannot be read: {reason}", where=str(path)) from None


def _decoded(path: Path, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4096]:
        raise TableError("the file is UTF-16 or binary, not UTF-8 text", where=str(path), fix="Save it as UTF-8 CSV")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TableError("not UTF-8 text", where=f"{path}, line {line}", fix="Save it as UTF-8 CSV") from None


def _read_parquet(path: Path) -> _Sheet:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = _bytes(path)
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise TableError(f"not a readable Parquet file: {reason}", where=str(path), fix="Write it again") from None
    header = list(table.column_names)
    _check_header(path, header)
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table.columns]
    if not table.num_rows:
        raise TableError("the table has a header and no rows", where=str(path))
    return _Sheet(str(path), header, [list(row) for row in zip(*columns, strict=True)], list(range(1, table.num_rows + 1)), "row")


def _cells(sheet: _Sheet, loss_column: str, group_column: str) -> Iterator[_Cell]:
    at = {name: column for column, name in enumerate(sheet.header)}
    costs = [at[f"cost_{unit}"] for unit in _present(sheet)]
    for line, row in zip(sheet.lines, sheet.rows, strict=True):

        def text(name: str, default: str, row: list[str] = row) -> str:
            return _unsafe(row[at[name]]) if name in at else default

        source = text("source", "measured")
        if source not in {"measured", "estimated"}:
            raise TableError(f"source is '{source}'", where=sheet.at(line), fix="Write measured or estimated")
        cost = _finite(sheet, line, "cost", row[at["cost"]]) if "cost" in at else 1.0
        others = tuple(_finite(sheet, line, sheet.header[column], row[column]) for column in costs)
        if min(cost, *others) < 0 if others else cost < 0:
            raise TableError(f"a cost is negative: {min(cost, *others, cost):g}", where=sheet.at(line), fix="Costs are 0 or more")
        step = _finite(sheet, line, "step", row[at["step"]]) if "step" in at else 0.0
        yield _Cell(
            line=line,
            row=row,
            network=_unsafe(row[at[group_column]]),
            task=_unsafe(row[at["task"]]),
            loss=_finite(sheet, line, loss_column, row[at[loss_column]]),
            cost=cost,
            candidate=text("candidate", ""),
            seed=text("seed", ""),
            step=int(step),
            estimated=source == "estimated",
            others=others,
        )


def _present(sheet: _Sheet) -> list[BudgetUnit]:
    return [unit for unit in _UNITS if f"cost_{unit}" in sheet.header]


def _finite(sheet: _Sheet, line: int, column: str, cell: str) -> float:
    value = _number(cell)
    if value is not None and math.isfinite(value):
        return value
    if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", cell):
        raise TableError(f"{column} '{cell}' has a decimal comma", where=sheet.at(line), fix="Write it with a point")
    shown = f"is '{cell}'" if cell.strip() else "is empty"
    raise TableError(
        f"{column} {shown}, not a finite number",
        where=sheet.at(line),
        fix="Leave out the row of what was not measured" if column not in {"cost", "step"} else "Write a number",
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _same(cell: str, wanted: str) -> bool:
    a, b = _number(cell), _number(wanted)
    return a == b if a is not None and b is not None else cell == wanted


def _list(values: Iterable[str]) -> str:
    ordered = sorted(values, key=_natural)
    more = f", ... ({len(ordered)} in all)" if len(ordered) > _SHOWN else ""
    return ", ".join(value or "(empty)" for value in ordered[:_SHOWN]) + more


def _natural(name: str) -> tuple[bool, float, str]:
    """Numbers by value, before other names in alphabetic order."""
    return (False, float(name), name) if name.isdecimal() else (True, 0.0, name)


class _Layout:
    """Tasks, candidates and seeds of a table, and where each row stands among them."""

    def __init__(self, sheet: _Sheet, cells: Sequence[_Cell], group_column: str) -> None:
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
        self.seeds = tuple(sorted({cell.seed for cell in cells}, key=_natural))
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


def _members(sheet: _Sheet, cell: _Cell, group_column: str) -> tuple[str, ...]:
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
        for first, second in zip(members, members[1:], strict=False):
            after[first].add(second)
    before = {task: 0 for task in after}
    for followers in after.values():
        for task in followers:
            before[task] += 1
    order: list[str] = []
    left = sorted(after, key=_natural)
    while left:
        task = next((task for task in left if before[task] == 0), left[0])
        left.remove(task)
        order.append(task)
        for follower in after[task]:
            before[follower] -= 1
    return order


def _repeated(sheet: _Sheet, first: _Cell, second: _Cell) -> TableError:
    differing = [
        name
        for name, a, b in zip(sheet.header, first.row, second.row, strict=True)
        if a != b and name not in _OWN_COLUMNS and _number(a) is not None
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
