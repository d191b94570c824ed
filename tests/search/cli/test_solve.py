"""``taskgroup solve``: every option, the JSON that scripts rely on, exit codes, and messages for every mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouping.solver.clock import Clock
from search.cli.app import run
from tests.grouping.published import PUBLISHED, needs_published, rows

# 0 and 1 help each other, 2 is best alone; the pair 1+2 exists in two kinds; half-size singles are cheaper and worse.
TABLE = """network,cost,candidate,split,task,loss,cost_flops
a,1,,val,a,1.0,10
b,1,,val,b,2.0,10
c,1,,val,c,4.0,10
a,0.5,,val,a,1.2,4
b,0.5,,val,b,2.4,4
c,0.5,,val,c,4.4,4
a+b,1,,val,a,0.8,12
a+b,1,,val,b,1.4,12
a+c,1,,val,a,0.9,12
a+c,1,,val,c,4.8,12
b+c,1,,val,b,1.8,12
b+c,1,,val,c,4.2,12
b+c,1,soft,val,b,1.7,16
b+c,1,soft,val,c,4.1,16
a+b+c,1,,val,a,0.95,14
a+b+c,1,,val,b,1.9,14
a+b+c,1,,val,c,4.6,14
"""


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "losses.csv"
    test = "".join(
        ",".join([*cells[:3], "test", cells[4], str(float(cells[5]) * 1.1), cells[6]]) + "\n"
        for cells in (line.split(",") for line in TABLE.splitlines()[1:])
    )
    path.write_text(TABLE + test)
    return str(path)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run ``solve --json``; stdout is one object and stderr says nothing unless it failed."""
    assert run(["solve", *arguments, "--json"]) == code
    captured = capsys.readouterr()
    found: dict[str, Any] = json.loads(captured.out)
    assert bool(captured.err) == ("error" in found)
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [network["network"] for network in found["networks"]]


