"""Forms over real sockets: a new run from its data to the queue, uploads, tables solved; errors beside their fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlencode

import httpx
import pytest

from search.service.web.draft_form import FIELDS
from tests.search.service.serving import TABLE, Served
from tests.search.service.visiting import browser, choosable_run, csrf, visible
from tests.search.service.web.samples import NASTY


@pytest.fixture(scope="module")
def ada(served: Served) -> Iterator[httpx.Client]:
    with browser(served) as client:
        yield client


@pytest.fixture(scope="module")
def choosable(served: Served) -> str:
    return choosable_run(served)


# --- a new run ------------------------------------------------------------------------------------------------------


def fields_of(text: str) -> list[tuple[str, str]]:
    """What a browser would send of the form of a new run, read off the page."""
    form = text[text.index('id="draft"') : text.index("</form>", text.index('id="draft"'))]
    found = []
    for tag in re.findall(r"<input [^>]*>|<select.*?</select>|<textarea.*?</textarea>", form, re.DOTALL):
        name = re.search(r'name="([^"]+)"', tag)
        assert name is not None
        if tag.startswith("<select"):
            chosen = re.search(r'<option value="([^"]*)" selected', tag) or re.search(r'<option value="([^"]*)"', tag)
            value = chosen[1] if chosen else ""
        elif tag.startswith("<textarea"):
            value = tag[tag.index(">") + 1 : tag.rindex("</textarea>")]
        else:
            value = (re.search(r'value="([^"]*)"', tag) or [None, ""])[1] or ""
            if 'type="checkbox"' in tag and " checked" not in tag:
                continue
        found.append((name[1], unescape(value)))
    return found


def send(client: httpx.Client, path: str, fields: list[tuple[str, str]]) -> httpx.Response:
    return client.post(path, content=urlencode(fields), headers={"content-type": "application/x-www-form-urlencoded"})


def changed(fields: list[tuple[str, str]], **values: str) -> list[tuple[str, str]]:
    return [(name, values.get(name.replace("-", "_"), value)) for name, value in fields]


def test_a_form_as_it_is_filled_in_can_be_submitted_and_only_once(served: Served, ada: httpx.Client) -> None:
    page = ada.get("/runs/new", params={"data": "synthetic"})
    fields = changed(fields_of(page.text), name="from a form")
    assert {one.key for one in FIELDS} <= {name for name, _ in fields}
    first = send(ada, "/runs/new", fields)
    assert "Submitted" in first.text
    assert send(ada, "/runs/new", fields).url.path == first.url.path
    other = send(ada, "/runs/new", changed(fields, training_epochs="3"))
    assert other.url.path != first.url.path
    record = served.store.run(first.url.path.rpartition("/")[2])
    assert (record.name, record.principal, record.state) == ("from a form", "ada", "queued")


def test_the_plan_follows_the_form(ada: httpx.Client) -> None:
    fields = fields_of(ada.get("/runs/new", params={"data": "synthetic"}).text)
    totals = []
    for seeds in ("1", "4"):
        text = send(ada, "/runs/new/plan", changed(fields, training_seeds=seeds)).text
        totals.append(int(re.search(r"Up to ([\d,]+) trainings", text)[1].replace(",", "")))  # type: ignore[index]
    assert totals[0] < totals[1]
    text = send(ada, "/runs/new/plan", changed(fields, budget_inference="lots")).text
    assert "No plan yet" in text
    assert "a number is needed" in text


@pytest.mark.parametrize(
    ("field", "value", "beside"),
    [
        ("budget_inference", "0.001", "budget-inference"),
        ("training_epochs", "none", "training-epochs"),
        ("data_inputs", "no_such_*", "data-inputs"),
        ("rest", "evidence: {seeds: 9}", "rest"),
    ],
)
def test_an_error_stands_beside_its_field(ada: httpx.Client, field: str, value: str, beside: str) -> None:
    fields = fields_of(ada.get("/runs/new", params={"data": "synthetic"}).text)
    answer = send(ada, "/runs/new", changed(fields, **{field: value}))
    assert answer.status_code == 422
    assert f'id="{beside}-error"' in answer.text
    again = dict(fields_of(answer.text))
    assert again[field.replace("_", "-", 1) if field != "rest" else field] == value  # what was typed is still there


def test_a_run_like_another_starts_from_its_spec(ada: httpx.Client, choosable: str) -> None:
    fields = dict(fields_of(ada.get("/runs/new", params={"like": choosable}).text))
    assert fields["name"] == "plants"
    assert fields["budget-inference"] == "3"


def test_data_that_is_not_there_is_not_found(ada: httpx.Client) -> None:
    assert ada.get("/runs/new", params={"data": "../../etc/passwd"}).status_code == 404
    assert ada.get("/runs/new", params={"like": "20200101-000000-x-0000"}).status_code == 404


# --- data -----------------------------------------------------------------------------------------------------------


def upload(client: httpx.Client, table: str, name: str = "plants.csv", then: str = "data") -> httpx.Response:
    return client.post("/datasets", data={"csrf": csrf(client), "then": then}, files={"file": (name, table)})


def test_an_uploaded_table_is_looked_at_used_and_deleted(ada: httpx.Client) -> None:
    page = upload(ada, TABLE)
    assert "The columns that seem to be tasks" in page.text
    identity = page.url.path.rpartition("/")[2]
    assert 'id="draft"' in ada.get("/runs/new", params={"data": identity}).text
    assert identity in ada.get("/datasets").text
    ada.post(f"/datasets/{identity}/delete", data={"csrf": csrf(ada)})
    assert ada.get(f"/datasets/{identity}").status_code == 404


def test_tasks_that_cannot_be_told_are_asked_for(ada: httpx.Client) -> None:
    page = upload(ada, TABLE.replace("y_a", "height").replace("y_b", "<b>leaves</b>"), then="run")
    assert page.url.path == "/runs/new"
    assert "Which columns are the tasks?" in page.text
    assert "<b>leaves" not in page.text
    chosen = ada.get("/runs/new", params={**page.url.params, "target": ["height", "<b>leaves</b>"]})
    names = [value for name, value in fields_of(chosen.text) if name == "task-target"]
    assert names == ["height", "<b>leaves</b>"]
    wrong = ada.get("/runs/new", params={**page.url.params, "target": ["no such column"]})
    assert wrong.status_code == 422
    assert "no such column" in wrong.text


@pytest.mark.parametrize(
    ("table", "name", "says"),
    [
        ("", "x.csv", "empty"),
        ("a,b\n1\n", "x.csv", "has 1 cells"),
        (TABLE, "x.txt", "ends in none of"),
        ("a;b\n1;2\n", "x.csv", "semicolons"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_beside_the_field(
    ada: httpx.Client, table: str, name: str, says: str
) -> None:
    page = upload(ada, table, name)
    assert page.status_code == 422
    assert says in page.text
    assert 'id="file-error"' in page.text
    assert "/datasets/.part" not in page.text


# --- solving a table ------------------------------------------------------------------------------------------------

LOSSES = "network,cost,task,loss\na,1,a,0.5\nb,1,b,0.4\na+b,1,a,0.6\na+b,1,b,0.45\n"


def test_a_pasted_table_is_solved_for_every_budget(ada: httpx.Client) -> None:
    page = ada.post("/solve", data={"csrf": csrf(ada), "text": LOSSES})
    assert page.status_code == 200
    assert page.text.count('class="answer point"') == 2
    again = ada.post("/solve", data={"csrf": csrf(ada), "budget": "2"}, files={"file": ("t.csv", LOSSES)})
    assert "The best within your budget of 2" in again.text


def test_names_in_a_pasted_table_are_not_taken_for_markup(ada: httpx.Client) -> None:
    name = '"' + NASTY.replace('"', '""') + '"'
    page = ada.post("/solve", data={"csrf": csrf(ada), "text": f"network,task,loss\n{name},{name},0.5\n"})
    assert page.status_code == 200
    assert "<img" not in visible(page)
    assert "&lt;img" in visible(page)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"text": ""}, "There is no table"),
        ({"text": "network,task\na,a\n"}, "no column &#39;loss&#39;"),
        ({"text": LOSSES + "a,1,a,x\n"}, "Line 6"),
        ({"text": LOSSES, "budget": "much"}, "not a number above 0"),
    ],
)
def test_a_table_that_cannot_be_solved_says_why(ada: httpx.Client, sent: dict[str, str], says: str) -> None:
    page = ada.post("/solve", data={"csrf": csrf(ada), **sent})
    assert page.status_code == 422
    assert says in page.text
    assert "<img" not in page.text
