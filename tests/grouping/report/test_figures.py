"""Figures are valid plotly in both palettes, name every task safely, and draw what the recommendation says."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from itertools import product
from typing import Any
from xml.etree import ElementTree as ET

import networkx as nx
import plotly.graph_objects as go
import pytest

from grouping.files.sheet import unescaped
from grouping.recommendation import AffinityEntry, Audit, Estimate
from grouping.report.affinity_figures import heat_map, strongest_edges
from grouping.report.affinity_view import affinity_csv, graphml, read_affinity
from grouping.report.audit_figure import audit_scatter
from grouping.report.blocks import Measured, forest
from grouping.report.content import Content
from grouping.report.figures import figures
from grouping.report.labels import cut, label, lines
from grouping.report.palette import DARK, LIGHT, TEMPLATE
from grouping.report.tables import frontier
from tests.grouping.report.sample import NASTY_NAMES, WEATHER, nasty, weather


def _resolved(node: Any, palette: dict[str, str], *, colour: bool = False) -> Any:
    """The page's rule: only under keys that hold colours, ``@role`` is a role."""
    if isinstance(node, str):
        return palette[node[1:]] if colour and node.startswith("@") else node
    if isinstance(node, list):
        return [_resolved(item, palette, colour=colour) for item in node]
    if isinstance(node, dict):
        is_colour = re.compile(r"(color|colorscale|colorway)$").search
        return {key: _resolved(value, palette, colour=bool(is_colour(key))) for key, value in node.items()}
    return node


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("sample", [weather, nasty])
def test_every_figure_is_valid_plotly(sample: Callable[[], Content], palette: dict[str, str]) -> None:
    for drawn in figures(sample()).values():
        go.Figure(_resolved({"data": drawn["data"], "layout": drawn["layout"]}, palette))
    go.layout.Template(_resolved(TEMPLATE, palette))


def test_both_palettes_have_the_same_roles() -> None:
    assert LIGHT.keys() == DARK.keys()


def test_what_is_there_decides_which_figures_are_drawn() -> None:
    curves = {f"curves-{i}" for i in range(8)}
    assert figures(weather()).keys() == {"affinity", "audit", "graph", "frontier", "random", "pairs"} | curves
    bare = replace(nasty().recommendation, affinity=(), frontier=())
    empty = nasty().curves.iloc[:0]
    assert figures(Content(bare, empty, nasty().losses)) == {}


def test_the_knee_is_marked_where_there_are_more_than_two_costs() -> None:
    sample = weather()
    (first, *_) = sample.recommendation.frontier
    costs = [(1.0, 1.2), (2.0, 0.9), (3.0, 0.89)]
    for shown in (costs, costs[:2]):
        points = tuple(replace(first, cost=cost, objective=objective) for cost, objective in shown)
        recommendation = replace(sample.recommendation, frontier=points)
        drawn = figures(replace(sample, recommendation=recommendation))["frontier"]["data"]
        marked = [trace["x"] for trace in drawn if trace.get("name", "").startswith("the knee")]
        assert marked == ([[2.0]] if len(shown) > 2 else [])
        cells = [row[0] for row in frontier(recommendation).rows]
        assert [i for i, cell in enumerate(cells) if "knee" in str(cell)] == ([1] if len(shown) > 2 else [])


def test_every_audited_cell_is_drawn_with_its_estimate_and_its_measurement() -> None:
    recommendation = weather().recommendation
    assert recommendation.audit is not None
    line, audited, chosen = audit_scatter(recommendation, recommendation.audit)["data"]
    assert line["x"] == line["y"]
    for drawn, cells in ((audited, recommendation.audit.losses), (chosen, recommendation.estimates)):
        assert drawn["x"] == pytest.approx([100 * (one.estimated - 1) for one in cells])
        assert drawn["y"] == pytest.approx([100 * (one.measured - 1) for one in cells])
        assert min(line["x"]) < min(*drawn["x"], *drawn["y"])


def test_effects_that_may_be_none_stand_in_parentheses() -> None:
    recommendation = weather().recommendation
    view = read_affinity(recommendation, clustered=True)
    text = heat_map(recommendation)["data"][0]["text"]
    for t, u in product(range(len(view.tasks)), repeat=2):
        if t != u:
            assert text[t][u].startswith("(") != view.significant_TT[t, u]
    assert {bool(one) for one in view.significant_TT.ravel()} == {True, False}


