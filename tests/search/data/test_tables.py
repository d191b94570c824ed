"""Tables are read whole and exactly, or refused with file and line; CSV, Parquet and npz say the same."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.data import tables
from search.data.tables import read_source
from search.errors import DataError
from tests.search.data.frames import table
from tests.search.messages import assert_one_clear_message


def read_table(path: Path) -> pd.DataFrame:
    return read_source(path).table


# id (number in the list of bad inputs, where it has one): content, place, words
BAD_CSV: dict[str, tuple[str | bytes, str, tuple[str, ...]]] = {
    "1-empty": ("", "t.csv", ("is empty",)),
    "5-utf-16": ("a,b\n1,2\n".encode("utf-16"), "t.csv", ("UTF-16", "UTF-8")),
    "6-invalid-utf-8": (b"a,b\n1,2\n\xe9,3\n", "t.csv:3", ("0xe9",)),
    "44-duplicate-columns": ("x,y,x\n1,2,3\n", "t.csv", ("'x'", "twice")),
    "45-long-row": ("a,b\n1,2\n1,2,3\n", "t.csv:3", ("3 cells", "2")),
    "45-short-row": ("a,b\n1,2\n1\n", "t.csv:3", ("1 cells", "2")),
    "46-header-only": ("a,b\n", "t.csv", ("no rows",)),
    "47-semicolons": ("a;b\n1;2\n", "t.csv", ("semicolons", "commas")),
    "47-semicolons-and-decimal-commas": ("a;b\n1,5;2,5\n", "t.csv", ("semicolons", "point")),
    "47-unquoted-decimal-commas": ("a,b\n1,5,2,5\n", "t.csv:2", ("point",)),
    "tabs": ("a\tb\n1\t2\n", "t.csv", ("tabs",)),
    "S8-nul": ("a,b\n1,\x002\n", "t.csv:2", ("NUL",)),
    "S8-long-cell": ("a,b\n" + "9" * 200_000 + ",2\n", "t.csv:2", ("is not CSV",)),
    "S8-too-many-columns": (",".join(f"c{n}" for n in range(10_001)) + "\n", "t.csv", ("10,001 columns",)),
    "open-quote": ('a,b\n"1,2\n', "t.csv:2", ("quotes",)),
    "no-name": (",a\n0,1\n", "t.csv", ("column 1 has no name", "index=False")),
    "17-ansi-in-a-name": ("a,\x1b[31mb\n1,2\n", "t.csv", ("control",)),
}


def _complaint(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_table(path)
    return caught.value


@pytest.mark.parametrize(("content", "where", "words"), BAD_CSV.values(), ids=BAD_CSV.keys())
def test_csv_that_is_refused(tmp_path: Path, content: str | bytes, where: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_one_clear_message(_complaint(path), where, *words)


def test_59_to_62_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "folder.csv").mkdir()
    assert_one_clear_message(_complaint(tmp_path / "pipe.csv"), "pipe.csv", "not a regular file")
    assert_one_clear_message(_complaint(tmp_path / "loop.csv"), "loop.csv", "cannot be opened")
    assert_one_clear_message(_complaint(tmp_path / "folder.csv"), "folder.csv", "folder")
    assert_one_clear_message(_complaint(tmp_path / "missing.csv"), "missing.csv", "no such file")


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv.gz", "t", "t.pkl"])
def test_other_formats_are_not_guessed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a,b\n1,2\n")
    assert_one_clear_message(_complaint(tmp_path / name), name, ".csv, .parquet, .npz")


def test_s8_files_over_the_cap_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST_FILE", 10)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    assert_one_clear_message(_complaint(tmp_path / "t.csv"), "t.csv", "12 bytes", "at most 10")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_58_truncated_parquet(tmp_path: Path, share: float) -> None:
    table().to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: int(share * len(whole))])
    assert_one_clear_message(_complaint(tmp_path / "t.parquet"), "t.parquet", "Parquet")


def test_parquet_with_lists_in_cells(tmp_path: Path) -> None:
    pd.DataFrame({"a": [[1, 2], [3]]}).to_parquet(tmp_path / "t.parquet")
    assert_one_clear_message(_complaint(tmp_path / "t.parquet"), "column 'a'", "list")


def _npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_56_npz_with_an_object_array(tmp_path: Path) -> None:
    path = _npz(tmp_path / "t.npz", a=np.array([1, "x", None], dtype=object))
    assert_one_clear_message(_complaint(path), "array 'a'", "object")


def _forged(path: Path, shape: str, data: bytes = b"") -> Path:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data)
    return path


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(4294967296, 4294967296)", "(3,)"])
def test_57_npz_whose_header_promises_more_than_there_is(tmp_path: Path, shape: str) -> None:
    assert_one_clear_message(_complaint(_forged(tmp_path / "t.npz", shape)), "array 'a'", "promises")


def test_s7_npz_that_unpacks_to_far_more_than_it_is(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", a=np.zeros(1_000_000))
    assert_one_clear_message(_complaint(tmp_path / "t.npz"), "array 'a'", "unpacks to")


def test_43_npz_with_complex_numbers(tmp_path: Path) -> None:
    assert_one_clear_message(_complaint(_npz(tmp_path / "t.npz", a=np.ones(3, dtype=complex))), "array 'a'", "complex")


def test_npz_with_arrays_of_several_lengths(tmp_path: Path) -> None:
    path = _npz(tmp_path / "t.npz", a=np.ones(3), b=np.ones(3), c=np.ones(4))
    assert_one_clear_message(_complaint(path), "array 'c'", "4 rows")


@pytest.mark.parametrize("shape", [(), (3, 1, 2, 2, 2)])
def test_npz_with_arrays_of_too_many_or_no_dimensions(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert_one_clear_message(_complaint(_npz(tmp_path / "t.npz", a=np.ones(shape))), "array 'a'", "shape")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY"], ids=["empty", "torn", "npy"])
def test_npz_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.npz").write_bytes(content)
    assert_one_clear_message(_complaint(tmp_path / "t.npz"), "t.npz", "npz")


def test_s7_a_pickle_in_an_archive_is_never_loaded(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue())
    assert_one_clear_message(_complaint(tmp_path / "t.npz"), "array 'a'", "object")


def test_4_and_47_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_bytes(b"a,b\n1,2.5\n3,\n")
    (tmp_path / "odd.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,2.5\r\n3,\r\n")
    pd.testing.assert_frame_equal(read_table(tmp_path / "plain.csv"), read_table(tmp_path / "odd.csv"))


def test_21_na_is_a_text_among_texts_and_missing_among_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("country,x\nNA,1\nnull,NA\n,nan\nDE,4\n")
    read = read_table(tmp_path / "t.csv")
    assert read["country"].tolist()[:2] == ["NA", "null"]
    assert read["country"].isna().tolist() == [False, False, True, False]
    assert read["x"].isna().tolist() == [False, True, True, False]


def test_quoted_commas_and_line_breaks_belong_to_the_cell(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n"x, y\nz",1\n')
    assert read_table(tmp_path / "t.csv")["a"].tolist() == ["x, y\nz"]


def test_npz_arrays_become_columns(tmp_path: Path) -> None:
    path = _npz(tmp_path / "t.npz", x=np.arange(6.0).reshape(3, 2), y=np.array(["a", "b", "c"]))
    read = read_table(path)
    assert list(read.columns) == ["x_0", "x_1", "y"]
    assert read["x_1"].tolist() == [1.0, 3.0, 5.0]


def test_the_index_pandas_writes_along_is_no_column(tmp_path: Path) -> None:
    frame = table().iloc[::-1]
    frame.to_parquet(tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet").columns) == list(frame.columns)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=20))
def test_three_formats_give_the_same_numbers(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    folder = tmp_path_factory.mktemp("formats")
    frame = pd.DataFrame({"a": values, "n": range(len(values))})
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    _npz(folder / "t.npz", a=frame["a"].to_numpy(), n=frame["n"].to_numpy())
    for ending in ("csv", "parquet", "npz"):
        read = read_table(folder / f"t.{ending}")
        np.testing.assert_array_equal(read["a"].to_numpy(dtype=float), np.array(values))
        assert list(read.columns) == ["a", "n"]


@settings(max_examples=300, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=80),
        st.text(st.sampled_from('ab1,;"\n\r\t .-\ufeff\0é'), max_size=60).map(lambda text: text.encode()),
    ),
    ending=st.sampled_from(["csv", "npz", "parquet"]),
)
def test_no_bytes_give_anything_but_a_table_or_a_complaint(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"t.{ending}"
    path.write_bytes(content)
    with suppress(DataError):  # any other error fails the test
        read = read_table(path)
        assert len(read) > 0
        assert read.columns.is_unique
