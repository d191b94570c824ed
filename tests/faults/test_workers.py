"""Workers that die, swell, or run code that does what it likes: each loses its own training at most."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from search.decision.measurement import Measurement
from search.desk import Unseen
from search.pace import Forecast
from search.store.store import Store
from search.training.packs import train_plain
from search.training.state_files import StateFiles
from search.trials import Trial, TrialResult
from tests.contract.trainings import digest, experiment
from tests.faults import FULL, jobs
from tests.search.training.planted import planted, planted_experiment

if TYPE_CHECKING:
    from search.execution.ray_executor import RayExecutor

Note = Callable[[str, object], None]
pytestmark = pytest.mark.ray
ROOT = Path(__file__).resolve().parents[2]


class _Kills:
    """Progress that kills a worker whenever some trainings more have ended."""

    def __init__(self, store: Store, run: str, every: int, most: int) -> None:
        self._store, self._run, self._every, self._most = store, run, every, most
        self._ended = self.kills = 0

    def foresee(self, forecast: Forecast) -> None: ...

    def start(self, label: str, total: int, done: int) -> None: ...

    def advance(self, failed: bool) -> None:
        self._ended += 1
        if self._ended % self._every or self.kills == self._most:
            return
        worker = self._store.trials(self._run)[-1].worker
        time.sleep(0.02)  # it is in the middle of its next training by now
        os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)
        self.kills += 1

    def finish(self) -> None: ...


@pytest.mark.fault("R1", "SIGKILL of a worker in the middle of a training, again and again")
def test_trainings_of_killed_workers_are_repeated_to_the_same_bits(
    ray_executor: RayExecutor, tmp_path: Path, record_property: Note
) -> None:
    common = experiment()
    names = [task.name for task in common.dataset.tasks]
    trials = [Trial(tuple(names[: 1 + seed % 3]), 1.0, seed) for seed in range(60 if FULL else 16)]
    with Store.open(tmp_path) as store:
        run = store.create_run("x", "recommend", "", {})
        store.set_state(run, "running")
        kills = _Kills(store, run, 5, len(trials))
        found = Measurement(store, run, ray_executor, train_plain, kills).measure(common, "search", "x", trials)
        records = store.trials(run)
    assert kills.kills >= 2
    assert [record.state for record in records] == ["finished"] * len(trials)
    assert {record.key for record in records} == {trial.key(common.context) for trial in trials}
    for trial in random.Random(1).sample(trials, 4):
        (alone,) = train_plain(common, (jobs.course(trial),))
        assert isinstance(alone, TrialResult)
        assert digest(found[trial]) == digest(alone)
    record_property("count", kills.kills)
    record_property("figure", f"{len(trials)} of {len(trials)} trainings recorded once, bits as undisturbed")


@pytest.mark.fault("R1", "SIGKILL of a worker whenever it has made its second checkpoint, at either point")
@pytest.mark.parametrize(("point", "epochs"), [("checkpoint.after", 4), ("checkpoint.before", 3)])
def test_a_killed_training_goes_on_from_its_checkpoint(
    point: str, epochs: int, ray_executor: RayExecutor, tmp_path: Path, record_property: Note
) -> None:
    """Whoever began anew would make two checkpoints again, and die of it again."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    alone = planted_experiment(planted(missing=0.1), epochs=epochs)
    common = replace(alone, state_files=StateFiles(folder, 0.0))
    trials = [Trial(("t0", "t1"), 1.0, seed) for seed in (1, 2)]
    with Store.open(tmp_path) as store:
        run = store.create_run("x", "recommend", "", {})
        store.set_state(run, "running")
        train = jobs.DiesAt(f"{point}:2")
        found = Measurement(store, run, ray_executor, train, Unseen()).measure(common, "search", "x", trials)
        told = [(event.kind, event.payload["text"]) for event in store.events(run) if "text" in event.payload]
        assert {record.key for record in store.trials(run)} == {trial.key(common.context) for trial in trials}
        about = {event.payload["key"] for event in store.events(run) if "text" in event.payload}
        assert about == {trial.key(common.context) for trial in trials}
    went_on = f"went on after {epochs // 2} of {epochs} readings"
    assert sorted(told) == [("note", f"t0+t1, search with seed {seed}: {went_on}") for seed in (1, 2)]
    for trial, whole in zip(trials, train_plain(alone, tuple(map(jobs.course, trials))), strict=True):
        assert isinstance(whole, TrialResult)
        assert digest(found[trial]) == digest(whole)
    assert list(folder.iterdir()) == []
    record_property("count", len(trials))
    record_property("figure", f"{point}: {epochs - epochs // 2} of {epochs} epochs were left to train, same bits")


@pytest.mark.fault("R17", "prints 40 MB")
def test_a_job_that_prints_without_end_does_not_fill_the_disk(ray_executor: RayExecutor, record_property: Note) -> None:
    (outcome,) = ray_executor.run(jobs.prints, None, [40_000_000])
    assert outcome.failure == ""
    time.sleep(1.0)  # whoever writes the log is another process
    largest = max(path.stat().st_size for path in _logs().rglob("*") if path.is_file())
    assert largest < 11_000_000
    record_property("figure", f"largest log {largest / 1e6:.1f} MB")


@pytest.mark.fault("R17", "goes to another folder")
def test_a_job_that_changes_its_folder_changes_no_other_jobs(ray_executor: RayExecutor) -> None:
    folders = [outcome.result for outcome in ray_executor.run(jobs.wanders, None, ["/"] * 6)]
    assert len(set(folders)) == 1
    assert folders[0] != "/"


@pytest.mark.fault("R17", "starts processes that it leaves behind")
def test_what_a_job_started_ends_with_its_worker(
    ray_executor: RayExecutor, tmp_path: Path, record_property: Note
) -> None:
    pids = tmp_path / "pids"
    (outcome,) = ray_executor.run(jobs.forks_and_hangs, None, [str(pids)], timeout_seconds=3)
    assert outcome.failure == "timed out after 3 s"
    began = time.monotonic()
    assert len(pids.read_text().split()) == 2
    family = [psutil.Process(int(pid)) for pid in pids.read_text().split() if psutil.pid_exists(int(pid))]
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    record_property("figure", f"2 processes gone {time.monotonic() - began:.1f} s after their worker")


@pytest.mark.fault("R15", "a worker that takes 1 GB more than the machine's limit for Ray")
def test_a_worker_out_of_memory_fails_alone(tmp_path: Path, record_property: Note) -> None:
    memory = psutil.virtual_memory()
    if memory.available < 7e9:
        pytest.skip("less than 7 GB of memory are free")
    # Room for whoever else starts something meanwhile: the limit is the machine's, and would hit the wrong worker.
    threshold = (memory.total - memory.available + 4e9) / memory.total
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {
        "HOME": str(tmp_path),
        "RAY_memory_usage_threshold": f"{threshold:.4f}",
        "RAY_memory_monitor_refresh_ms": "100",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.memory", str(int(5e9))],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert [one["failure"] for one in outcomes["jobs"]] == ["", "out of memory", ""]
    assert outcomes["seconds"] < 60
    record_property("figure", f"failed as 'out of memory' after {outcomes['seconds']:.0f} s, the others went on")


def _logs() -> Path:
    import ray

    node: Any = ray._private.worker._global_node
    return Path(node.get_logs_dir_path())
