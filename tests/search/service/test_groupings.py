"""Solving a posted table gives what ``taskgroup solve --json`` prints, errors included."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest

from search.cli.app import run as command
from search.cli.solve import EstimatorName
from search.questions.ask import SolveOptions
from search.service.grouping_requests import GroupingOptions
from tests.grouping.report.sample import weather
from tests.search.service.serving import Served

ROWS = [
    {"network": "a", "task": "a", "loss": 0.5},
    {"network": "b", "task": "b", "loss": 0.4},
    {"network": "c", "task": "c", "loss": 0.3},
    {"network": "a+b", "task": "a", "loss": 0.45},
    {"network": "a+b", "task": "b", "loss": 0.42},
    {"network": "a+b+c", "task": "a", "loss": 0.47},
    {"network": "a+b+c", "task": "b", "loss": 0.43},
    {"network": "a+b+c", "task": "c", "loss": 0.36},
]


def _csv() -> str:
    return pd.DataFrame(ROWS).to_csv(index=False)


def _timeless(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {key: _timeless(value) for key, value in answer.items() if key != "seconds"}
    return [_timeless(value) for value in answer] if isinstance(answer, list) else answer


QUESTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"budget": 2}, ["--budget", "2"]),
    ({"budget": [2.0], "top": 3, "relative": True}, ["--budget", "2", "--top", "3", "--relative"]),
    ({"max_networks": 1}, ["--max-networks", "1"]),
    ({"frontier": True}, ["--frontier"]),
    ({"frontier": True, "budgets": "1:3:0.5"}, ["--frontier", "--budgets", "1:3:0.5"]),
    ({"budget": 3, "weights": {"a": 3}, "apart": ["a+b"]}, ["--budget", "3", "--weights", "a=3", "--apart", "a+b"]),
    ({"budget": 3, "at_most": {"c": 0.31}, "partition": True}, ["--budget", "3", "--at-most", "c=0.31", "--partition"]),
    (
        {"budget": 2, "objective": "max", "auxiliary": ["c"]},
        ["--budget", "2", "--objective", "max", "--auxiliary", "c"],
    ),
    ({"budget": 0.5}, ["--budget", "0.5"]),
    ({"budget": 2, "together": ["a+z"]}, ["--budget", "2", "--together", "a+z"]),
    ({}, []),
]


@pytest.mark.parametrize(("fields", "options"), QUESTIONS)
def test_the_answer_is_that_of_the_command_line(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], options: list[str]
) -> None:
    (tmp_path / "table.csv").write_text(_csv())
    code = command(["solve", str(tmp_path / "table.csv"), *options, "--json"])
    told = json.loads(capsys.readouterr().out)
    with served.client("eve") as client:
        answers = [
            client.post("/api/v1/groupings", json={"table": ROWS, **fields}),
            client.post("/api/v1/groupings", files={"table": ("t.csv", _csv())}, data={"options": json.dumps(fields)}),
        ]
    for answer in answers:
        if code == 0:
            assert answer.status_code == 200, answer.text
            assert _timeless(answer.json()) == _timeless(told)
        else:
            assert answer.status_code == 422
            assert {answer.json()[name] for name in ("code", "what", "fix")} == {
                told["error"][name] for name in ("code", "what", "fix")
            }


def test_the_options_are_those_of_the_command_line() -> None:
    known = {field.name for field in fields(SolveOptions)} | {"loss_column", "group_column", "higher_is_better"}
    assert set(GroupingOptions.model_fields) == known
    names = get_args(GroupingOptions.model_fields["estimator"].annotation)
    assert set(names) == {name.value for name in EstimatorName}


def test_a_parquet_file_is_solved_too(served: Served, tmp_path: Path) -> None:
    pd.DataFrame(ROWS).to_parquet(tmp_path / "t.parquet")
    with served.client() as client:
        found = client.post(
            "/api/v1/groupings",
            files={"table": ("t.parquet", (tmp_path / "t.parquet").read_bytes())},
            data={"options": '{"budget": 2}'},
        )
        cut = client.post(
            "/api/v1/groupings",
            files={"table": ("t.parquet", (tmp_path / "t.parquet").read_bytes()[:-20])},
            data={"options": '{"budget": 2}'},
        )
    assert found.status_code == 200
    assert cut.status_code == 422
    assert str(served.home) not in cut.text


@pytest.mark.parametrize(
    "body",
    [
        {"table": [], "budget": 1},
        {"table": _csv(), "budget": 1},
        {"table": [{}], "budget": 1},
        {"table": [{"network": "a", "task": "a", "loss": "nan"}], "budget": 1},
        {"table": [{"network": "a", "task": "b", "loss": 1}], "budget": 1},
        {"table": ROWS, "budget": True},
        {"table": ROWS, "budget": {"a": 1}},
        {"table": ROWS, "budget": -1},
        {"table": ROWS, "budget": 1, "top": "many"},
        {"table": ROWS, "budget": 1, "table_file": "/etc/passwd"},
        {"budget": 1},
    ],
)
def test_whatever_is_wrong_is_said(served: Served, body: dict[str, Any]) -> None:
    with served.client() as client:
        answer = client.post("/api/v1/groupings", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["what"]
    assert str(served.home) not in answer.text


def test_a_runs_table_is_solved_again_under_another_budget(served: Served) -> None:
    run = served.finished_run("ada", weather())
    with served.client() as client:
        costs = [
            client.post(f"/api/v1/runs/{run}/groupings", json={"budget": budget, "relative": False}).json()
            for budget in (3, 4, 6)
        ]
        waiting = client.post(f"/api/v1/runs/{served.run_of('ada')}/groupings", json={"budget": 1})
    objectives = [answer["objective"] for answer in costs]
    assert objectives == sorted(objectives, reverse=True)
    assert waiting.status_code == 409


def test_a_question_that_takes_too_long_is_ended_by_the_operators_limit(served: Served) -> None:
    """The time limit of a question cannot exceed the operator's; within it the best so far comes back."""
    with served.client() as client:
        answer = client.post("/api/v1/groupings", json={"table": ROWS, "budget": 2, "time_limit": 10**6})
    assert answer.status_code == 200
