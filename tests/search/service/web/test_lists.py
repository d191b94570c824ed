"""Lists tell the truth: what is shown, what is left out, how far a run is."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.report.wording import MISSING, change
from search.documents import dump_spec
from search.service.web.runs_view import SORTS, Filters, Pager, run_list
from search.service.web.wording import KINDS, STATES, budget_text, file_size, moment, roughly, since
from search.store.records import NEXT_STATES
from tests.search.service.web.samples import NOW, record, spec


@given(
    st.sampled_from(["", *STATES]),
    st.sampled_from(["", *KINDS]),
    st.text(max_size=100),
    st.sampled_from(list(SORTS)),
    st.integers(1, 10**6),
)
def test_an_address_leads_back_to_the_same_list(state: str, kind: str, name: str, sort: str, page: int) -> None:
    filters = Filters(state, kind, name.encode(errors="replace").decode().strip(), sort, page)
    assert Filters.of(dict(parse_qsl(filters.query(page).lstrip("?")))) == filters


@pytest.mark.parametrize(
    "query", [{"page": "x"}, {"page": "-1"}, {"page": "9" * 50}, {"sort": "name;drop"}, {"state": "x"}]
)
def test_nonsense_in_an_address_is_the_whole_list(query: dict[str, str]) -> None:
    assert Filters.of(query) == Filters()


def test_every_state_has_words() -> None:
    assert set(STATES) == set(NEXT_STATES)


@pytest.mark.parametrize(
    ("page", "shown", "total", "text", "previous", "following"),
    [
        (1, 3, 3, "3 runs", None, None),
        (1, 1, 1, "1 run", None, None),
        (1, 25, 12_345, "Showing 1 to 25 of 12,345 runs", None, "2"),
        (494, 20, 12_345, "Showing 12,326 to 12,345 of 12,345 runs", "493", None),
        (500, 0, 12_345, "Nothing on this page; there are 12,345 runs", "499", None),
    ],
)
def test_a_page_says_what_it_leaves_out(
    page: int, shown: int, total: int, text: str, previous: str | None, following: str | None
) -> None:
    pager = Pager.of("run", page, 25, shown, total, {page - 1: str(page - 1), page + 1: str(page + 1)})
    assert pager.text.replace("\N{NO-BREAK SPACE}", " ") == text
    assert (pager.previous, pager.following) == (previous, following)


def test_a_running_run_says_how_far_it_is_and_how_long_it_takes() -> None:
    (row,) = run_list([record()], 1, Filters(), NOW, {record().id: 95.0}).rows
    assert (row.done, row.part, row.failed) == ("10 of 40", 0.25, 1)
    assert row.remaining.replace("\N{NO-BREAK SPACE}", " ") == "about 2 min left"
    assert row.best == change(0.93)


def test_a_run_that_waits_promises_nothing() -> None:
    waits = record(state="queued", started=None, planned=0, finished=0, failed=0, best=None, seconds=0.0)
    (row,) = run_list([waits], 1, Filters(), NOW, {}).rows
    assert (row.done, row.part, row.remaining, row.best, row.started) == (MISSING, None, "", MISSING, None)


def test_more_trainings_than_planned_are_no_more_than_all() -> None:
    (row,) = run_list([record(finished=90)], 1, Filters(), NOW, {}).rows
    assert row.part == 1.0


@pytest.mark.parametrize("most", [None, 1, 3])
@pytest.mark.parametrize(("unit", "text"), [("snt", "2 SNT"), ("flops", "2 FLOPs"), ("latency_ms", "2 ms")])
def test_the_budget_is_read_off_the_spec(unit: str, text: str, most: int | None) -> None:
    asked = spec()
    budget = asked.budget.model_copy(update={"unit": unit, "max_networks": most})
    shown = budget_text(dump_spec(asked.model_copy(update={"budget": budget}))).replace("\N{NO-BREAK SPACE}", " ")
    assert shown == text + ("" if most is None else f", at most {most} network{'s' * (most > 1)}")


@pytest.mark.parametrize("text", ["", "name: x", "budget: [", "budget:\n  inference: many", "budget: 3"])
def test_a_spec_without_a_readable_budget_shows_none(text: str) -> None:
    assert budget_text(text) == MISSING


def test_times_and_sizes_read_as_people_say_them() -> None:
    said = [
        since(5),
        since(125),
        since(7260),
        roughly(45),
        roughly(89),
        roughly(90_000),
        roughly(180_000),
        file_size(12),
        file_size(1_234_567),
    ]
    plain = [text.replace("\N{NO-BREAK SPACE}", " ") for text in said]
    assert plain == ["5 s", "2 min 05 s", "2 h 01 min", "45 s", "1 min", "1 day", "2 days", "12 bytes", "1.2 MB"]


def test_a_clock_that_jumped_back_gives_no_negative_age() -> None:
    found = moment(NOW + 500, NOW)
    assert found is not None
    assert found.ago.replace("\N{NO-BREAK SPACE}", " ") == "0 s ago"


def test_rows_keep_the_order_of_the_store() -> None:
    runs = [replace(record(), id=f"20261122-10351{i}-x-a1b2") for i in range(5)]
    assert [row.id for row in run_list(runs, 5, Filters(), NOW, {}).rows] == [run.id for run in runs]
