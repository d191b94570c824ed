"""The pages over real sockets: who may see what, what is refused, and that no name anywhere is taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.grouping.report.sample import nasty, weather
from tests.search.service.serving import TABLE, Served, serving
from tests.search.service.visiting import HTML, browser, choosable_run, csrf, visible
from tests.search.service.web.samples import NASTY


@pytest.fixture(scope="module")
def ada(served: Served) -> Iterator[httpx.Client]:
    with browser(served) as client:
        yield client


@pytest.fixture(scope="module")
def finished(served: Served) -> str:
    return served.finished_run("ada", weather())


@pytest.fixture(scope="module")
def choosable(served: Served) -> str:
    return choosable_run(served)


# --- who may see what -----------------------------------------------------------------------------------------------

PAGES = ["/", "/runs", "/runs.csv", "/runs/new", "/datasets", "/datasets/synthetic", "/solve", "/compare", "/nowhere"]


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_asked_to_log_in_and_comes_back(served: Served, path: str) -> None:
    with served.client(None, headers=HTML) as client:
        answer = client.get(path, follow_redirects=True)
        if path == "/nowhere":
            assert answer.status_code == 404
            return
        assert answer.url.path == "/login"
        there = "/runs" if path == "/" else path
        logged_in = client.post(
            "/login", data={"token": served.tokens["ada"], "next": answer.url.params["next"]}, follow_redirects=True
        )
        assert logged_in.url.path == there


@pytest.mark.parametrize("path", ["/login", "/login/known", "/assets/style.css", "/assets/page.js"])
def test_only_what_logging_in_needs_is_open(served: Served, path: str) -> None:
    with served.client(None) as client:
        assert client.get(path).status_code == 200


def test_a_wrong_token_is_told_and_gives_no_cookie(served: Served) -> None:
    with served.client(None, headers=HTML) as client:
        answer = client.post("/login", data={"token": "tg_wrong", "next": "/runs"})
        assert answer.status_code == 403
        assert "not a valid token" in answer.text
        assert not answer.cookies


@pytest.mark.parametrize(
    "next_", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_logging_in_leads_nowhere_else(served: Served, next_: str) -> None:
    with served.client(None, headers=HTML) as client:
        answer = client.post("/login", data={"token": served.tokens["ada"], "next": next_})
        assert answer.headers["location"] == "/runs"


def test_another_site_can_log_nobody_in(served: Served) -> None:
    with served.client(None, headers={**HTML, "sec-fetch-site": "cross-site"}) as client:
        answer = client.post("/login", data={"token": served.tokens["bob"], "next": "/runs"})
        assert answer.status_code == 403
        assert not answer.cookies


def test_logging_out_ends_the_session(served: Served) -> None:
    with browser(served) as client:
        client.post("/logout", data={"csrf": csrf(client)})
        assert client.get("/runs").url.path == "/login"


@pytest.mark.parametrize(
    "path", ["", "/live", "/courses?task=temp", "/trials", "/choice?budget=2", "/files/recommendation.json"]
)
def test_somebody_elses_run_does_not_exist(served: Served, finished: str, path: str) -> None:
    with browser(served, "bob") as bob:
        assert bob.get(f"/runs/{finished}{path}").status_code == 404
        assert bob.get("/compare", params={"run": [finished, finished[:-1] + "x"]}).status_code == 404
        assert finished not in bob.get("/runs").text


def test_nobody_steers_copies_or_looks_into_what_is_somebody_elses(served: Served, finished: str) -> None:
    queued = served.run_of("ada")
    with browser(served, "bob") as bob, served.client() as ada:
        asked = [f"/runs/{run}/{action}" for run in (finished, queued) for action in ("cancel", "resume", "delete")]
        uploaded = ada.post(
            "/api/v1/datasets", params={"name": "t.csv"}, content=TABLE, headers={"content-type": "text/csv"}
        ).json()["id"]
        asked.append(f"/datasets/{uploaded}/delete")
        assert {bob.post(path, data={"csrf": csrf(bob)}).status_code for path in asked} == {404}
        for path in (f"/runs/new?like={finished}", f"/runs/new?data={uploaded}", f"/datasets/{uploaded}"):
            assert bob.get(path).status_code == 404, path
        assert ada.get(f"/api/v1/runs/{queued}").json()["state"] == "queued"
        assert ada.get(f"/api/v1/runs/{finished}").json()["state"] == "finished"
        assert ada.delete(f"/api/v1/datasets/{uploaded}").status_code == 204
    served.store.ask(queued, "cancel")


FORMS = [
    "/logout",
    "/runs/new",
    "/runs/new/plan",
    "/runs/x/cancel",
    "/runs/x/resume",
    "/runs/x/delete",
    "/datasets",
    "/datasets/x/delete",
    "/solve",
]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("given", [None, "wrong"])
def test_a_form_without_the_sessions_secret_is_refused(ada: httpx.Client, path: str, given: str | None) -> None:
    answer = ada.post(path, data={"name": "x"} | ({} if given is None else {"csrf": given}))
    assert answer.status_code == 403
    assert "did not come from a page of this service" in answer.text


def test_a_form_of_another_site_is_refused_even_with_the_secret(ada: httpx.Client) -> None:
    answer = ada.post("/solve", data={"csrf": csrf(ada), "text": "x"}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403


def test_a_reader_is_shown_no_way_to_submit_and_is_refused_it(served: Served) -> None:
    with browser(served, "eve") as eve:
        assert "/runs/new?data=" not in eve.get("/runs/new").text
        assert eve.post("/runs/new", data={"csrf": csrf(eve)}).status_code == 403


def test_every_page_has_the_headers_of_safety(ada: httpx.Client, finished: str) -> None:
    for path in ["/runs", f"/runs/{finished}", "/solve", "/nowhere"]:
        headers = ada.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


# --- what is shown --------------------------------------------------------------------------------------------------


def test_no_name_of_a_run_its_tasks_or_its_log_is_taken_for_markup(served: Served, ada: httpx.Client) -> None:
    evil = served.run_of("ada", NASTY, tasks=[NASTY, "b"])
    served.store.add_event(evil, "note", {"text": NASTY})
    served.store.add_event(evil, NASTY, {"text": NASTY})
    done = served.finished_run("ada", nasty())
    other = served.finished_run("ada", nasty())
    paths = [
        "/runs",
        f"/runs?name={quote(NASTY)}",
        f"/runs/{evil}",
        f"/runs/{evil}/live",
        f"/runs/{evil}/trials",
        f"/runs/{done}",
        f"/compare?run={done}&run={other}&run={evil}",
        f"/runs/{quote(NASTY, safe='')}",
        f"/datasets/{quote(NASTY, safe='')}",
        f"/login?next={quote(NASTY)}",
    ]
    for path in paths:
        text = visible(ada.get(path))
        assert "<img" not in text, path
        assert "<script>window" not in text, path
        assert 'href="javascript:' not in text, path
    figures = re.findall(r'id="figures">(.*?)</script>', ada.get(f"/runs/{done}").text, re.DOTALL)[0]
    assert "<" not in figures  # tojson escapes what would end the element


def test_the_list_of_all_runs_holds_no_formula(served: Served, ada: httpx.Client) -> None:
    served.run_of("ada", "=HYPERLINK(1)")
    lines = ada.get("/runs.csv").text.splitlines()
    assert any(",'=HYPERLINK(1)," in line for line in lines)
    assert len(lines) - 1 == served.store.list_runs(principal="ada", limit=1).total


def test_a_filtered_list_shows_what_fits_and_says_when_nothing_does(served: Served, ada: httpx.Client) -> None:
    run = served.run_of("ada", "a needle in here")
    assert run in ada.get("/runs", params={"name": "NEEDLE"}).text
    assert run not in ada.get("/runs", params={"name": "needle", "state": "failed"}).text
    assert "No run fits" in ada.get("/runs", params={"name": "no such thing"}).text
    assert "past the end" in ada.get("/runs", params={"page": "900"}).text


def test_the_rows_alone_are_given_to_the_page_that_refreshes_them(ada: httpx.Client) -> None:
    answer = ada.get("/runs", headers={"x-part": "list"})
    assert answer.text.lstrip().startswith("<table")


def test_a_finished_run_shows_its_recommendation(ada: httpx.Client, finished: str) -> None:
    text = ada.get(f"/runs/{finished}").text
    for part in ("How sure, in plain words", "Groups and routing", "Who helps whom", "Loss against budget", "Files"):
        assert part in text


def test_a_waiting_run_shows_that_it_waits(served: Served, ada: httpx.Client) -> None:
    run = served.run_of("ada", "waiting")
    text = ada.get(f"/runs/{run}").text
    assert "Accepted and waiting for its turn" in text
    assert "No training has ended yet" in text
    assert f'data-live="/runs/{run}/live"' in text


def test_a_run_that_is_asked_to_stop_says_so(served: Served, ada: httpx.Client) -> None:
    run = served.run_of("ada", "to be cancelled")
    answer = ada.post(f"/runs/{run}/cancel", data={"csrf": csrf(ada)})
    assert answer.url.path == f"/runs/{run}"
    assert "Cancelled" in answer.text
    assert served.store.run(run).state == "cancelled"
    ada.post(f"/runs/{run}/delete", data={"csrf": csrf(ada)})
    assert ada.get(f"/runs/{run}").status_code == 404


def test_only_files_that_are_offered_are_given(ada: httpx.Client, finished: str) -> None:
    answer = ada.get(f"/runs/{finished}/files/recommendation.json")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment;")
    for name in ("..%2f..%2fstore.sqlite3", "%2e%2e/service.secret", "supervisor.log", "", "recommendation.json%00"):
        assert ada.get(f"/runs/{finished}/files/{name}").status_code == 404


def test_two_runs_are_compared_and_others_are_told_how(ada: httpx.Client, served: Served, finished: str) -> None:
    other = served.finished_run("ada", weather())
    text = ada.get("/compare", params={"run": [finished, other]}).text
    assert "serve the same tasks together" in text
    assert "Mark two to six runs" in ada.get("/compare", params={"run": finished}).text
    assert "7 runs are too many" in ada.get("/compare", params={"run": [f"{finished}{i}" for i in range(7)]}).text


# --- another budget -------------------------------------------------------------------------------------------------


def test_another_budget_is_solved_at_once(ada: httpx.Client, choosable: str) -> None:
    assert 'id="choice"' in ada.get(f"/runs/{choosable}").text
    costs = []
    for budget in ("1", "2", "3"):
        answer = ada.get(f"/runs/{choosable}/choice", params={"budget": budget})
        found = re.search(r'data-cost="([\d.]+)" data-objective="([\d.]+)"', answer.text)
        assert found is not None
        costs.append((float(found[1]), float(found[2])))
    assert costs == sorted(costs)
    assert [objective for _, objective in costs] == sorted((objective for _, objective in costs), reverse=True)


@pytest.mark.parametrize(
    "query", [{"budget": "x"}, {"budget": "nan"}, {"budget": "-1"}, {"budget": "1", "max_networks": "0"}]
)
def test_a_budget_that_is_none_is_refused(ada: httpx.Client, choosable: str, query: dict[str, str]) -> None:
    assert ada.get(f"/runs/{choosable}/choice", params=query).status_code == 422


def test_a_budget_that_is_too_small_names_the_smallest(ada: httpx.Client, choosable: str) -> None:
    assert "The smallest budget that works is" in ada.get(f"/runs/{choosable}/choice", params={"budget": "0.1"}).text


def test_many_runs_are_paged(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("many")) as served, browser(served) as client:
        for i in range(60):
            served.run_of("ada", f"run {i}")
        text = client.get("/runs").text
        assert "Showing 1 to 25 of 60" in text.replace("\N{NO-BREAK SPACE}", " ")
        assert 'href="?page=2"' in text
        assert text.count('name="run"') == 25
        assert "Showing 51 to 60" in client.get("/runs", params={"page": "3"}).text
