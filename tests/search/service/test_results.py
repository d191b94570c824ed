"""What came of a run, over REST: the content of its folder, page by page and file by file; runs side by side."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from search.service.gate import API
from search.trials import Trial, TrialFailure, TrialResult
from tests.grouping.report.sample import nasty, weather
from tests.search.service.serving import Served


@pytest.fixture(scope="module")
def run(served: Served) -> str:
    """A finished run of ada's."""
    return served.finished_run("ada", weather())


def test_the_recommendation_is_the_file_of_the_run(served: Served, run: str) -> None:
    with served.client() as client:
        found = client.get(f"{API}/runs/{run}/recommendation").json()
        frontier = client.get(f"{API}/runs/{run}/frontier").json()
        affinity = client.get(f"{API}/runs/{run}/affinity").json()
    told = json.loads((served.home / run / "recommendation.json").read_text())
    assert found == told
    assert frontier == {"unit": told["unit"], "points": told["frontier"]}
    assert affinity["entries"] == told["affinity"]


def test_tables_come_in_pages_and_say_how_much_there_is(served: Served, run: str) -> None:
    with served.client() as client:
        for name, most in (("losses", 1_000), ("curves", 100_000)):
            whole = client.get(f"{API}/runs/{run}/{name}", params={"limit": most}).json()
            assert whole["shown"] == whole["total"] == len(whole["rows"]) > 3
            page = client.get(f"{API}/runs/{run}/{name}", params={"limit": 2, "offset": 1}).json()
            assert page["rows"] == whole["rows"][1:3]
            assert page["total"] == whole["total"]
            beyond = client.get(f"{API}/runs/{run}/{name}", params={"offset": 10**9}).json()
            assert beyond["rows"] == []
        network = dict(zip(whole["columns"], whole["rows"][0], strict=True))["network"]
        some = client.get(f"{API}/runs/{run}/curves", params={"network": network, "limit": 100_000}).json()
    assert 0 < some["total"] < whole["total"]


def test_the_report_comes_in_every_format(served: Served, run: str) -> None:
    kinds = {
        "html": "text/html",
        "md": "text/markdown",
        "json": "application/json",
        "csv": "text/csv",
        "graphml": "application/xml",
    }
    with served.client() as client:
        for form, kind in kinds.items():
            answer = client.get(f"{API}/runs/{run}/report", params={"format": form})
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(kind)
            assert "attachment" in answer.headers["content-disposition"] or form == "html"
            assert len(answer.content) > 100
        page = client.get(f"{API}/runs/{run}/report")
        assert page.content == (served.home / run / "report.html").read_bytes()
        assert client.get(f"{API}/runs/{run}/report", params={"format": "pdf"}).status_code == 422


def test_networks_come_with_their_digest(served: Served, run: str) -> None:
    folder = served.home / run / "networks"
    folder.mkdir()
    weights = b"weights" * 100
    digest = hashlib.sha256(weights).hexdigest()
    (folder / "temp+rain.safetensors").write_bytes(weights)
    (folder / "temp+rain.sha256").write_text(f"{digest}  temp+rain.safetensors\n")
    with served.client() as client:
        listed = {file["name"]: file for file in client.get(f"{API}/runs/{run}/files").json()["files"]}
        assert listed["networks/temp+rain.safetensors"]["sha256"] == digest
        assert listed["recommendation.json"]["bytes"] == (served.home / run / "recommendation.json").stat().st_size
        for name in listed:
            answer = client.get(f"{API}/runs/{run}/files/{name}")
            assert answer.status_code == 200
            assert answer.content == (served.home / run / name).read_bytes()
            assert answer.headers["content-disposition"].startswith("attachment")
            assert answer.headers["content-type"] == "application/octet-stream"
        answer = client.get(f"{API}/runs/{run}/files/networks/temp%2Brain.safetensors")
        assert answer.headers["etag"] == f'"{digest}"'
        assert client.get(f"{API}/runs/{run}/files/networks/temp+rain.sha256").status_code == 404


