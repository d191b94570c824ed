"""``taskgroup plan``: what a spec amounts to, in words and as JSON, before anything is trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.cli.app import run

ROOT = Path(__file__).resolve().parents[3]

SPEC = """\
name: small
data: {source: synthetic}
network: {widths: [16, 16]}
training: {epochs: 2, seeds: 2}
affinity: {estimator: higher-order, audit: 3}
budget: {inference: 2, max_networks: 2}
evidence: {seeds: 3, random_groupings: 2}
"""

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def test_candidates_trainings_and_the_estimator_are_said(spec: Path, capsys: Captured) -> None:
    assert run(["plan", str(spec)]) == 0
    out, _ = capsys.readouterr()
    assert "63 networks of up to 6 tasks, 22 of them trained at once" in out
    assert "larger groups estimated from them (HOA)" in out
    assert "at most 2 networks" in out
    assert "expected  at most" in out
    assert "taskgroup plan --probe" in out


def test_json_counts_what_the_words_say(spec: Path, capsys: Captured) -> None:
    assert run(["plan", str(spec), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["candidates"], plan["trained_candidates"], plan["estimator"]) == (63, 22, "higher-order")
    trainings = {phase["phase"]: phase["trainings"] for phase in plan["phases"]}
    assert trainings["search"] == 22 * 2
    assert trainings["audit"] == 3 * 2
    assert all(phase["expected_trainings"] <= phase["trainings"] for phase in plan["phases"])
    assert plan["expected_trainings"] == sum(phase["expected_trainings"] for phase in plan["phases"])
    assert not any("minutes" in phase for phase in plan["phases"])


def test_33_a_budget_too_small_exits_with_3_and_says_what_would_do(spec: Path, capsys: Captured) -> None:
    spec.write_text(SPEC.replace("inference: 2", "inference: 0.5"))
    assert run(["plan", str(spec), "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["minimum_budget"] == 1.0
    assert "Raise it to 1 snt" in err


@pytest.mark.ray
def test_a_probe_adds_minutes_and_memory(spec: Path) -> None:
    # A process of its own: this one may hold the suite's Ray cluster, and there is one to a process.
    code = "import sys; from search.cli.app import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "plan", str(spec), "--probe", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=spec.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert all(phase["minutes"] > 0 for phase in plan["phases"])
    assert plan["probe"]["memory_mb"] > 50


def test_ways_to_share_and_balancing_are_said(spec: Path, capsys: Captured) -> None:
    assert run(["plan", str(spec)]) == 0
    assert not {"Sharing", "Balancing"} & set(capsys.readouterr().out.split())
    balanced = SPEC.replace("seeds: 2}", "seeds: 2, balancing: upgrad}", 1).replace("[16, 16]", "[64, 64]")
    spec.write_text(balanced + "architectures: [mtan, ple experts=9]\n")
    assert run(["plan", str(spec)]) == 0
    out, _ = capsys.readouterr()
    assert "hard, mtan, ple experts=9" in out
    assert "upgrad: a backward pass for each task" in out
