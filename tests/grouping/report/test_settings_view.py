"""The section about searched settings: what it says, and that it can say it of any search."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.recommendation import SettingsSearch, TriedSettings
from grouping.report.blocks import Paragraph, Points, Table
from grouping.report.settings_figures import search_frontier, search_history, setting_importance
from grouping.report.settings_view import settings_blocks
from tests.grouping.report.sample import weather

_states = st.sampled_from(["finished", "stopped", "failed", "undone"])
_SHARES = (("a<b", 1.0),)
_losses = st.none() | st.floats(0.1, 1e9)


@st.composite
def searches(draw: st.DrawFn) -> SettingsSearch:
    """Searches of any outcome, names that want to be markup included."""
    tried = []
    for _ in range(draw(st.integers(0, 12))):
        state = draw(_states)
        loss = draw(st.floats(0.1, 1e9)) if state == "finished" else draw(_losses)
        values: dict[str, Any] = {"sharing": "<b>mtan</b>", "learning_rate": 1e-3}
        reason = "<script>" if state == "failed" else ""
        kept = state == "finished" and draw(st.booleans())
        tried.append(TriedSettings("mtan", values, state, 0.5, loss, draw(_losses), 1.0, reason, kept))  # type: ignore[arg-type]
    return SettingsSearch(
        tuple(tried), len(tried), 2, (1.0, 3.0), by_cost=False, early=True, importance=(("a<b", 1.0),)
    )


@given(searches())
def test_any_search_can_be_drawn_and_told(search: SettingsSearch) -> None:
    figures = {
        "settings-history": search_history(search, "snt"),
        "settings-frontier": search_frontier(search, "flops"),
        "settings-importance": setting_importance(search),
    }
    text = json.dumps(figures, allow_nan=False)
    assert "<b>" not in text
    assert "<script>" not in text
    blocks = settings_blocks(replace(weather().recommendation, settings=search), figures)
    assert isinstance(blocks[0], Paragraph)
    points = [block for block in blocks if isinstance(block, Points)]
    assert bool(points) == any(one.state == "failed" for one in search.tried)


def test_only_final_losses_make_the_best_so_far() -> None:
    def tried(state: Any, loss: float) -> TriedSettings:
        return TriedSettings("hard", {}, state, 1.0, loss, 1.0, 1.0)

    search = SettingsSearch(
        (tried("finished", 1.2), tried("stopped", 0.5), tried("finished", 1.1)),
        3,
        1,
        (1.0,),
        by_cost=False,
        early=True,
        importance=(),
    )
    drawn = search_history(search, "snt")
    line = next(trace for trace in drawn["data"] if trace["mode"] == "lines")
    assert line["y"] == pytest.approx([20, 10, 10])


def test_what_others_beat_is_told_apart_and_can_be_hidden() -> None:
    def tried(loss: float, cost: float, kept: bool = False) -> TriedSettings:
        return TriedSettings("hard", {}, "finished", 1.0, loss, cost, 1.0, kept=kept)

    some = (tried(1.2, 1.0), tried(1.3, 1.5), tried(1.0, 2.0), tried(0.9, 3.0, kept=True))
    search = SettingsSearch(some, 4, 1, (3.0,), by_cost=False, early=True, importance=())
    drawn = {trace["name"]: trace["x"] for trace in search_frontier(search, "snt")["data"]}
    assert drawn == {
        "beaten: another costs and loses no more": [1.5],
        "best for its cost": [1.0, 2.0],
        "kept and trained again": [3.0],
    }


def test_a_report_without_a_search_has_no_such_section() -> None:
    assert settings_blocks(weather().recommendation, {}) == ()


def test_the_kept_stand_in_a_table_of_their_own() -> None:
    kept = TriedSettings("mtan with capacity=2", {}, "finished", 1.0, 0.9, 2.0, 1.0, kept=True)
    other = replace(kept, candidate="hard with capacity=1", kept=False)
    search = SettingsSearch((kept, other), 2, 1, (3.0,), by_cost=True, early=False, importance=())
    blocks = settings_blocks(replace(weather().recommendation, settings=search), {})
    (table,) = [block for block in blocks if isinstance(block, Table)]
    assert [row[0] for row in table.rows] == ["mtan with capacity=2"]
