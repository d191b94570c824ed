"""The sentence on harm: right grammar in every case, and nothing claimed that was not shown."""

from __future__ import annotations

from grouping.recommendation import NoHarm, TaskHarm
from grouping.report.no_harm_view import no_harm_table, no_harm_text


def record(*states: str, constrained: bool = False, against: str = "single-task") -> NoHarm:
    tasks = tuple(TaskHarm(name, 0.01, 0.03, state) for name, state in zip("abc", states, strict=False))
    return NoHarm(against, 0.02, 0.95, constrained, tasks)


def text(found: NoHarm) -> str:
    return no_harm_text(found).replace("\N{NO-BREAK SPACE}", " ")


def test_all_tasks_held() -> None:
    assert text(record("held", "held")) == (
        "No served task is worse than its single-task network by more than 2.00 %, at 95 % confidence on the test part."
    )


def test_harmed_and_open_tasks_are_named() -> None:
    found = text(record("harmed", "open", "open"))
    assert "a is worse than its single-task network by more than 2.00 %" in found
    assert "for b and c the data do not exclude a loss of more than 2.00 %" in found
    assert "No served task" not in found
    assert "a and b are worse than their single-task networks by" in text(record("harmed", "harmed"))


def test_the_constraint_and_the_deployed_grouping_are_mentioned() -> None:
    found = text(record("held", constrained=True, against="grouping"))
    assert "its network in your grouping" in found
    assert "The choice was limited to networks" in found


def test_the_table_shows_change_limit_and_verdict_of_every_task() -> None:
    table = no_harm_table(record("held", "open"))
    assert [row[0] for row in table.rows] == ["a", "b"]
    assert table.rows[1][3] == "not decided"
    assert table.rows[0][2].startswith("+3.00")