def _texts(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [text for value in inner for text in _texts(value)]


def test_no_name_opens_a_tag_inside_a_figure() -> None:
    allowed = re.compile(r"</?b>|<br>|<extra></extra>")
    base = nasty()
    name = NASTY_NAMES[0]
    audit = Audit(1, 1, None, None, None, 0.01, (name,), (Estimate(name, 1.0, name, 1.0, 1.01),))
    audited = replace(base, recommendation=replace(base.recommendation, audit=audit))
    for drawn in figures(audited).values():
        for text in _texts(drawn):
            assert "<" not in allowed.sub("", text), text


@pytest.mark.parametrize("name", NASTY_NAMES)
def test_labels_are_escaped_after_they_are_cut(name: str) -> None:
    assert not re.search(r"[<>]", label(name, 14))
    assert len(cut(name, 14)) <= 14


@pytest.mark.parametrize("name", [*NASTY_NAMES, "a_name_of_some_length_that_fits", "x" * 40])
def test_names_beside_a_figure_are_whole_up_to_three_lines(name: str) -> None:
    shown = lines(name, 14)
    assert all(len(unescape(line)) <= 14 for line in shown.split("<br>"))
    assert not re.search(r"[<>]", shown.replace("<br>", ""))
    assert unescape(shown.replace("<br>", "")) == cut(name, 42)


def test_the_heat_map_has_recipients_as_rows() -> None:
    entries = tuple(
        AffinityEntry(a, b, 0.05 if (a, b) == ("rain", "temp") else 0.0, None, None, significant=False)
        for a in WEATHER
        for b in WEATHER
        if a != b
    )
    recommendation = replace(weather().recommendation, affinity=entries)
    cells = heat_map(recommendation)["data"][0]
    order = read_affinity(recommendation, clustered=True).tasks
    assert cells["z"][order.index("rain")][order.index("temp")] == pytest.approx(5.0)
    assert cells["z"][order.index("temp")][order.index("rain")] == 0.0
    assert cells["z"][0][0] is None


def test_the_graph_shows_both_signs_and_significant_edges_first() -> None:
    entries = weather().recommendation.affinity
    shown = strongest_edges(entries)
    assert {e.gain > 0 for e in shown} == {True, False}
    for positive in (True, False):
        left_out = [e for e in entries if (e.gain > 0) == positive and e not in shown]
        kept = [e for e in shown if (e.gain > 0) == positive]
        assert min((e.significant, abs(e.gain)) for e in kept) >= max((e.significant, abs(e.gain)) for e in left_out)


@pytest.mark.parametrize("sample", [weather, nasty])
def test_graphml_reads_back_with_its_direction(sample: Callable[[], Content]) -> None:
    recommendation = sample().recommendation
    text = graphml(recommendation)
    ET.fromstring(text)  # noqa: S314 - our own text
    graph = nx.parse_graphml(text)
    assert set(graph.nodes) == {task.name for task in recommendation.tasks}
    for entry in recommendation.affinity[:20]:
        assert graph.edges[entry.partner, entry.task]["gain"] == pytest.approx(entry.gain)
    served = recommendation.solution.networks[0]
    assert graph.nodes[served.serves[0]]["served_by"] == served.network


def test_every_form_of_the_affinities_says_what_they_were_measured_at() -> None:
    recommendation = weather().recommendation
    measured_at = dict(recommendation.affinity_measured_at)
    assert nx.parse_graphml(graphml(recommendation)).graph.items() >= measured_at.items()
    for row in csv.DictReader(io.StringIO(affinity_csv(recommendation))):
        assert {key: row[key] for key in measured_at} == {key: str(value) for key, value in measured_at.items()}


@pytest.mark.parametrize("sample", [weather, nasty])
def test_the_affinity_table_keeps_every_digit_and_opens_no_formula(sample: Callable[[], Content]) -> None:
    recommendation = sample().recommendation
    entries = (*recommendation.affinity, replace(recommendation.affinity[0], task="'=1", partner="'plain"))
    rows = list(csv.DictReader(io.StringIO(affinity_csv(replace(recommendation, affinity=entries)))))
    assert [float(row["gain"]) for row in rows] == [e.gain for e in entries]
    names = [(unescaped(row["task"]), unescaped(row["partner"])) for row in rows]
    assert names == [(e.task, e.partner) for e in entries]
    assert not [row for row in rows if row["task"][0] in "=+-@" or row["partner"][0] in "=+-@"]


@pytest.mark.parametrize(
    "ends",
    [(-0.02, -0.01), (0.01, 0.05), (-1e-6, 1e-6), (0.0, 0.0), (-3.0, 250.0)],
)
def test_a_forest_keeps_every_interval_and_zero_on_its_axis(ends: tuple[float, float]) -> None:
    low, high = ends
    panel = forest("title", "caption", [Measured("a", "", (low + high) / 2, low, high)])
    (row,) = panel.rows
    assert 0 <= row.low <= row.at <= row.high <= 100
    assert 0 <= panel.zero <= 100
    assert 2 <= len(panel.ticks) <= 8
    assert ("0" in [text for _, text in panel.ticks]) is True
    assert row.tone == ("better" if high < 0 else "worse" if low > 0 else "even")
