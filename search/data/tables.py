"""CSV, Parquet and npz files as tables: refused or read whole, never guessed. What columns mean is ``infer``.

Files come from strangers: sizes and shapes are checked against caps before anything is unpacked, nothing is unpickled.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from search.data.images import as_images, stand_in
from search.data.layout import Source
from search.data.npz import LARGEST_UNPACKED, read_arrays
from search.documents.files import check_regular_file, decode_utf8
from search.errors import DataError

__all__ = ["FORMATS", "LARGEST_FILE", "MOST_COLUMNS", "read_source"]

LARGEST_FILE = 512 * 1024**2
MOST_COLUMNS = 10_000
_LONGEST_FIELD = 131_072


def read_source(path: Path) -> Source:
    """Read a table whose format the file name's ending tells.

    Returns:
        A table of at least one row and column; column names are distinct texts; the index counts rows from 0.

    Raises:
        DataError: the file cannot be read as such a table; ``where`` names file, line or column.
    """
    check_regular_file(path, largest=LARGEST_FILE, kind=DataError)
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(FORMATS)
        raise DataError(f"the ending '{path.suffix}' is none of {known}", where=str(path), fix="Convert the file")
    source = reader(path)
    if len(source.table) == 0:
        raise DataError("has a header and no rows", where=str(path), fix="Give a table with rows")
    return source


def _read_csv(path: Path) -> pd.DataFrame:
    names = _check_csv(path)
    options: dict[str, Any] = {"encoding": "utf-8-sig", "low_memory": False}
    table: pd.DataFrame = pd.read_csv(path, **options)
    table.columns = pd.Index(names)
    # In a column of texts 'NA' or 'null' is a value like any other; only an empty cell is missing.
    texts = [i for i, name in enumerate(names) if not pd.api.types.is_numeric_dtype(table[name].dtype)]
    doubtful = [i for i in texts if table.iloc[:, i].isna().any()]
    if doubtful:
        literal = pd.read_csv(path, usecols=doubtful, dtype=str, keep_default_na=False, na_values=[""], **options)
        for position, i in enumerate(doubtful):
            table[names[i]] = literal.iloc[:, position]
    return table


def _check_csv(path: Path) -> list[str]:
    """Look at every line before pandas does: it would fill short rows and rename repeated columns without a word."""
    with path.open("rb") as raw:
        head = raw.read(65_536)
        if not head:
            raise DataError("is empty", where=str(path), fix="Give a table with a header line and rows")
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            decode_utf8(head, str(path), DataError)
    previous = csv.field_size_limit(_LONGEST_FIELD)
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            names = next(reader, [])
            _check_names(names, str(path))
            line = reader.line_num + 1
            for row in reader:
                if len(row) != len(names) and row:
                    raise _ragged(row, names, f"{path}:{reader.line_num}")
                if any("\0" in cell for cell in row):
                    raise DataError("contains a NUL", where=f"{path}:{reader.line_num}", fix="Remove it")
                line = reader.line_num + 1
    except UnicodeDecodeError:
        decode_utf8(path.read_bytes(), str(path), DataError)
        raise
    except csv.Error as error:
        raise DataError(f"is not CSV: {error}", where=f"{path}:{line}", fix="Check quotes in that line") from None
    finally:
        csv.field_size_limit(previous)
    return names


def _ragged(row: Sequence[str], names: Sequence[str], where: str) -> DataError:
    fix = "Give every row a cell for each column, empty where the value is missing"
    if len(row) > len(names):
        fix = "Quote cells that contain commas, and write decimals with a point, not a comma"
    return DataError(f"has {len(row)} cells, the header has {len(names)}", where=where, fix=fix)


def _check_names(names: Sequence[str], where: str) -> None:
    """Refuse headers that name no columns, too many, or two alike."""
    if len(names) > MOST_COLUMNS:
        raise DataError(f"has {len(names):,} columns, at most {MOST_COLUMNS:,} are read", where=where, fix="Drop some")
    if len(names) <= 1:
        line = names[0] if names else ""
        for mark, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in line:
                fix = "Save it with commas between cells and a point in decimals"
                raise DataError(f"is separated by {called}, not commas", where=where, fix=fix)
    if not any(name.strip() for name in names):
        raise DataError("has no header line", where=where, fix="Put the names of the columns in the first line")
    for position, name in enumerate(names, start=1):
        if not name.strip():
            fix = "Name it, or write the table without its index: to_csv(..., index=False)"
            raise DataError(f"column {position} has no name", where=where, fix=fix)
        if not name.isprintable():
            what = f"the column name {name!a} contains a control character"
            raise DataError(what, where=where, fix="Use printable names on one line")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"the column '{twice[0]}' appears twice", where=where, fix="Rename one of them")


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            footer = file.metadata
            unpacked = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
            _check_names(file.schema_arrow.names, str(path))
            _check_unpacked(max(unpacked, footer.num_rows * 8), path)
            table = file.read()
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        fix = "Write the file again; it may have been cut off"
        raise DataError(f"is not a whole Parquet file: {reason}", where=str(path), fix=fix) from None
    for field in table.schema:
        if pyarrow.types.is_nested(field.type):
            what = f"holds {field.type} values, one number or text a cell is needed"
            raise DataError(what, where=f"{path}, column '{field.name}'", fix="Give each element its own column")
    # pandas' own index, written along when it was not a plain count, is no column of the data
    table = table.drop_columns([name for name in table.schema.names if name.startswith("__index_level_")])
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _read_npz(path: Path) -> Source:
    """Arrays of equal length: a one-dimensional one is a column, ``X`` of shape (N, K) becomes ``X_0`` .. ``X_K-1``.

    Three dimensions are pictures (N, height, width), four are pictures of several channels (N, channels, ...).
    """
    arrays = read_arrays(path)
    images = {name: as_images(array, f"{path}, array '{name}'") for name, array in arrays.items() if array.ndim > 2}
    columns: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        columns.update({name: stand_in(images[name])} if name in images else _columns_of(name, array, path))
    _check_names(list(columns), str(path))
    return Source(pd.DataFrame(columns), images=images)


def _columns_of(name: str, array: NDArray[Any], path: Path) -> dict[str, NDArray[Any]]:
    if array.ndim == 1:
        return {name: array}
    if array.shape[1] > MOST_COLUMNS:
        what, fix = f"has {array.shape[1]:,} columns", f"At most {MOST_COLUMNS:,}"
        raise DataError(what, where=f"{path}, array '{name}'", fix=fix)
    return {f"{name}_{k}": array[:, k] for k in range(array.shape[1])}


def _check_unpacked(size: int, path: Path) -> None:
    if size > LARGEST_UNPACKED:
        what = f"unpacks to {size:,} bytes, at most {LARGEST_UNPACKED:,} are read"
        raise DataError(what, where=str(path), fix="Give fewer rows or columns")


FORMATS: dict[str, Callable[[Path], Source]] = {
    ".csv": lambda path: Source(_read_csv(path)),
    ".parquet": lambda path: Source(_read_parquet(path)),
    ".npz": _read_npz,
}
"""File name endings and how they are read."""
