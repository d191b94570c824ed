"""Templates: what comes from people is escaped everywhere, and nothing in a page is a script but our scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import search.service.web
from grouping.errors import GroupingError
from search.service.web.history_view import history
from search.service.web.run_view import live, run_head
from search.service.web.runs_view import Filters, run_list
from search.service.web.templating import ASSETS, Viewer, asset, asset_version, fragment, part, render
from search.service.web.trials_view import trials_page
from search.store.records import EventRecord
from tests.search.service.web.samples import NASTY, NOW, record

TEMPLATES = Path(search.service.web.__file__).parent / "templates"
VIEWER = Viewer(NASTY, "submit", "secret")


def harmless(page: str) -> bool:
    return "<img" not in page and "<script>window" not in page


def test_names_of_runs_are_shown_and_never_run() -> None:
    run = record(name=NASTY, tasks=(NASTY, NASTY))
    page = fragment("rows.html", "rows", run_list([run], 1, Filters(), NOW, {}))
    assert "&lt;img src=x" in page
    assert harmless(page)


def test_log_lines_are_shown_and_never_run() -> None:
    shown = live(record(), [EventRecord(1, "note", {"text": NASTY}, NOW)], None)
    head, trials = run_head(record(), NOW, steer=False), trials_page([], 0, 1, "", "")
    page = part("live_part.html", live=shown, head=head, trials=trials)
    assert "&lt;img src=x" in page
    assert harmless(page)


def test_a_problem_that_repeats_what_was_sent_is_escaped() -> None:
    page = render(
        "problem.html",
        nonce="n",
        viewer=VIEWER,
        here=NASTY,
        number=404,
        title=NASTY,
        what=NASTY,
        where=NASTY,
        fix=NASTY,
    )
    assert harmless(page)
    page = render("login.html", nonce="n", viewer=None, here="/login", problem=NASTY, next=NASTY)
    assert harmless(page)


def test_a_filter_is_escaped_inside_its_attribute() -> None:
    filters = Filters(name='"><img src=x onerror=1>')
    empty = run_list([], 0, filters, NOW, {})
    page = render("runs.html", nonce="n", viewer=VIEWER, here="/runs", list=empty, states=[], kinds=[], sorts=[])
    assert harmless(page)
    assert "No run fits" in page


@pytest.mark.parametrize("file", sorted(TEMPLATES.glob("*.html")), ids=lambda file: file.name)
def test_no_template_trusts_text_or_holds_a_script_of_its_own(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    assert not re.search(r"\son[a-z]+\s*=", text), "handlers in attributes do not run under the policy"
    assert "javascript:" not in text
    assert " style=" not in text, "styles in attributes do not apply under the policy"
    scripts = re.findall(r"<script\b([^>]*)>", text)
    assert all("nonce=" in script or "application/json" in script for script in scripts)
    posts = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]*)".*?</form>', text, re.DOTALL)
    carriers = re.findall(r'<form[^>]*method="post"(?:(?!</form>).)*name="csrf"', text, re.DOTALL)
    assert len(carriers) == len([action for action in posts if action != "/login"])


@pytest.mark.parametrize("name", ASSETS)
def test_every_asset_is_there_and_its_address_names_its_content(name: str) -> None:
    assert asset(name).body
    assert len(asset_version(name)) == 12


def test_nothing_else_is_an_asset() -> None:
    with pytest.raises(KeyError):
        asset("../templating.py")
    assert not issubclass(KeyError, GroupingError)


def test_a_page_says_who_looks_and_where_one_is() -> None:
    page = render("compare_none.html", nonce="n", viewer=Viewer("ada", "read", "secret"), here="/runs", problem="")
    assert 'aria-current="page">Runs' in page
    assert ">ada<" in page
    assert page.count('nonce="n"') == page.count("<script")


def test_a_reader_sees_no_buttons_that_are_refused() -> None:
    head = run_head(record(), NOW, steer=False)
    assert not head.may_cancel
    lines, _ = history([])
    assert lines == ()
