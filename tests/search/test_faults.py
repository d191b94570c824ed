"""The points where a process can be told to die; what must hold afterwards is in ``tests/faults``."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

from search import faults

ROOT = Path(__file__).resolve().parents[2]
CODE = "from search.faults import passing\nfor i in range(1, 6):\n    passing('phase.begin'); print(i, flush=True)"


def _process(fault: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != faults.FAULT_VARIABLE}
    if fault is not None:
        environment[faults.FAULT_VARIABLE] = fault
    return subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_a_process_dies_at_the_passage_it_was_told() -> None:
    done = _process("phase.begin:3")
    assert (done.returncode, done.stdout.split()) == (-signal.SIGKILL, ["1", "2"])


def test_other_points_and_later_passages_leave_it_alone() -> None:
    for fault in (None, "phase.end:1", "phase.begin:6"):
        assert (_process(fault).returncode, _process(fault).stderr) == (0, "")


def test_a_point_that_does_not_exist_is_told_with_the_nearest() -> None:
    for fault, said in {
        "phase.beginn:1": "Did you mean 'phase.begin'?",
        "phase.begin:0": "Give POINT:N",
        "phase.begin": "Give POINT:N",
    }.items():
        assert said in _process(fault).stderr


def test_every_point_is_described_and_passed_by_the_code() -> None:
    assert set(faults.POINTS) == set(get_args(faults.Point))
    passed = set()
    for file in (ROOT / "search").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "passing":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant)
                passed.add(argument.value)
    assert passed == set(faults.POINTS)
