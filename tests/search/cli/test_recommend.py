"""The main job through the console script, with real training on Ray workers: interrupted, resumed, reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

pytestmark = pytest.mark.ray

ROOT = Path(__file__).resolve().parents[3]
SPEC = """\
name: small
data: {source: rows.csv, inputs: ["x_*"], split: {fractions: [0.6, 0.2, 0.2]}}
tasks:
  - {name: a, target: y_a, type: regression}
  - {name: b, target: y_b, type: regression}
  - {name: c, target: y_c, type: binary}
network: {widths: [16, 16], capacities: [1.0]}
training: {epochs: 60, batch_size: 8, seeds: 2}
affinity: {audit: 1}
budget: {inference: 2, max_networks: 2}
evidence: {seeds: 3, random_groupings: 2, draws: 10}
cluster: {workers: 2}
"""


def write_job(folder: Path) -> Path:
    """A small table with a missing label here and there, and a spec for it."""
    rows = ["x_0,x_1,y_a,y_b,y_c"]
    for i in range(300):
        x, z = (i % 17) / 8 - 1, (i % 23) / 11 - 1
        missing = i % 19 == 0
        rows.append(f"{x},{z},{x * z + x},{'' if missing else x - z},{int(x + z > 0)}")
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")
    spec = folder / "spec.yaml"
    spec.write_text(SPEC)
    return spec


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TASKGROUP_HOME": str(folder / "runs"), "PYTHONPATH": str(ROOT)}
    # A shell that starts the tests in the background makes them ignore Ctrl-C, and children inherit that.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from search.cli.app import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def trained(folder: Path) -> pd.DataFrame:
    (run,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    return pd.read_parquet(run / "trials.parquet")


def recorded(folder: Path) -> int:
    """Trials in the store of a run at work."""
    from search.store.store import Store

    if not (folder / "runs" / "store.sqlite3").exists():
        return 0
    with Store.open(folder / "runs", create=False) as store:
        page = store.list_runs()
        return page.runs[0].finished if page.runs else 0


@pytest.fixture(scope="module")
def interrupted_and_resumed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run that is stopped by Ctrl-C in the middle and resumed, and one that is left alone."""
    stopped, straight = tmp_path_factory.mktemp("stopped"), tmp_path_factory.mktemp("straight")
    process = start(stopped, "recommend", str(write_job(stopped)))
    deadline = time.monotonic() + 120
    while recorded(stopped) < 5:
        assert time.monotonic() < deadline, "no training was recorded in time"
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    first = finish(process)
    _, alive = psutil.wait_procs(children, timeout=10)
    before = recorded(stopped)
    resumed = finish(start(stopped, "resume", "latest", "--json"))
    whole = finish(start(straight, "recommend", str(write_job(straight)), "--json"))
    return {
        "first": first,
        "alive": alive,
        "before": before,
        "resumed": resumed,
        "whole": whole,
        "trials": trained(stopped),
        "folder": stopped,
    }


def test_ctrl_c_leaves_a_resumable_run_and_no_process(interrupted_and_resumed: dict[str, Any]) -> None:
    code, out, err = interrupted_and_resumed["first"]
    assert code == 130
    assert out == ""
    assert "go on with: taskgroup resume" in err
    assert "Traceback" not in err
    assert interrupted_and_resumed["alive"] == []


def test_resume_trains_nothing_twice(interrupted_and_resumed: dict[str, Any]) -> None:
    code, _, err = interrupted_and_resumed["resumed"]
    assert code == 0, err
    trials = interrupted_and_resumed["trials"]
    assert len(trials) > interrupted_and_resumed["before"] >= 5
    assert (trials["attempts"] == 1).all()
    assert trials["key"].is_unique


def test_a_resumed_run_recommends_exactly_what_an_undisturbed_one_does(interrupted_and_resumed: dict[str, Any]) -> None:
    resumed, whole = (json.loads(interrupted_and_resumed[name][1]) for name in ("resumed", "whole"))
    for field in ("solution", "verdict_text", "confirmed", "paired", "stability", "affinity"):
        for side in (resumed, whole):
            side[field].pop("seconds", None) if isinstance(side[field], dict) else None
        assert resumed[field] == whole[field], field


def test_results_come_from_at_least_two_worker_processes(interrupted_and_resumed: dict[str, Any]) -> None:
    workers = set(interrupted_and_resumed["trials"]["worker"])
    assert len(workers) >= 2
    assert not any(worker.endswith(f":{os.getpid()}") for worker in workers)


def test_with_json_stdout_is_one_object_and_stderr_is_quiet(interrupted_and_resumed: dict[str, Any]) -> None:
    code, out, err = interrupted_and_resumed["whole"]
    assert code == 0, err
    data = json.loads(out)
    assert data["verdict"] in {"grouping", "capacity", "separation", "noise", "unsure"}
    assert Path(data["report"]).name == "report.html"
    assert "trainings" not in err


def test_a_finished_run_is_listed_reported_and_not_resumed_again(interrupted_and_resumed: dict[str, Any]) -> None:
    folder = interrupted_and_resumed["folder"]
    code, out, _ = finish(start(folder, "runs", "--json"))
    assert code == 0
    assert [run["state"] for run in json.loads(out)["runs"]] == ["finished"]
    code, out, _ = finish(start(folder, "report", "latest", "--format", "md"))
    assert code == 0
    assert "small" in out
    code, out, err = finish(start(folder, "resume", "latest"))
    assert code == 2
    assert "is finished, there is nothing to resume" in err
