"""Inject every fault as often as was promised, and write ``results/faults.json`` and ``faults.md``.

``python -m tests.faults [--few] [R-number ...]``
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import pytest

from tests import faults
from tests.benchmarks.halving.run import facts
from tests.benchmarks.startup import ROOT
from tests.faults import FULL_VARIABLE
from tests.faults.ledger import ELSEWHERE, Ledger, markdown, renewed

WITHOUT = {
    "R25": "small runs beside 20 requests a second: `python -m tests.faults.soak`, `results/soak.md`",
    "R26": "10,000 runs and 100,000 trainings: `results/benchmarks/scale.md` and `service.md`",
    "R27": "100 watchers of the service as a process, with its memory: `results/benchmarks/service.md`",
}
"""Where else faults are measured."""


def main() -> int:
    """Returns pytest's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("numbers", nargs="*", metavar="R", help="only these, R7 for example; other rows stay")
    parser.add_argument("--few", action="store_true", help="as often as in the suite")
    parser.add_argument("--minutes", type=float, default=90.0, help="begin nothing after so long; the table says so")
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "results",
        help="folder of the results; rows that are there and were not begun this time stay",
    )
    asked = parser.parse_args()
    os.environ[FULL_VARIABLE] = "0" if asked.few else "1"
    faults.FULL = not asked.few  # this package was read before the variable was set
    os.chdir(ROOT)
    began = time.monotonic()
    ledger = Ledger(tuple(asked.numbers), began + 60 * asked.minutes)
    elsewhere = [test for tests in ELSEWHERE.values() for test, _ in tests]
    options = ["-v", "-p", "no:cacheprovider", "--timeout=900", "-o", "junit_family=xunit1"]
    code = int(pytest.main([*options, "tests/faults", *dict.fromkeys(elsewhere)], plugins=[ledger]))
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        return code  # what was cut short is no result
    page = asked.output / "faults.json"
    before = json.loads(page.read_text(encoding="utf-8"))["rows"] if page.exists() else []
    machine = facts()
    data = {
        "command": " ".join(["python -m tests.faults", *sys.argv[1:]]) if sys.argv[1:] else "make faults",
        **machine,
        "minutes": (time.monotonic() - began) / 60,
        "rows": renewed(before, ledger.rows(), machine["commit"], asked.numbers),
        "without": WITHOUT,
    }
    page.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    (asked.output / "faults.md").write_text(markdown(data), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
