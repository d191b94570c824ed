"""``taskgroup solve``: sunk networks, costs paid once, heads that serve nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from search.cli.app import run

TABLE = """network,cost,candidate,task,loss,head_cost,cost_flops,head_cost_flops
a,1,,a,1.0,0.2,10,2
b,1,,b,1.0,0.2,10,2
a,0.5,frozen,a,1.1,0.2,5,2
b,0.5,frozen,b,1.1,0.2,5,2
a+b,1.2,,a,0.9,0.2,12,2
a+b,1.2,,b,1.5,0.2,12,2
"""


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "losses.csv"
    path.write_text(TABLE)
    return str(path)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["solve", *arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def names(found: dict[str, Any]) -> list[str]:
    return sorted(f"{network['network']}@{network['cost']:g}" for network in found["networks"])


@pytest.mark.parametrize(
    ("options", "networks", "cost"),
    [
        (["--budget", "2"], ["a+b@1.2", "b@0.5"], 1.7),
        (["--budget", "2", "--shared-cost", "0.5"], ["a@0.5", "b@1"], 2.0),
        (["--budget", "1.5", "--shared-cost", "frozen=0.5"], ["a@0.5", "b@0.5"], 1.5),
        (["--budget", "1.4", "--shared-cost", "frozen=0.5"], ["a+b@1.2"], 1.2),
        (["--budget", "1.5", "--sunk", "a+b"], ["a+b@1.2"], 1.2),
        (["--budget", "2.2", "--sunk", "a+b"], ["a+b@1.2", "b@1"], 2.2),
        (["--budget", "2", "--drop-heads"], ["a+b@1.2", "b@1"], 2.0),
        (["--budget", "2", "--budget", "flops=19", "--drop-heads"], ["a+b@1.2", "b@0.5"], 1.5),
        (["--budget", "2", "--budget", "flops=15", "--shared-cost", "frozen=0.5,5"], ["a@0.5", "b@0.5"], 1.5),
    ],
)
def test_what_serving_costs(
    table: str, capsys: pytest.CaptureFixture[str], options: list[str], networks: list[str], cost: float
) -> None:
    found = answer(capsys, table, *options)
    assert names(found) == networks
    assert found["cost"] == pytest.approx(cost)


def test_a_frontier_counts_them_too(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--frontier", "--shared-cost", "frozen=0.5", "--drop-heads")
    assert [round(point["cost"], 9) for point in found["solutions"]] == [1.2, 1.5, 2.0]


def test_the_text_says_what_is_counted(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", table, "--budget", "3", "--sunk", "a+b", "--shared-cost", "0.5", "--drop-heads"]) == 0
    text = capsys.readouterr().out
    assert "(sunk networks included, what is shared counted once, without idle heads)" in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("  a+b")] == ["sunk"]


@pytest.mark.parametrize(
    ("options", "what", "fix"),
    [
        (["--sunk", "c"], "there is no task 'c'", ""),
        (["--sunk", "a"], "several networks are called 'a'", "a@1, a@0.5"),
        (["--shared-cost", "much"], "'much' is no shared cost", "LABEL=0.5"),
        (["--shared-cost", "=1"], "'=1' is no shared cost", "LABEL=0.5"),
        (["--shared-cost", "cold=1"], "no network has 'cold' in column 'candidate'", "frozen"),
        (["--shared-cost", "1,2"], "'1,2' has 2 costs for budgets in snt", "one cost for each budget"),
        (["--shared-cost", "-1"], "a shared part costs -1", "0 or more"),
    ],
)
def test_mistakes(table: str, capsys: pytest.CaptureFixture[str], options: list[str], what: str, fix: str) -> None:
    error = answer(capsys, table, "--budget", "2", *options, code=2)["error"]
    assert what in error["what"]
    assert fix in error["fix"]


def test_heads_need_their_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "losses.csv"
    path.write_text("network,task,loss\na,a,1.0\n")
    error = answer(capsys, str(path), "--budget", "2", "--drop-heads", code=2)["error"]
    assert "head_cost" in error["what"]
    path.write_text("network,task,loss,head_cost\na,a,1.0,0.2\nb,b,1.0,\n")
    error = answer(capsys, str(path), "--budget", "2", "--drop-heads", code=2)["error"]
    assert "head_cost" in error["what"] + error["where"]
