"""``taskgroup measure``: the complete table of a spec, in pieces if need be, and what reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from grouping.files.losses import read_curves, read_losses
from search.cli.app import run
from tests.search.cli.test_recommend import finish, start, write_job

SETTINGS = ("--vary", "data.rows=100,150", "--vary", "training.epochs=2,3")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measured in three pieces: no time at all, no time again, then to the end."""
    folder = tmp_path_factory.mktemp("measure")
    write_job(folder)
    code, out, err = finish(start(folder, "measure", "spec.yaml", "-o", "t.parquet", *SETTINGS, "--minutes", "0"))
    assert code == 0, err
    assert "stopped after 0 minutes" in out
    assert "of 56 trainings are done; go on with: taskgroup resume" in out
    assert not (folder / "t.parquet").exists()
    code, out, err = finish(start(folder, "resume", "latest", "--minutes", "0", "--json"))
    piece = json.loads(out)
    assert (code, piece["state"]) == (0, "interrupted"), err
    assert 0 < piece["done"] < 56, "every piece trains one pack at least"
    code, out, err = finish(start(folder, "resume", "latest", "--json"))
    assert (code, json.loads(out)["state"]) == (0, "finished"), err
    return folder / "t.parquet"


@pytest.mark.ray
def test_the_table_is_complete(table: Path) -> None:
    frame = pd.read_parquet(table)
    settings = frame[["data.rows", "training.epochs"]].drop_duplicates()
    assert sorted(settings.itertuples(index=False, name=None)) == [(100, 2), (100, 3), (150, 2), (150, 3)]
    cells = 3 * 1 + 3 * 2 + 1 * 3
    assert len(frame) == 4 * 2 * 2 * cells
    assert not frame.duplicated(["network", "seed", "task", "split", "data.rows", "training.epochs"]).any()
    about = json.loads(table.with_suffix(".json").read_text())
    assert (about["trainings"], about["failed"], about["networks"]) == (56, 0, 7)
    for setting in about["settings"]:
        assert {"val_halves", "val_attainable", "test_halves", "test_attainable"} == set(setting["noise_ceiling"])
    assert about["command"].startswith("taskgroup measure spec.yaml --vary=data.rows=100,150")


@pytest.mark.ray
def test_the_kept_state_is_read_off_the_curves_of_both_parts(table: Path) -> None:
    where = {"data.rows": "150", "training.epochs": "3"}
    curves = read_curves(table.with_name("t.curves.parquet"), where={**where, "split": "val"})
    tested = read_curves(table.with_name("t.curves.parquet"), where={**where, "split": "test"})
    chosen, scored = (read_losses(table, where={**where, "split": part}) for part in ("val", "test"))
    frame = pd.read_parquet(table).query("`data.rows` == 150 and `training.epochs` == 3 and network == 'a+c'")
    for (seed, task), rows in frame.groupby(["seed", "task"]):
        r, c = curves.seeds.index(str(seed)), curves.candidates.index(["a", "c"], 1.0)
        assert c is not None
        t = curves.candidates.tasks.index(str(task))
        s = round(float(rows["epoch"].iloc[0])) - 1
        assert chosen.losses_RCT[r, c, t] == pytest.approx(curves.curves_RCTS[r, c, t, s], rel=1e-6)
        assert scored.losses_RCT[r, c, t] == pytest.approx(tested.curves_RCTS[r, c, t, s], rel=1e-6)


@pytest.mark.ray
def test_the_solver_reads_it(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--where", "data.rows=150", "--where", "training.epochs=2", "--where", "split=val"]
    assert run(["solve", str(table), *where, "--score-where", "split=test", "--budget", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["proven_optimal"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "t.csv"], "is no Parquet file"),
        (["-o", "there.parquet"], "is there already"),
        (["-o", "missing/t.parquet"], "there is no folder missing"),
        (["-o", "t.parquet", "--vary", "data.row=5"], "row"),
    ],
)
def test_bad_input_is_refused_before_there_is_a_run(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_job(tmp_path)
    (tmp_path / "there.parquet").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path / "runs"))
    assert run(["measure", "spec.yaml", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.ray
def test_ways_to_share_are_candidates_of_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = write_job(tmp_path)
    wide = spec.read_text().replace("widths: [16, 16]", "widths: [48, 48]").replace("epochs: 60", "epochs: 1")
    spec.write_text(wide + "architectures: [mtan]\n")
    code, _, err = finish(start(tmp_path, "measure", "spec.yaml", "-o", "t.parquet"))
    assert code == 0, err
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert not frame.duplicated(["network", "candidate", "seed", "task", "split"]).any()
    assert set(frame["candidate"]) == {"", "mtan"}
    assert set(frame.loc[frame["candidate"] == "mtan", "network"]) == {"a+b", "a+c", "b+c", "a+b+c"}
    where = ["--where", "split=val", "--score-where", "split=test"]
    assert run(["solve", str(tmp_path / "t.parquet"), *where, "--budget", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["proven_optimal"]


def test_a_policy_that_would_be_searched_first_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = write_job(tmp_path)
    spec.write_text(spec.read_text() + "architectures: [adashare]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path / "runs"))
    assert run(["measure", "spec.yaml", "-o", "t.parquet"]) == 2
    error = capsys.readouterr().err
    assert "architectures" in error
    assert "'adashare' is searched" in error
    assert not (tmp_path / "t.parquet").exists()
