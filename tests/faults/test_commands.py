"""The real command with real trainings on Ray: killed, or interrupted twice; and one worker against two."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from search.execution.executor import Executor, InlineExecutor
from search.run import run_recommendation
from search.store.store import Store
from tests.search.cli.test_recommend import finish, recorded, start, write_job
from tests.search.test_run import Quiet, Runs, job_of

if TYPE_CHECKING:
    from search.execution.ray_executor import RayExecutor

Note = Callable[[str, object], None]
pytestmark = pytest.mark.ray

GONE_SECONDS = 10.0
SLACK_SECONDS = 10.0
"""For a machine on which everything else is slow too; a quiet one needs 3 s, and Ray alone would take 60."""


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that has recorded its first trainings."""
    process = start(tmp_path, "recommend", str(write_job(tmp_path)))
    try:
        deadline = time.monotonic() + 200
        while recorded(tmp_path) < 2:
            assert time.monotonic() < deadline, "no training was recorded in time"
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.fault("R2", "SIGKILL of `taskgroup recommend` with its Ray cluster and real trainings")
def test_a_killed_command_leaves_no_process_and_is_resumed(
    at_work: subprocess.Popen[str], tmp_path: Path, record_property: Note
) -> None:
    family = psutil.Process(at_work.pid).children(recursive=True)
    folders = _folders(family)
    at_work.kill()
    at_work.communicate()
    began = time.monotonic()
    _, alive = psutil.wait_procs(family, timeout=GONE_SECONDS + SLACK_SECONDS)
    assert alive == []
    assert not any(folder.exists() for folder in folders), "what Ray wrote under /tmp is gone with it"
    gone = time.monotonic() - began
    before = recorded(tmp_path)
    code, _, err = finish(start(tmp_path, "resume", "latest"))
    assert code == 0, err
    with Store.open(tmp_path / "runs") as store:
        (run,) = store.list_runs().runs
        records = store.trials(run.id)
    assert run.finished == run.planned == len(records) > before
    assert {record.attempts for record in records} == {1}
    record_property("figure", f"0 processes after {gone:.1f} s; {run.finished} of {run.planned} trials, none twice")


@pytest.mark.fault("R6", "Ctrl-C twice, a tenth of a second apart, with real trainings on Ray")
def test_an_impatient_user_leaves_no_process_and_a_run_to_be_resumed(
    at_work: subprocess.Popen[str], tmp_path: Path, record_property: Note
) -> None:
    family = psutil.Process(at_work.pid).children(recursive=True)
    folders = _folders(family)
    at_work.send_signal(signal.SIGINT)
    time.sleep(0.1)
    at_work.send_signal(signal.SIGINT)
    began = time.monotonic()
    code, _, err = finish(at_work)
    _, alive = psutil.wait_procs(family, timeout=GONE_SECONDS + SLACK_SECONDS)
    assert alive == []
    assert not any(folder.exists() for folder in folders)
    gone = time.monotonic() - began
    assert code in {130, -signal.SIGINT}
    assert "Traceback" not in err
    with Store.open(tmp_path / "runs") as store:
        assert store.list_runs().runs[0].state == "interrupted"
    record_property("figure", f"exit {code}, 0 processes after {gone:.1f} s")


@pytest.mark.fault("R22", "cancelled twice while its Ray starts")
def test_a_run_that_is_cancelled_while_its_cluster_starts_frees_everything(
    tmp_path: Path, record_property: Note
) -> None:
    process = start(tmp_path, "recommend", str(write_job(tmp_path)))
    try:
        command, family = psutil.Process(process.pid), set[psutil.Process]()
        deadline = time.monotonic() + 200
        while len(family) < 3:  # the keeper, and the first of Ray's
            assert time.monotonic() < deadline, "Ray was not started in time"
            assert process.poll() is None, process.communicate()
            family |= set(command.children(recursive=True))
            time.sleep(0.05)
        with Store.open(tmp_path / "runs") as store:
            (run,) = store.list_runs().runs
            began = time.monotonic()
            for _ in range(2):
                store.ask(run.id, "cancel")
            while process.poll() is None:
                with suppress(psutil.Error):
                    family |= set(command.children(recursive=True))
                time.sleep(0.05)
            _, alive = psutil.wait_procs(family, timeout=GONE_SECONDS + SLACK_SECONDS)
            gone = time.monotonic() - began
            assert alive == []
            assert store.run(run.id).state == "cancelled"
            states = [event.payload["to"] for event in store.events(run.id) if event.kind == "state"]
        code, _, err = finish(process)
        assert states.count("cancelled") == 1
        assert code == 3
        assert "was cancelled" in err
        assert "Traceback" not in err
        record_property("figure", f"0 processes {gone:.1f} s after the first of two requests")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.fault("R28", "whole recommendations, real trainings: in this process, and on two workers")
def test_the_number_of_workers_decides_nothing(ray_executor: RayExecutor, tmp_path: Path) -> None:
    names = ("g0_0", "g0_1", "g1_0")
    job = job_of(
        tasks=[{"name": name, "target": f"y_{name}", "type": "regression"} for name in names],
        network={"widths": [16, 16], "capacities": [1.0]},
        training={"epochs": 3, "seeds": 2, "engine": "plain"},
        evidence={"seeds": 2, "random_groupings": 1, "draws": 5},
    )
    runs = Runs(tmp_path)

    def decided(executor: Executor) -> dict[str, object]:
        run = runs.create(job)
        found = run_recommendation(job, runs.store, run, runs.folder(run), executor, Quiet(), command="test")
        costs = [(cost.phase, cost.trainings) for cost in found.training_cost]
        passing = {"run", "created", "wall_seconds", "environment", "command", "training_cost"}
        return {**{name: value for name, value in vars(found).items() if name not in passing}, "costs": costs}

    alone, two = decided(InlineExecutor()), decided(ray_executor)
    runs.store.close()
    assert alone == two


def _folders(family: list[psutil.Process]) -> set[Path]:
    """Where a cluster of these processes has its temporary files."""
    words = [word for process in family for word in " ".join(process.cmdline()).replace("=", " ").split()]
    found = {Path("/tmp", word.split("/")[2]) for word in words if word.startswith("/tmp/tg-")}  # noqa: S108
    assert found
    return found
