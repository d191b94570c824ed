"""Curves for TensorBoard: every task of every finished training, once, in bounds, and what is left out is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search.cli.app import run as taskgroup
from search.output import tensorboard
from search.output.tensorboard import write_curves
from search.store.store import Store
from search.trials import Trial, TrialFailure, TrialResult


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path / "home"))
    with Store.open(tmp_path / "home") as store:
        run = store.create_run("weather", "recommend", "", {}, tasks=["a", "b"])
        store.set_state(run, "running")
        curve_TS = np.array([[3.0, 2.0], [5.0, 4.0]])
        for seed, tasks in ((0, ("a", "b")), (1, ("a",))):
            result = TrialResult(np.array([10, 20]), curve_TS[: len(tasks)], 0.1, "h:1")
            store.record_result(run, "search", Trial(tasks, 1.0, seed), f"key {seed}", result)
        store.record_failure(run, "search", Trial(("b",), 1.0, 0), "failed", TrialFailure("no"))
    return tmp_path


def run_of(home: Path) -> str:
    with Store.open(home / "home") as store:
        return store.run("latest").id


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What the event file of a training holds, read without TensorBoard."""
    from tensorboardX.event_file_writer import EventsWriter  # noqa: F401  (its records are what is read here)
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.glob("events.out.tfevents.*")
    data, found = file.read_bytes(), dict[str, list[tuple[int, float]]]()
    while data:
        length = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + length])
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
        data = data[12 + length + 4 :]
    return found


def test_every_reading_of_every_task_is_there_once_however_often_it_is_asked_for(home: Path) -> None:
    run = run_of(home)
    with Store.open(home / "home") as store:
        for _ in range(2):
            assert write_curves(store, run, home / "curves") == (2, 2)
    together = next(path for path in (home / "curves" / run).iterdir() if "a+b" in path.name)
    assert together.name.startswith("search a+b 1 seed 0 ")
    assert scalars(together) == {
        "validation_loss/a": [(10, 3.0), (20, 2.0)],
        "validation_loss/b": [(10, 5.0), (20, 4.0)],
    }
    assert len(list((home / "curves" / run).iterdir())) == 2


def test_two_tasks_never_share_a_curve(home: Path) -> None:
    with Store.open(home / "home") as store:
        run = store.create_run("odd", "recommend", "", {}, tasks=["wind u", "wind_u"])
        store.set_state(run, "running")
        result = TrialResult(np.array([1]), np.array([[1.0], [2.0]]), 0.1, "h:1")
        store.record_result(run, "search", Trial(("wind u", "wind_u"), 1.0, 0), "key", result)
        write_curves(store, run, home / "curves")
    (folder,) = (home / "curves" / run).iterdir()
    assert sorted(scalars(folder).values()) == [[(1, 1.0)], [(1, 2.0)]]


def test_more_than_it_can_bear_is_left_out_and_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tensorboard, "MOST_CURVES", 1)
    assert taskgroup(["report", "latest", "--tensorboard", str(home / "curves")]) == 0
    assert "showing 1 of 2 trainings" in capsys.readouterr().err
    assert len(list((home / "curves" / run_of(home)).iterdir())) == 1


def test_a_run_under_way_shows_what_it_has(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert taskgroup(["report", "latest", "--tensorboard", str(home / "curves"), "--json"]) == 0
    assert '"curves": 2' in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_leaves_with_5(home: Path) -> None:
    (home / "file").touch()
    assert taskgroup(["report", "latest", "--tensorboard", str(home / "file")]) == 5


def test_nobody_writes_curves_of_a_run_that_goes_on_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert taskgroup(["recommend", "spec.yaml", "--detach", "--tensorboard", "curves"]) == 2
    assert "taskgroup report RUN --tensorboard curves" in capsys.readouterr().err
