"""``taskgroup solve --estimator higher-order`` on more tasks than groups can be listed for."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.solver.implicit import frontier_from_pairs, solve_from_pairs
from grouping.solver.solution import Solution
from search.cli.app import run
from search.questions import pair_question
from tests.grouping.solver.families import pair_table

N_TASKS = 16
PAIR_TT = pair_table("lat", N_TASKS, np.random.default_rng(5))
NAMES = [f"t{t:02d}" for t in range(N_TASKS)]


def lines(cost: str = "1") -> list[str]:
    singles = [f"{name},{cost},{name},{PAIR_TT[t, t]!r}" for t, name in enumerate(NAMES)]
    pairs = [
        f"{NAMES[t]}+{NAMES[u]},{cost},{NAMES[a]},{PAIR_TT[a, b]!r}"
        for t, u in itertools.combinations(range(N_TASKS), 2)
        for a, b in ((t, u), (u, t))
    ]
    return [*singles, *pairs]


def written(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(["network,cost,task,loss", *rows]).replace("np.float64(", "").replace(")", "") + "\n")
    return str(path)


@pytest.fixture
def table(tmp_path: Path) -> str:
    return written(tmp_path / "pairs.csv", lines())


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["solve", *arguments, "--estimator", "higher-order", "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_best_of_all_groups_without_listing_them(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--budget", "3")
    best = solve_from_pairs(PAIR_TT, 3.0)
    assert found["objective"] == pytest.approx(best.objective)
    assert found["proven_optimal"]
    assert found["optimal_for"] == "higher-order estimates"
    assert found["cost"] == len(found["networks"]) == 3
    for network in found["networks"]:
        for task in network["serves"]:
            t = NAMES.index(task)
            others = [NAMES.index(other) for other in network["tasks"] if other != task]
            assert found["losses"][task] == pytest.approx(PAIR_TT[t, others].mean())
    assert sorted(task for network in found["networks"] for task in network["serves"]) == NAMES


def test_the_text_counts_all_groups(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", table, "--estimator", "higher-order", "--budget", "2"]) == 0
    assert f"{N_TASKS} tasks, {2**N_TASKS - 1} candidate networks" in capsys.readouterr().out


def test_cost_of_a_network_other_than_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, written(tmp_path / "half.csv", lines("0.5")), "--budget", "1.7")
    assert (found["cost"], len(found["networks"]), found["budget"]) == (1.5, 3, 1.7)


def test_frontier_and_budgets(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    points = answer(capsys, table, "--frontier")["solutions"]
    assert [point["cost"] for point in points] == [float(k) for k in range(1, len(points) + 1)]
    asked = answer(capsys, table, "--frontier", "--budgets", "0.5:2.5:1")["solutions"]
    assert asked[0] == {"budget": 0.5, "infeasible": True, "minimum_budget": 1.0}
    assert [point["objective"] for point in asked[1:]] == [points[0]["objective"], points[1]["objective"]]
    assert [point["budget"] for point in asked[1:]] == [1.5, 2.5]


def test_few_groups_are_listed_and_take_every_option(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--budget", "8", "--max-size", "2", "--apart", "t00+t01")
    assert all({"t00", "t01"} - set(network["tasks"]) for network in found["networks"])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--partition"], "--partition needs a list of all groups"),
        (["--objective", "max"], "--objective max needs a list"),
        (["--apart", "t00+t01"], "--apart needs a list"),
        (["--auxiliary", "t00"], "--auxiliary needs a list"),
        (["--shared-cost", "1"], "--shared-cost needs a list"),
        (["--top", "2"], "too many groups to be listed for --top"),
        (["--draws", "10"], "too many groups to be listed for --top or --draws"),
    ],
)
def test_what_needs_a_list_is_refused(
    table: str, capsys: pytest.CaptureFixture[str], options: list[str], what: str
) -> None:
    error = answer(capsys, table, "--budget", "3", *options, code=2)["error"]
    assert what in error["what"]
    assert "--max-size" in error["fix"]


def test_missing_pairs_and_mixed_costs_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = lines()
    gap = [line for line in whole if not line.startswith("t00+t03,")]
    error = answer(capsys, written(tmp_path / "gap.csv", gap), "--budget", "3", code=2)["error"]
    assert error["what"] == "the table has no loss of 't00' in network 't00+t03', and 1 more are missing"
    mixed = [*whole, "t00,0.5,t00,1.1"]
    error = answer(capsys, written(tmp_path / "mixed.csv", mixed), "--budget", "3", code=2)["error"]
    assert "2 costs or kinds" in error["what"]


def test_a_sweep_that_is_stopped_calls_no_budget_infeasible(
    table: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: Any, **options: Any) -> list[Solution]:
        first, *others = frontier_from_pairs(*args, **options)[3:]
        return [replace(first, stopped="time limit"), *others]

    monkeypatch.setattr(pair_question, "frontier_from_pairs", stopped)
    found = answer(capsys, table, "--frontier", "--budgets", "1:16:1")
    assert [point["budget"] for point in found["solutions"]] == list(range(4, 17))
    assert not any("infeasible" in point for point in found["solutions"])
    assert run(["solve", table, "--estimator", "higher-order", "--frontier", "--budgets", "1:2:1"]) == 3
    assert "stopped before any grouping was found" in capsys.readouterr().err


def test_networks_that_cost_nothing_fit_any_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    free = written(tmp_path / "free.csv", lines("0"))
    best = solve_from_pairs(PAIR_TT)
    found = answer(capsys, free, "--budget", "2")
    assert (found["objective"], found["cost"]) == (pytest.approx(best.objective), 0.0)
    (point,) = answer(capsys, free, "--frontier")["solutions"]
    assert point["objective"] == pytest.approx(best.objective)