def test_trials_are_listed_with_the_reasons_of_failures(served: Served) -> None:
    run = served.run_of("ada")
    store = served.store
    lease = store.take(run)
    good = TrialResult(np.arange(1, 4), np.ones((1, 3)), 0.5, "host:1", weights=b"w")
    for seed in range(4):
        store.record_result(run, "search", Trial(("a",), 1.0, seed), f"k{seed}", good)
    failed = Trial(("=cmd()",), 1.0, 9)
    store.record_failure(run, "search", failed, "bad", TrialFailure("non-finite loss at step 7", "detail"))
    lease.release("finished")
    with served.client() as client:
        found = client.get(f"{API}/runs/{run}/trials", params={"limit": 3}).json()
        assert (found["shown"], found["total"]) == (3, 5)
        bad = client.get(f"{API}/runs/{run}/trials", params={"state": "failed"}).json()["trials"]
        assert [trial["reason"] for trial in bad] == ["non-finite loss at step 7"]
        text = client.get(f"{API}/runs/{run}/trials", params={"format": "csv"}).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 5
    assert rows[-1]["network"] == "'=cmd()"


def test_a_run_without_results_says_in_which_state_it_is(served: Served) -> None:
    run = served.run_of("ada")
    with served.client() as client:
        for path in ("recommendation", "frontier", "affinity", "losses", "curves", "report"):
            answer = client.get(f"{API}/runs/{run}/{path}")
            assert answer.status_code == 409, path
            assert "queued" in answer.json()["what"]
        assert client.get(f"{API}/runs/{run}/files").json() == {"files": []}
        assert client.get(f"{API}/runs/{run}/log").json() == {"lines": []}


def test_the_log_is_shown_from_its_end(served: Served) -> None:
    run = served.run_of("ada")
    (served.home / run).mkdir()
    (served.home / run / "log.jsonl").write_text("".join(f'{{"line": {i}}}\n' for i in range(50_000)))
    with served.client() as client:
        lines = client.get(f"{API}/runs/{run}/log", params={"lines": 3}).json()["lines"]
    assert [json.loads(line)["line"] for line in lines] == [49_997, 49_998, 49_999]


def test_runs_are_compared_task_by_task(served: Served, run: str) -> None:
    other, waiting = served.finished_run("ada", nasty()), served.run_of("ada")
    with served.client() as client:
        found = client.get(f"{API}/comparisons", params={"run": [run, other, waiting]}).json()
        assert [one["run"]["id"] for one in found["runs"]] == [run, other, waiting]
        assert found["runs"][0]["verdict"] == weather().recommendation.verdict
        assert found["runs"][2]["verdict"] is None
        assert all(len(task["mean"]) == 3 for task in found["tasks"])
        assert {task["task"] for task in found["tasks"]} >= {"temp"}
        assert client.get(f"{API}/comparisons", params={"run": [run, run]}).status_code == 422
        assert client.get(f"{API}/comparisons").status_code == 422
        assert client.get(f"{API}/comparisons", params={"run": ["x"] * 21}).status_code == 422


def test_the_service_loads_nothing_that_trains(tmp_path: Path) -> None:
    import subprocess

    code = """
import sys
from pathlib import Path
from tests.search.service.serving import SPEC, serving
from tests.grouping.report.sample import weather
with serving(Path(sys.argv[1])) as served, served.client() as client:
    run = served.finished_run("ada", weather())
    assert client.post("/api/v1/runs", json=SPEC).status_code == 201
    assert client.post(f"/api/v1/runs/{run}/groupings", json={"budget": 3}).status_code == 200
    for path in ("recommendation", "report?format=csv", "curves", "files", "trials"):
        assert client.get(f"/api/v1/runs/{run}/{path}").status_code == 200, path
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert not {"torch", "ray", "optuna"} & set(done.stdout.split())
