"""The page of a run under way: its curves grow, its newest trainings come first, its head follows; always bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from search.service.gate import API
from search.service.web.courses_view import MOST_COURSES
from search.trials import Trial
from tests.search.service.serving import Served
from tests.search.service.visiting import browser, trained


@pytest.fixture(scope="module")
def ada(served: Served) -> Iterator[httpx.Client]:
    with browser(served) as client:
        yield client


def test_the_curves_of_a_run_under_way_grow_and_say_what_they_leave_out(served: Served, ada: httpx.Client) -> None:
    run = served.run_of("ada", "growing", tasks=["a", "b"])
    lease = served.store.take(run)
    address = f"/runs/{run}/courses"
    nothing = ada.get(address, params={"task": "a"}).json()
    assert nothing["figure"] is None
    trained(served, run, Trial(("a",), 1.0, 0), [0.9, 0.5])
    trained(served, run, Trial(("b",), 1.0, 0), [0.8, 0.4])
    trained(served, run, Trial(("a", "b"), 1.0, 0), [0.7, 0.3])
    first = ada.get(address, params={"task": "a", "seen": nothing["version"]}).json()
    drawn = {trace["name"]: trace for trace in first["figure"]["data"]}
    assert drawn["a alone"]["y"] == [0.9, 0.5, None]
    assert drawn["the newest"]["y"] == [0.7, 0.3, None]
    assert first["caption"] == "All 2\N{NO-BREAK SPACE}trainings that hold a so far."
    assert ada.get(address, params={"task": "a", "seen": first["version"]}).status_code == 204
    for seed in range(1, MOST_COURSES + 10):
        trained(served, run, Trial(("a", "b"), 1.0, seed), [0.7, seed / 1000])
    grown = ada.get(address, params={"task": "a", "seen": first["version"]}).json()
    drawn = {trace["name"]: trace for trace in grown["figure"]["data"]}
    assert drawn["the newest"]["y"] == [0.7, (MOST_COURSES + 9) / 1000, None]
    assert drawn["a alone"]["y"] == [0.9, 0.5, None]  # whatever is left out, what others are compared with is there
    assert grown["caption"].startswith(f"{MOST_COURSES + 1} of {MOST_COURSES + 11}")
    assert ada.get(address, params={"task": "c"}).status_code == 404
    with served.client() as client:
        read = client.get(f"{API}/runs/{run}/curves", params={"limit": 3}).json()
        assert read["columns"] == ["network", "candidate", "cost", "seed", "task", "step", "loss"]
        assert read["rows"] == [["a", "", 1.0, 0, "a", 10, 0.9], ["a", "", 1.0, 0, "a", 20, 0.5], *read["rows"][2:]]
        assert (read["shown"], read["total"]) == (3, 4 + 4 * (MOST_COURSES + 10))
        both = client.get(f"{API}/runs/{run}/curves", params={"network": "a+b", "limit": 2, "offset": 2}).json()
        assert both["rows"] == [["a+b", "", 1.0, 0, "b", 10, 0.7], ["a+b", "", 1.0, 0, "b", 20, 0.3]]
    lease.release("cancelled")


def test_a_page_under_way_shows_the_newest_first_and_its_head_follows(served: Served, ada: httpx.Client) -> None:
    run = served.run_of("ada", "under way", tasks=["a", "b"], planned=400)
    assert "Accepted and waiting" in ada.get(f"/runs/{run}/live").text
    lease = served.store.take(run)
    served.store.add_event(run, "phase", {"label": "search", "total": 400, "done": 0})
    for seed in range(12):
        trained(served, run, Trial(("a",), 1.0, seed), [0.5])
    for i in range(250):
        served.store.add_event(run, "note", {"text": f"note {i}"})
    served.store.set_progress(run, best=0.9)
    part = ada.get(f"/runs/{run}/live").text.replace("\N{NO-BREAK SPACE}", " ")
    assert "It is being worked on" in part
    assert "Now: search, 400 networks" in part  # though more happened since than the log shows
    assert "The last 200 of" in part
    assert "note 249" in part
    assert "note 10<" not in part
    assert "\N{MINUS SIGN}10.00 %" in part
    assert "Showing 10 of 12" in part
    page = ada.get(f"/runs/{run}/trials").text
    seeds = [int(cell) for cell in re.findall(r'<td class="number">(\d+)</td><td>search', page)]
    assert seeds == list(range(11, -1, -1))
    lease.release("cancelled")
