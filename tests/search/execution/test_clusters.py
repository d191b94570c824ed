"""A cluster of two nodes on this machine: one is lost in the middle, then the head, and what must hold then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

CODE = """
import json, os, psutil, sys, threading, time
from pathlib import Path
from search.execution import ray_cluster
from search.execution.cluster_environment import driver_environment, environment
from search.execution.ray_executor import RayExecutor
from search.errors import ClusterError
from ray.cluster_utils import Cluster

def job(_, seconds):
    time.sleep(seconds)
    return seconds

ray_cluster._HEAD_SECONDS = 3.0
with environment(driver_environment(Path(sys.argv[1]))):
    size = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    second = cluster.add_node(**size)
    found = {}
    with RayExecutor(cluster.address, workers=2) as executor:
        outcomes, workers = [], set()
        for outcome in executor.run(job, None, [0.1] * 4 + [1.0] * 8):
            outcomes.append((outcome.index, outcome.result, outcome.failure))
            workers.add(outcome.worker)
            if len(outcomes) == 6:
                cluster.remove_node(second, allow_graceful=False)
        found["outcomes"], found["workers"] = sorted(outcomes), len(workers)
        killer = threading.Timer(1.0, cluster.head_node.kill_gcs_server)
        killer.start()
        began = time.monotonic()
        try:
            list(executor.run(job, None, [600.0]))
        except ClusterError as error:
            found["error"], found["seconds"] = error.as_json(), time.monotonic() - began
        killer.join()
    print(json.dumps(found), flush=True)
    for process in psutil.Process().children(recursive=True):
        process.kill()
    os._exit(0)  # Ray's own tidying waits for the head that is gone
"""


@pytest.mark.ray
def test_a_lost_node_loses_no_job_and_a_lost_head_is_said(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE, str(tmp_path / "state")]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    expected = [[index, seconds, ""] for index, seconds in enumerate([0.1] * 4 + [1.0] * 8)]
    assert found["outcomes"] == expected
    assert found["workers"] >= 2
    assert found["error"]["code"] == "cluster"
    assert "the head of the Ray cluster has not answered" in found["error"]["what"]
    assert "resume" in found["error"]["fix"]
    assert found["seconds"] < 60
    said = f"12 of 12 jobs after the loss of a node; the head's is said after {found['seconds']:.0f} s (3 s patience)"
    record_property("figure", said)
