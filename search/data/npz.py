"""npz archives as named arrays of equal length, judged before anything is unpacked; what they mean is ``tables``."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from search.data.splits import PART_NAMES
from search.errors import DataError

__all__ = ["LARGEST_UNPACKED", "PART_COLUMN", "read_arrays"]

LARGEST_UNPACKED = 4 * 1024**3
"""Bytes that a file may unpack to."""

PART_COLUMN = "split"
"""Says which part a row is in where the archive holds every part in arrays of its own."""

_LARGEST_RATIO = 100

Array = NDArray[Any]


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an archive, all of one length.

    Arrays for each part (``x_train``, ``x_val``, ``x_test``) are put together as ``x``, and ``split`` says where a row
    came from.

    Returns:
        Arrays [N, ...] of numbers, truth values, times or texts with up to four dimensions; nothing is unpickled.

    Raises:
        DataError: not such an archive; ``where`` names file and array.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                _check_entry(archive, entry, path)
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > LARGEST_UNPACKED:
            what = f"unpacks to {unpacked:,} bytes, at most {LARGEST_UNPACKED:,} are read"
            raise DataError(what, where=str(path), fix="Give fewer rows or columns")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        arrays = {
            name: np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array for name, array in arrays.items()
        }
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"is not a readable npz file: {reason}", where=str(path), fix="Write it again") from None
    arrays = _joined(arrays, path)
    _check_lengths(arrays, path, "others have")
    return arrays


def _joined(arrays: Mapping[str, Array], path: Path) -> dict[str, Array]:
    """Arrays of the parts one under the other, where the name of every array ends in a part."""
    named = {name: name.rpartition("_")[::2] for name in arrays}
    parts = list(dict.fromkeys(part for _, part in named.values()))
    stems = list(dict.fromkeys(stem for stem, _ in named.values()))
    if len(parts) < 2 or not all(part in PART_NAMES for part in parts) or PART_COLUMN in stems or "" in stems:
        return dict(arrays)
    for stem in stems:
        missing = next((part for part in parts if f"{stem}_{part}" not in arrays), None)
        if missing is not None:
            fix = "Give every part all arrays, or one array for all parts"
            raise DataError(f"has no array '{stem}_{missing}'", where=str(path), fix=fix)
        if len({arrays[f"{stem}_{part}"].shape[1:] for part in parts}) > 1:
            shapes = ", ".join(str(arrays[f"{stem}_{part}"].shape) for part in parts)
            what = f"the parts have the shapes {shapes}"
            raise DataError(what, where=f"{path}, arrays '{stem}_*'", fix="Give all parts rows of the same shape")
    for part in parts:
        _check_lengths({f"{stem}_{part}": arrays[f"{stem}_{part}"] for stem in stems}, path, "others of that part have")
    joined = {stem: np.concatenate([arrays[f"{stem}_{part}"] for part in parts]) for stem in stems}
    rows = [len(arrays[f"{stems[0]}_{part}"]) for part in parts]
    return {**joined, PART_COLUMN: np.repeat(np.array(parts), rows)}


def _check_lengths(arrays: Mapping[str, Array], path: Path, others: str) -> None:
    lengths = Counter(len(values) for values in arrays.values())
    if len(lengths) > 1:
        usual = lengths.most_common(1)[0][0]
        odd = next(name for name, values in arrays.items() if len(values) != usual)
        what = f"the array has {len(arrays[odd])} rows, {others} {usual}"
        raise DataError(what, where=f"{path}, array '{odd}'", fix="Give all arrays the same first dimension")


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    """One array of the archive, judged by its header alone: kind, dimensions, and the size they promise."""
    where = f"{path}, array '{entry.filename.removesuffix('.npy')}'"
    if entry.file_size > _LARGEST_RATIO * max(entry.compress_size, 1):
        what = f"unpacks to {entry.file_size:,} bytes from {entry.compress_size:,}"
        raise DataError(what, where=where, fix="Save it with numpy.savez, uncompressed")
    with archive.open(entry) as stream:
        shape, dtype, header = _npy_header(stream, where)
    if dtype.hasobject or dtype.kind not in "biufUSM":
        fix = "Save numbers, truth values or texts, as arrays of that type"
        raise DataError(f"holds values of type {dtype}", where=where, fix=fix)
    if not 1 <= len(shape) <= 4:
        fix = "Save for each of the N rows one value (N), one row of values (N, K) or one picture (N, height, width)"
        raise DataError(f"has the shape {shape}", where=where, fix=fix)
    promised = dtype.itemsize
    for length in shape:
        promised *= length  # Python integers: a forged header cannot overflow them
    if promised != entry.file_size - header:
        what = f"promises {promised:,} bytes and holds {entry.file_size - header:,}"
        raise DataError(what, where=where, fix="Write the file again")


def _npy_header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except (ValueError, TypeError, SyntaxError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"is not an array: {reason}", where=where, fix="Write it with numpy.savez") from None
    return shape, dtype, stream.tell()