def test_the_json_contract(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--budget", "2")
    assert list(found) == [
        "budget", "cost", "objective", "bound", "gap", "proven_optimal", "optimal_for", "networks", "losses",
        "seconds", "estimator",
    ]  # fmt: skip
    assert found["objective"] == pytest.approx(6.2)
    assert (found["budget"], found["cost"], found["gap"], found["proven_optimal"]) == (2.0, 2.0, 0.0, True)
    assert (found["optimal_for"], found["estimator"]) == ("measured losses", "measured")
    assert found["networks"] == [
        {"network": "c", "cost": 1.0, "candidate": "", "tasks": ["c"], "serves": ["c"]},
        {"network": "a+b", "cost": 1.0, "candidate": "", "tasks": ["a", "b"], "serves": ["a", "b"]},
    ]
    assert found["losses"] == {"a": 0.8, "b": 1.4, "c": 4.0}


@pytest.mark.parametrize(
    ("options", "networks"),
    [
        (["--budget", "1"], ["a+b+c"]),
        (["--budget", "1.5"], ["c", "a+b"]),
        (["--budget", "flops=18"], ["c", "a+b"]),
        (["--budget", "2", "--budget", "flops=18"], ["c", "a+b"]),
        (["--max-networks", "1"], ["a+b+c"]),
        (["--budget", "3", "--max-size", "1"], ["a", "b", "c"]),
        (["--budget", "3", "--partition", "--apart", "a+b"], ["a", "b+c"]),
        (["--budget", "2", "--together", "b+c"], ["a+b", "b+c"]),
        (["--budget", "2", "--apart", "a+b"], ["a+c", "b+c"]),
        (["--budget", "1", "--deployed", "c@1"], ["c", "a+b"]),
        (["--budget", "1", "--auxiliary", "c"], ["a+b"]),
        (["--budget", "1.5", "--at-most", "c=4.3"], ["a", "b+c"]),
        (["--budget", "2", "--weights", "b=1,c=100"], ["c", "a+b"]),
        (["--budget", "3", "--objective", "max"], ["c", "a+b"]),
    ],
)
def test_options_change_the_answer(
    table: str, capsys: pytest.CaptureFixture[str], options: list[str], networks: list[str]
) -> None:
    assert names(answer(capsys, table, "--where", "split=val", *options)) == networks


def test_deployed_networks_are_marked_and_not_charged(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--budget", "1", "--deployed", "c@1")
    assert found["cost"] == 1.0
    assert [network.get("deployed", False) for network in found["networks"]] == [True, False]


def test_weights_count_in_the_objective_and_not_in_the_losses(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--budget", "2", "--weights", "a=10,c=0.5")
    assert found["objective"] == pytest.approx(10 * 0.8 + 1.4 + 0.5 * 4.0)
    assert found["losses"]["a"] == 0.8


def test_relative_losses_have_no_unit(table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--budget", "2", "--relative", "--at-most", "a=0.9")
    assert found["objective"] == pytest.approx(0.8 + 0.7 + 1.0)
    assert found["optimal_for"] == "measured losses relative to single-task networks"
    scaled = tmp_path / "scaled.csv"
    cells = [line.split(",") for line in Path(table).read_text().splitlines()]
    for row in cells:
        row[5] = str(float(row[5]) * 100) if row[4] == "c" else row[5]
    scaled.write_text("\n".join(map(",".join, cells)))
    again = answer(capsys, str(scaled), "--where", "split=val", "--budget", "2", "--relative")
    assert names(again) == names(found)
    assert again["objective"] == pytest.approx(found["objective"])


def test_scoring_on_another_part(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--score-where", "split=test", "--budget", "2")
    assert found["scored"]["routed"] == pytest.approx(6.2 * 1.1)
    assert found["scored"]["best_of_chosen"] == pytest.approx(6.2 * 1.1)
    assert found["scored"]["losses"]["a"] == pytest.approx(0.88)
    assert found["losses"]["a"] == 0.8


def test_scoring_needs_every_chosen_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("network,task,loss,split\na,a,1,val\nb,b,1,val\na+b,a,3,test\na+b,b,3,test\n")
    found = answer(capsys, str(path), "--where", "split=val", "--score-where", "split=test", "--budget", "2", code=2)
    assert "do not hold network 'a'" in found["error"]["what"]


def test_gains_come_back_in_the_users_sign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gains.csv"
    path.write_text("group,task,value\na,a,0\nb,b,0\na+b,a,0.25\na+b,b,-0.5\n")
    columns = ["--loss-column", "value", "--group-column", "group", "--higher-is-better"]
    found = answer(capsys, str(path), *columns, "--budget", "2")
    assert found["objective"] == found["bound"] == 0.25
    assert found["losses"] == {"a": 0.25, "b": 0.0}
    limited = answer(capsys, str(path), *columns, "--budget", "1", "--at-most", "b=-0.6")
    assert limited["objective"] == -0.25
    assert answer(capsys, str(path), *columns, "--budget", "1", "--at-most", "b=0", code=3)["error"]["code"]


def test_higher_order_estimates(table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--budget", "1", "--estimator", "higher-order")
    assert found["optimal_for"] == "higher-order estimates"
    assert found["losses"] == pytest.approx({"a": 0.85, "b": 1.6, "c": 4.5})
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("".join(line + "\n" for line in TABLE.splitlines() if not line.startswith("a+b+c")))
    again = answer(capsys, str(pairs), "--budget", "1", "--estimator", "higher-order")
    assert again["losses"] == found["losses"]


def test_a_linear_surrogate_fills_in_the_groups_that_the_table_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    share = {"a": 0.2, "b": -0.1, "c": 0.3, "d": -0.2}  # what each partner adds to anybody's loss
    groups = ["ab", "ac", "ad", "bc", "cd", "abc", "acd", "bcd", "abcd", *"abcd"]  # b+d, the best company, is missing
    rows = [
        f"{'+'.join(group)},{task},{1 + sum(share[u] for u in group if u != task)!r},{seed}"
        for group in groups for task in group for seed in (0, 1)
    ]  # fmt: skip
    path = tmp_path / "some.csv"
    path.write_text("\n".join(["network,task,loss,seed", *rows]) + "\n")
    options = ["--budget", "3", "--partition"]
    found = answer(capsys, str(path), *options, "--estimator", "linear-surrogate")
    assert sorted(names(found)) == ["a", "b+d", "c"]
    assert found["losses"]["d"] == pytest.approx(0.9, abs=0.03)
    assert found["optimal_for"] == "linear-surrogate estimates and measured losses"
    assert "b+d" not in names(answer(capsys, str(path), *options))
    drawn = answer(capsys, str(path), *options, "--estimator", "linear-surrogate", "--draws", "3")
    assert names(drawn) == names(found)
    small = answer(capsys, str(path), *options, "--estimator", "linear-surrogate", "--max-size", "1", code=3)
    assert small["error"]["code"]


def test_early_stopping_by_condition_and_by_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "steps.csv"
    alone = "a,a,9,1\na,a,1,4\nb,b,9,1\nb,b,1,4\n"
    shared = "a+b,a,5,1\na+b,a,2,4\na+b,b,5,1\na+b,b,2,4\n"
    path.write_text("network,task,loss,step\n" + alone + shared)
    found = answer(capsys, str(path), "--budget", "2", "--estimator", "early-stopping", "--fraction", "0.25")
    assert (names(found), found["objective"]) == (["a+b"], 10.0)
    assert found["optimal_for"] == "early-stopping estimates"
    final = answer(capsys, str(path), "--budget", "2", "--where", "step=4")
    assert names(final) == ["a", "b"]
    early = answer(
        capsys, str(path), "--budget", "2", "--where", "step=4", "--estimator", "early-stopping",
        "--estimate-where", "step=1",
    )  # fmt: skip
    assert names(early) == ["a+b"]


def test_top_lists_alternatives(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--budget", "2", "--top", "3")
    objectives = [found["objective"], *(other["objective"] for other in found["alternatives"])]
    assert len(objectives) == 3
    assert objectives == sorted(objectives)


def test_frontier(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--frontier")
    cost = [point["cost"] for point in found["solutions"]]
    assert cost == sorted(set(cost))
    assert all(point["budget"] == point["cost"] and point["proven_optimal"] for point in found["solutions"])


def test_frontier_of_given_budgets_counts_in_decimals(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--frontier", "--budgets", "0.8:1.1:0.1")
    budgets = [point["budget"] for point in found["solutions"]]
    assert budgets == [0.8, 0.9, 1.0, 1.1]
    assert found["solutions"][0] == {"budget": 0.8, "infeasible": True, "minimum_budget": 1.0}
    assert "networks" in found["solutions"][2]


def test_a_frontier_without_any_feasible_budget_leaves_with_3(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["solve", table, "--where", "split=val", "--frontier", "--budgets", "0.2:0.4:0.2"]
    assert run([*arguments, "--json"]) == 3
    assert [point["infeasible"] for point in json.loads(capsys.readouterr().out)["solutions"]] == [True, True]
    assert run(arguments) == 3
    assert "smallest feasible budget is 1" in capsys.readouterr().err


def test_33_infeasible_names_the_smallest_budget(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--budget", "0.9", code=3)
    assert found["error"]["code"] == "infeasible"
    assert found["error"]["minimum_budget"] == 1.0
    assert found["error"]["fix"] == "The smallest feasible budget is 1"


def test_ctrl_c_prints_the_incumbent_and_leaves_with_130(
    table: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(clock: Clock) -> bool:
        clock.interrupt()
        return True

    monkeypatch.setattr(Clock, "expired", interrupted)
    found = answer(capsys, table, "--where", "split=val", "--budget", "1.5", code=130)
    assert found["stopped"] == "interrupted"
    assert found["networks"]


def test_a_time_limit_leaves_with_0(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, table, "--where", "split=val", "--budget", "1.5", "--time-limit", "0")
    assert found["stopped"] == "time limit"
    assert found["bound"] <= found["objective"]


def test_text_for_people(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows_used = ["--where", "split=val", "--score-where", "split=test"]
    assert run(["solve", table, *rows_used, "--budget", "2", "--top", "2"]) == 0
    text = capsys.readouterr().out
    assert "Proven optimal for the measured losses." in text
    assert "3 tasks, 11 candidate networks within a budget of 2" in text
    assert "a 0.8, b 1.4" in text
    assert "\n2. total loss" in text
    assert run(["solve", table, "--where", "split=val", "--frontier", "--budgets", "0.5:1:0.5"]) == 0
    assert "infeasible; 1 would do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing limits the networks"),
        (["--budget", "x"], "the budget 'x' is no number"),
        (["--budget", "nan"], "the budget nan"),
        (["--budget", "-1"], "the budget -1"),
        (["--budget", "1e999"], "the budget inf"),
        (["--budget", "memory=3"], "no budget in memory"),
        (["--budget", "1", "--budget", "2"], "same unit"),
        (["--budget", "1", "--frontier"], "--frontier takes no --budget"),
        (["--budget", "1", "--budgets", "1:2:1"], "--budgets needs --frontier"),
        (["--frontier", "--budgets", "1:2"], "'1:2' is no range"),
        (["--frontier", "--budgets", "2:1:1"], "no ascending range"),
        (["--frontier", "--budgets", "1:2:0"], "no ascending range"),
        (["--frontier", "--budgets", "0:1:1e-9"], "steps"),
        (["--frontier", "--top", "2"], "one solution a point"),
        (["--budget", "1", "--where", "split"], "not COLUMN=VALUE"),
        (["--budget", "1", "--where", "split=val", "--where", "split=test"], "given twice"),
        (["--budget", "1", "--weights", "a"], "not TASK=NUMBER"),
        (["--budget", "1", "--weights", "a=1,a=2"], "given twice"),
        (["--budget", "1", "--weights", "d=1"], "no task 'd'"),
        (["--budget", "1", "--weights", "a=0"], "weight 0.0 of task 'a'"),
        (["--budget", "1", "--at-most", "d=1"], "no task 'd'"),
        (["--budget", "1", "--together", "a"], "not a pair"),
        (["--budget", "1", "--apart", "a+d"], "no task 'd'"),
        (["--budget", "1", "--deployed", "a"], "several networks are called 'a'"),
        (["--budget", "1", "--deployed", "a+b@7"], "no network is called"),
        (["--budget", "1", "--auxiliary", "d"], "no task 'd'"),
        (["--budget", "1", "--fraction", "0.5"], "belong to --estimator early-stopping"),
        (["--budget", "1", "--estimator", "early-stopping"], "which losses are early"),
        (["--budget", "1", "--estimator", "guess"], "guess"),
        (["--budget", "1", "--relative", "--higher-is-better"], "--relative"),
        (["--budget", "1", "--max-networks", "0"], "--max-networks"),
        (["--budget", "1", "--top", "0"], "--top"),
        (["--budget", "1", "--time-limit", "-1"], "--time-limit"),
    ],
)
def test_mistakes_leave_with_2_and_one_message(
    table: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    where = [] if "--where" in arguments else ["--where", "split=val"]
    found = answer(capsys, table, *where, *arguments, code=2)
    assert message in found["error"]["what"]


def test_a_missing_table_names_the_nearest_file(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = answer(capsys, str(Path(table).with_name("loses.csv")), "--budget", "1", code=2)["error"]
    assert error["what"] == "there is no such file"
    assert error["fix"] == "Did you mean 'losses.csv'?"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(TABLE.splitlines()[1:]))
def test_41_the_order_of_rows_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str]
) -> None:
    answers = []
    for text in (TABLE, "\n".join([TABLE.splitlines()[0], *lines])):
        (tmp_path / "t.csv").write_text(text)
        answers.append(answer(capsys, str(tmp_path / "t.csv"), "--budget", "1.5", "--top", "3"))
    for found in (part for whole in answers for part in [whole, *whole["alternatives"]]):
        del found["seconds"]
        found["networks"].sort(key=lambda network: network["network"])  # they stand as the table lists them
    assert answers[0] == answers[1]


def test_41_the_order_of_tasks_changes_no_grouping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for rename in ({}, dict(zip("abc", "cab", strict=True)), dict(zip("abc", "bca", strict=True))):
        back = {new: old for old, new in rename.items()}
        cells = [line.split(",") for line in TABLE.splitlines()]
        for row in cells[1:]:
            row[0] = "+".join(sorted(rename.get(task, task) for task in row[0].split("+")))
            row[4] = rename.get(row[4], row[4])
        (tmp_path / "t.csv").write_text("\n".join(map(",".join, cells)))
        found = answer(capsys, str(tmp_path / "t.csv"), "--budget", "2")
        groups = {frozenset(back.get(task, task) for task in network["tasks"]) for network in found["networks"]}
        answers.append((groups, found["objective"], {back.get(task, task): x for task, x in found["losses"].items()}))
    assert answers[1:] == answers[:1] * 2


def test_42_one_task_and_one_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("network,task,loss\na,a,0.5\n")
    found = answer(capsys, str(path), "--budget", "1")
    assert (names(found), found["objective"], found["proven_optimal"]) == (["a"], 0.5, True)
    assert run(["solve", str(path), "--budget", "1"]) == 0
    assert capsys.readouterr().out.startswith("1 task, 1 candidate network within")
    assert run(["solve", str(path), "--frontier"]) == 0
    assert capsys.readouterr().out.startswith("1 task, 1 candidate network;")
    assert answer(capsys, str(path), "--budget", "0.5", code=3)["error"]["minimum_budget"] == 1.0


def test_estimates_are_not_named_where_nothing_was_estimated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("network,task,loss\na,a,1\nb,b,2\na+b,a,0.5\na+b,b,1.5\n")
    found = answer(capsys, str(path), "--budget", "1", "--estimator", "higher-order")
    assert found["optimal_for"] == "measured losses"


def test_a_deployed_network_that_can_serve_nothing_is_refused(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--where", "split=val", "--budget", "2", "--deployed", "c@1", "--auxiliary", "c"]
    error = answer(capsys, table, *options, code=2)["error"]
    assert error["what"] == "the network 'c@1' has auxiliary tasks only, which no network serves"
    assert error["where"] == "--deployed"
    partly = ["--where", "split=val", "--budget", "0", "--deployed", "a+b", "--auxiliary", "a", "--auxiliary", "c"]
    assert names(answer(capsys, table, *partly)) == ["a+b"]


def test_relative_needs_single_task_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("network,task,loss\na+b,a,1\na+b,b,1\n")
    found = answer(capsys, str(path), "--budget", "1", "--relative", code=2)
    assert "no single-task network of 'a'" in found["error"]["what"]


@needs_published
def test_the_published_example(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(
        capsys, str(PUBLISHED / "standley/networks.csv"), "--where", "setting=1", "--where", "split=val",
        "--score-where", "split=test", "--budget", "2",
    )  # fmt: skip
    assert found["objective"] == pytest.approx(0.45686, abs=1e-9)
    assert found["scored"]["routed"] == pytest.approx(0.45224, abs=1e-9)
    assert names(found) == ["0+1+2", "2+3+4"]


@needs_published
@pytest.mark.parametrize("setting", ["1", "3"])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("optimal", []),
        ("esa", ["--estimator", "early-stopping", "--estimate-where", "split=esa"]),
        ("hoa", ["--estimator", "higher-order"]),
    ],
)
def test_published_frontiers(capsys: pytest.CaptureFixture[str], setting: str, method: str, options: list[str]) -> None:
    found = answer(
        capsys, str(PUBLISHED / "standley/networks.csv"), "--where", f"setting={setting}", "--where", "split=val",
        "--frontier", "--budgets", "1:5:0.5", *options,
    )  # fmt: skip
    every = rows("standley/recomputed_mip.csv")
    published = [row for row in every if (row["setting"], row["method"]) == (setting, method)]
    assert len(published) == len(found["solutions"]) == 9
    for row, point in zip(published, found["solutions"], strict=True):
        assert point["objective"] == pytest.approx(float(row["selection_objective"]), abs=1e-6)


def test_a_table_that_holds_estimates_is_not_called_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        "network,task,loss,source\na,a,1.0,measured\nb,b,1.0,measured\na+b,a,0.9,estimated\na+b,b,0.9,estimated\n"
    )
    assert run(["solve", str(table), "--budget", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["optimal_for"] == "measured and estimated losses"
    assert run(["solve", str(table), "--budget", "2", "--where", "source=measured", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["optimal_for"] == "measured losses"
    assert {network["network"] for network in found["networks"]} == {"a", "b"}


def test_quiet_still_says_what_is_not_proven(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [table, "--where", "split=val", "--budget", "2", "--quiet"]
    assert run(["solve", *options]) == 0
    assert "roven" not in capsys.readouterr().out
    assert run(["solve", *options, "--time-limit", "0"]) == 0
    assert "NOT proven optimal" in capsys.readouterr().out
