"""The names at the top of the repository are few and fixed: packages, tests, configs, results, what tools insist on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ALLOWED = {
    "grouping",
    "search",
    "tests",
    "configs",
    "results",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "constraints",
}


def test_nothing_else_stands_at_the_top() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nobody can say what belongs to it")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.check_output(command, cwd=ROOT, text=True).rstrip("\0").split("\0")
    top = {name.partition("/")[0] for name in files}
    assert {name for name in top if not name.startswith(".")} <= ALLOWED
    assert {"grouping", "search", "tests", "pyproject.toml"} <= top
