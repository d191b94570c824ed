"""``taskgroup replay``: strategies judged on a table that is known in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.files import write_losses
from search.cli.app import run
from tests.grouping.posterior.planted import planted_table

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Four tasks, one seed."""
    path = tmp_path / "t.csv"
    write_losses(planted_table(4, 1, 0.0, np.random.default_rng(0))[0], path)
    return str(path)


def answer(arguments: list[str], capsys: Captured) -> dict[str, Any]:
    assert run(["replay", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_every_strategy_is_run_as_often_as_asked(table: str, capsys: Captured) -> None:
    found = answer([table, "--groups", "3", "--seeds", "2"], capsys)
    strategies = found["strategies"]
    assert [one["name"] for one in strategies] == ["random", "pairs", "expected-improvement", "thompson"]
    assert {(one["groups_trained"], one["runs"]) for one in strategies} == {(3, 2)}
    assert found["budgets"] == [2.0, 3.0, 4.0]


def test_budgets_and_strategies_can_be_named(table: str, capsys: Captured) -> None:
    arguments = [table, "--groups", "10", "--seeds", "2", "--budget", "2", "--strategy", "random"]
    found = answer([*arguments, "--relative"], capsys)
    assert found["budgets"] == [2.0]
    assert [one["captured"]["mean"] for one in found["strategies"]] == [pytest.approx(1.0)]


def test_people_get_a_table_with_intervals_and_a_page(table: str, tmp_path: Path, capsys: Captured) -> None:
    assert run(["replay", table, "--groups", "2", "--seeds", "3", "--plot", str(tmp_path / "p.html")]) == 0
    out = capsys.readouterr().out
    assert "4 tasks, 2 groups trained, 3 runs of each strategy, 3 budgets; the table is the truth" in out
    assert "expected-improvement" in out
    page = (tmp_path / "p.html").read_text()
    assert "groups trained" in page
    assert "<script src=" not in page, "the page opens offline"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--groups", "11"], "Give 1 to 10"),
        (["--groups", "2", "--strategy", "thomson"], "Did you mean 'thompson'?"),
        (["--groups", "2", "--budget", "none"], "'none' is no budget"),
        (["--groups", "2", "--plot", "p.png"], "is no HTML file"),
    ],
)
def test_what_cannot_be_done_is_said(table: str, arguments: list[str], said: str, capsys: Captured) -> None:
    assert run(["replay", table, "--seeds", "1", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_table_with_holes_is_refused(table: str, capsys: Captured) -> None:
    lines = Path(table).read_text().splitlines()
    Path(table).write_text("\n".join(lines[:-1]) + "\n")
    assert run(["replay", table, "--groups", "2"]) == 2
    assert "the table is not complete" in capsys.readouterr().err
