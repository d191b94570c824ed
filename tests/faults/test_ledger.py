"""The table of faults is whole: every number has its name, and the tests it points at are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.faults.__main__ import WITHOUT
from tests.faults.ledger import ELSEWHERE, FAULTS, Injection, Ledger, markdown, renewed

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_the_table_points_at_is_there() -> None:
    for tests in ELSEWHERE.values():
        for test, _ in tests:
            file, _, name = test.partition("::")
            assert name in _functions(ROOT / file), test


def test_every_fault_has_a_test_or_a_reason() -> None:
    marked = {
        mark.args[0].value
        for file in Path(__file__).parent.glob("test_*.py")
        for mark in ast.walk(ast.parse(file.read_text()))
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr == "fault"
        if isinstance(mark.args[0], ast.Constant)
    }
    assert marked | ELSEWHERE.keys() | WITHOUT.keys() == FAULTS.keys()
    for said in WITHOUT.values():
        (page,) = re.findall(r"`(results/[a-z/]+\.md)`", said)
        assert (ROOT / page).exists(), page


def test_a_fault_that_nobody_injected_is_a_row_too() -> None:
    assert hash(Ledger()), "pytest keeps its plugins in sets"
    facts = {"command": "make faults", "commit": "c", "date": "d", "machine": "m", "minutes": 1.0}
    text = markdown({**facts, "rows": Ledger().rows(), "without": {"R26": "measured by X"}})
    assert all(f"| {number} |" in text for number in FAULTS)
    assert "| R26 | the database holds very much | measured by X | - | elsewhere | | |" in text
    assert "| R1 | kill -9 a worker in the middle of a training | not here | 0 | - | | |" in text


def test_what_was_not_run_did_not_hold() -> None:
    ledger = Ledger(found={"a[1]": [Injection("R1", "x", "a", outcome="held")], "a[2]": [Injection("R1", "x", "a")]})
    (row,) = ledger.rows()
    assert row["outcome"] == "was not run"


def test_what_was_not_asked_for_or_not_begun_stays_as_it_was() -> None:
    def row(number: str, test: str, outcome: str, **more: str) -> dict[str, str]:
        return {"number": number, "test": test, "outcome": outcome, **more}

    before = [row("R1", "a", "held", commit="old"), row("R2", "b", "held", commit="old"), row("R2", "gone", "held")]
    late = "left out: the time was over"
    now = [row("R2", "b", "did not hold"), row("R3", "c", late)]
    assert renewed(before, now, "new", ["R2", "R3"]) == [
        before[0],
        row("R2", "b", "did not hold", commit="new"),
        row("R3", "c", late, commit="new"),
    ]
    assert renewed(before, [row("R2", "b", late)], "new", []) == [before[1]]


def _functions(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
