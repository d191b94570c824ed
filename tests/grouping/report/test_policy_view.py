"""What the report says of searched policies: pictures by task and unit over time, and why tasks come out alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grouping.recommendation import PolicySize, SearchedPolicy
from grouping.report.blocks import Folded, Paragraph, Table
from grouping.report.policy_figures import policy_map, policy_over_time
from grouping.report.policy_view import policy_blocks
from tests.grouping.report.sample import weather

POLICY = SearchedPolicy(
    tasks=("temp", "rain"),
    sharing="adashare",
    candidate="adashare modes=ss-,s--",
    capacity=1.0,
    units=("unit 1", "unit 2", "unit 3"),
    fixed=("unit 1",),
    modes=("shared", "skip"),
    chosen=(("shared", "shared", "skip"), ("shared", "skip", "skip")),
    turns=(1, 5),
    probability=(
        (((1.0, 0.0), (1.0, 0.0)), ((0.5, 0.5), (0.5, 0.5)), ((0.5, 0.5), (0.5, 0.5))),
        (((1.0, 0.0), (1.0, 0.0)), ((0.9, 0.1), (0.3, 0.7)), ((0.1, 0.9), (0.0, 1.0))),
    ),
    together=(("temp", "rain", 0.5),),
    draws=3,
    gain=0.01,
    flops=0.7,
    seconds=2.0,
    size=PolicySize(12384, 32, 1216, 18),
)


def test_alike_is_over_units_that_a_task_uses_and_that_could_be_otherwise() -> None:
    assert POLICY.alike == pytest.approx(1 - 0.6)
    assert replace(POLICY, tasks=("temp",), chosen=POLICY.chosen[:1]).alike is None
    assert replace(POLICY, fixed=POLICY.units).alike is None


def test_the_picture_over_time_has_every_task_unit_and_turn() -> None:
    (cells,) = policy_over_time(POLICY)["data"]
    assert cells["z"] == [
        [100, 100, None, 50, 90, None, 50, 10, None],
        [100, 100, None, 50, 30, None, 50, 0, None],
    ], "units stand apart"
    assert cells["x"] == [*range(9)]
    assert cells["customdata"][1][4] == "rain, unit 2, turn 5"
    (last,) = policy_map(POLICY)["data"]
    assert last["z"] == [[100, 90, 10], [100, 30, 0]]


def _shown(*policies: SearchedPolicy) -> tuple[str, dict[str, Table]]:
    first, *others = policy_blocks(replace(weather().recommendation, policies=policies), {})
    assert isinstance(first, Paragraph)
    folded = [block.table for block in others if isinstance(block, Folded)]
    return first.text.replace("\N{NO-BREAK SPACE}", " "), {table.caption.partition(":")[0]: table for table in folded}


def test_tables_say_the_same_without_pictures() -> None:
    _, tables = _shown(POLICY)
    course = tables["Probability of the shared unit after turns 1, 5"]
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in course.rows[1]] == [
        "rain",
        "100 % → 100 %",
        "50 % → 30 %",
        "50 % → 0 %",
    ]
    (row,) = tables["Searches of policies"].rows
    assert row[3:7] == ("0.70", "12,384 + 32", "1,216 + 18", "40\N{NO-BREAK SPACE}%")


def test_what_the_loss_on_differences_does_is_said_or_asked_for() -> None:
    text, _ = _shown(POLICY)
    assert "beside the same search with alike=0.0" in text
    control = replace(POLICY, sharing="adashare alike=0.0", turns=(1,), probability=(POLICY.probability[0],))
    text, _ = _shown(POLICY, control)
    assert "adashare: 40 % alike with the loss on differences, 100 % without it" in text
    only, _ = _shown(control)
    assert "alike" not in only
