"""Setting up says in one line what is missing, before it makes anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("fails_at", "message"),
    [
        ("version_info", "older than Python 3.11; say: make PY=python3.11"),
        ("ensurepip", "apt-get install python3-venv"),
    ],
)
def test_a_python_that_will_not_do_is_told(tmp_path: Path, fails_at: str, message: str) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *{fails_at}*) exit 1 ;; esac\n')
    python.chmod(0o755)
    _assert_told(python, tmp_path / "venv", message)


def test_a_python_that_is_not_there_is_told(tmp_path: Path) -> None:
    _assert_told(tmp_path / "nowhere", tmp_path / "venv", "install Python 3.11 or newer")


def _assert_told(python: Path, venv: Path, message: str) -> None:
    command = ["make", "setup", f"PY={python}", f"VENV={venv}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not venv.exists()
