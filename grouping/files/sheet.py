"""Tables as text cells with line numbers, from CSV or Parquet: what can be wrong before a cell has a meaning.

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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from grouping.errors import InputError, TableError
from grouping.files.neighbours import nearest_file
from grouping.tasks import nearest_name

__all__ = ["Sheet", "decimal", "escaped", "finite", "natural_order", "read_sheet", "shown", "unescaped", "write_whole"]

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_SHOWN = 8
_OPTIONS = {"loss": "name it with --loss-column", "network": "name it with --group-column"}


@dataclass(frozen=True)
class Sheet:
    """Text cells with their line numbers. ``unit`` is what rows are counted in: lines, or rows of a Parquet file."""

    name: str
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    unit: str

    def at(self, line: int) -> str:
        """Where a message about that line points."""
        return f"{self.name}, {self.unit} {line}"


def read_sheet(path: Path, where: Mapping[str, str], needed: set[str], optional: set[str]) -> Sheet:
    """The rows of a table that the conditions leave.

    Args:
        path: Parquet by its suffix (``.parquet``, ``.pq``), else CSV.
        where: Keep rows whose columns have these values, compared as numbers where both are numbers.
        needed: Columns that must be there.
        optional: Columns that have a meaning too; any other column of text must be constant.

    Raises:
        TableError: with file and line, and what to do.
    """
    sheet = _read_parquet(path) if path.suffix.lower() in {".parquet", ".pq"} else _read_csv(path)
    for name in sorted(needed):
        if name not in sheet.header:
            option = f" or {_OPTIONS[name]}" if name in _OPTIONS else ""
            fix = f"Add it{option}. {nearest_name(name, sheet.header)}"
            raise TableError(f"there is no column '{name}'", where=sheet.name, fix=fix)
    for name, value in where.items():
        if name not in sheet.header:
            raise TableError(f"there is no column '{name}'", where=sheet.name, fix=nearest_name(name, sheet.header))
        column = sheet.header.index(name)
        kept = [i for i, row in enumerate(sheet.rows) if _same(row[column], value)]
        if not kept:
            values = shown({row[column] for row in sheet.rows})
            raise TableError(f"no row has {name}={value}", where=sheet.name, fix=f"'{name}' takes: {values}")
        sheet = replace(sheet, rows=[sheet.rows[i] for i in kept], lines=[sheet.lines[i] for i in kept])
    for column, name in enumerate(sheet.header):
        taken = {row[column] for row in sheet.rows}
        if name not in needed | optional and len(taken) > 1 and any(decimal(value) is None for value in taken):
            raise TableError(
                f"column '{name}' takes several values: {shown(taken)}",
                where=sheet.name,
                fix=f"Choose one with --where {name}=VALUE, or remove the column",
            )
    return sheet


def _read_csv(path: Path) -> Sheet:
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
    return Sheet(str(path), header, rows, lines, "line")


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
        raise TableError("there is no such file", where=str(path), fix=nearest_file(path)) from None
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


def _read_parquet(path: Path) -> Sheet:
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
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Sheet(str(path), header, rows, list(range(1, len(rows) + 1)), "row")


def finite(sheet: Sheet, line: int, column: str, cell: str) -> float:
    """A cell as a number.

    Raises:
        TableError: it is empty, no number, not a number or infinite.
    """
    value = decimal(cell)
    if value is not None and math.isfinite(value):
        return value
    if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", cell):
        raise TableError(f"{column} '{cell}' has a decimal comma", where=sheet.at(line), fix="Write it with a point")
    found = f"is '{cell}'" if cell.strip() else "is empty"
    fix = "Leave out the rows of what was not measured" if column == "loss" else "Write a number in every row"
    raise TableError(f"{column} {found}, not a finite number", where=sheet.at(line), fix=fix)


def decimal(text: str) -> float | None:
    """The number that a text is, None where it is none."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _same(cell: str, wanted: str) -> bool:
    a, b = decimal(cell), decimal(wanted)
    return a == b if a is not None and b is not None else cell == wanted


def shown(values: Iterable[str]) -> str:
    """Values for a message, at most a handful."""
    ordered = sorted(values, key=natural_order)
    more = f", ... ({len(ordered)} in all)" if len(ordered) > _SHOWN else ""
    return ", ".join(value or "(empty)" for value in ordered[:_SHOWN]) + more


def natural_order(name: str) -> tuple[bool, float, str]:
    """Numbers by value, before other names in alphabetic order."""
    return (False, float(name), name) if name.isdecimal() else (True, 0.0, name)


def escaped(name: str) -> str:
    """A name as a cell that no spreadsheet runs."""
    return f"'{name}" if _FORMULA.match(name) else name


def unescaped(cell: str) -> str:
    """The inverse of ``escaped``."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_whole(path: Path, text: str) -> None:
    """Write under a temporary name, sync and rename: readers see the old file or the new one, whole.

    Raises:
        InputError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write the table: {error.strerror}", where=str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
