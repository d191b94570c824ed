"""Reading a run folder back: everything comes through, and what is missing or broken is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from grouping.errors import InputError, TableError
from grouping.report.content import Content, read_content
from tests.grouping.report.sample import nasty, weather, write_run


@pytest.mark.parametrize("sample", [weather, nasty])
def test_a_run_folder_is_read_back_as_it_was_written(sample: Callable[[], Content], tmp_path: Path) -> None:
    written = sample()
    read = read_content(write_run(written, tmp_path / "run"))
    assert read.recommendation == written.recommendation
    pd.testing.assert_frame_equal(read.curves, written.curves)
    assert read.losses["task"].tolist() == written.losses["task"].tolist()  # "NA" is a name, not a missing value


def test_without_tables_the_recommendation_still_reads(tmp_path: Path) -> None:
    folder = write_run(weather(), tmp_path)
    (folder / "curves.parquet").unlink()
    (folder / "losses.csv").unlink()
    content = read_content(folder)
    assert content.curves.empty
    assert content.losses.empty


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run folder"):
        read_content(tmp_path / "nothing")


def test_an_unfinished_run_says_how_to_finish_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recommendation yet.*taskgroup resume"):
        read_content(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_broken_recommendation_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "recommendation.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"recommendation\.json"):
        read_content(tmp_path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    data = weather().recommendation.to_json() | {"schema": 2}
    (tmp_path / "recommendation.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match="schema 2, this version reads 1"):
        read_content(tmp_path)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    data = weather().recommendation.to_json()
    del data["solution"]["bound"]
    (tmp_path / "recommendation.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match=r"solution\.bound: Field required"):
        read_content(tmp_path)


def test_a_table_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    folder = write_run(weather(), tmp_path)
    weather().curves.drop(columns="step").to_parquet(folder / "curves.parquet")
    with pytest.raises(TableError, match=r"curves\.parquet.*lacks the column 'step'"):
        read_content(folder)


@pytest.mark.parametrize("name", ["curves.parquet", "losses.csv"])
def test_a_truncated_table_is_refused(name: str, tmp_path: Path) -> None:
    folder = write_run(weather(), tmp_path)
    (folder / name).write_bytes(b"" if name == "losses.csv" else (folder / name).read_bytes()[:100])
    with pytest.raises(TableError, match=name):
        read_content(folder)
