"""What a run ran on: enough to make it again, and nothing about who or where."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from search.output.environment import describe_environment

ROOT = Path(__file__).resolve().parents[3]


def test_versions_hardware_and_what_the_caller_adds_are_there() -> None:
    found = describe_environment(workers=2)
    assert found["packages"]["torch"]
    assert found["cores"] >= 1
    assert found["workers"] == 2
    json.dumps(found)


def test_the_commit_is_the_checkouts() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    commit = describe_environment()["commit"].removesuffix("-dirty")
    assert len(commit) >= 7
    assert head.startswith(commit)


def test_no_name_of_the_machine_is_told() -> None:
    assert socket.gethostname() not in json.dumps(describe_environment())
