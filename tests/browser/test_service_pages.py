"""The service's pages in a real browser: quiet, offline, accessible, narrow, live, and usable from the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from grouping.report.palette import DARK
from search.store.leases import Lease
from search.store.records import RunState
from search.store.tokens import Scope, Tokens
from search.trials import Trial, TrialFailure
from tests.browser.chromium import NEEDED, chromium
from tests.grouping.report.sample import nasty, weather, write_run
from tests.search.service.serving import TABLE, Served, serving
from tests.search.service.visiting import choosable_run, trained
from tests.search.service.web.samples import NASTY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = NEEDED

SERIOUS = {"serious", "critical"}

NASTY_CELL = "<img src=x onerror=window.__hit=2>"
"""A name that a table holds without quotes."""

REFUSED = ("404 (Not Found)", "422 (Unprocessable")
"""What the browser notes of pages that say what is wrong."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@dataclass(frozen=True)
class Site:
    """A service with something to look at."""

    served: Served
    state: Any
    weather: str
    nasty: str
    choosable: str
    waiting: str
    dataset: str
    running: Lease
    ended: dict[RunState, str]

    def pages(self) -> dict[str, str]:
        """Every kind of page that an address leads to, in every state that looks different."""
        run = f"/runs/{self.weather}"
        self.running.renew()  # else the run counts as interrupted after a while
        return {
            "running run with curves": f"/runs/{self.running.run}",
            "list of runs": "/runs",
            "list with nothing that fits": "/runs?name=nothing-has-this-name",
            "list past its end": "/runs?page=900",
            **{f"{state} run": f"/runs/{ended}" for state, ended in self.ended.items()},
            "trainings with nasty names": f"/runs/{self.ended['failed']}/trials",
            "trainings past their end": f"/runs/{self.ended['failed']}/trials?page=900",
            "trainings of a run without any": f"/runs/{self.nasty}/trials",
            "comparison of nothing": "/compare",
            "comparison of one run": f"/compare?run={self.weather}",
            "finished run": run,
            "run with nasty names": f"/runs/{self.nasty}",
            "waiting run": f"/runs/{self.waiting}",
            "run with a slider": f"/runs/{self.choosable}",
            "trainings": f"{run}/trials",
            "comparison": f"/compare?run={self.weather}&run={self.nasty}&run={self.waiting}",
            "choice of data": "/runs/new",
            "choice of tasks": f"/runs/new?data={self.dataset}",
            "form": "/runs/new?data=synthetic",
            "data sets": "/datasets",
            "data set": f"/datasets/{self.dataset}",
            "table to solve": "/solve",
            "nothing there": f"/runs/{quote(NASTY, safe='')}",
        }

    def answers(self) -> dict[str, tuple[str, Callable[[Page], None]]]:
        """Every kind of page that a form is answered with: where the form is, and how it is filled in and sent."""
        return {
            "form with errors": ("/runs/new?data=synthetic", send_a_wrong_form),
            "form with a wrong task": ("/runs/new?data=synthetic", send_a_wrong_task),
            "form without a spec": ("/runs/new?data=synthetic", send_a_form_that_is_no_spec),
            "refused upload": ("/datasets", upload_nonsense),
            "solved table": ("/solve", lambda page: solve(page, NASTY_TABLE)),
            "table that cannot be solved": ("/solve", lambda page: solve(page, NASTY)),
        }


NASTY_TABLE = "network,task,loss\n" + "".join(
    f"{network},{task},{loss}\n"
    for network, task, loss in [
        ("a", "a", 1.0),
        (NASTY_CELL, NASTY_CELL, 1.0),
        (f"a+{NASTY_CELL}", "a", 0.9),
        (f"a+{NASTY_CELL}", NASTY_CELL, 1.2),
    ]
)


def send_a_wrong_form(page: Page) -> None:
    page.fill("#name", NASTY)
    page.fill("#budget-inference", NASTY)
    page.fill("#training-seeds", "-1")
    submit(page)


def send_a_wrong_task(page: Page) -> None:
    page.locator("input[name='task-name']").first.fill(NASTY)
    page.locator("input[name='task-weight']").first.fill("-1")
    submit(page)
    assert page.locator("[aria-errormessage^='task-']").count() == 1


def send_a_form_that_is_no_spec(page: Page) -> None:
    page.click("summary >> text=Everything else")
    page.fill("#rest", f"{NASTY}: [")
    submit(page)


def submit(page: Page) -> None:
    page.click("text=Submit the run")
    page.wait_for_selector("#errors")


def upload_nonsense(page: Page) -> None:
    page.set_input_files("#file", {"name": f"{NASTY}.csv", "mimeType": "text/csv", "buffer": NASTY.encode()})
    page.click("text=Upload and look at it")
    page.wait_for_selector("#file-error")


def solve(page: Page, table: str) -> None:
    page.fill("#text", table)
    page.click("text=Solve it")
    page.wait_for_selector("#answer, [role='alert']")


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site"), max_concurrent_runs=1) as served:
        served.store.take(served.run_of("bob", "occupant"))
        waiting = served.run_of("ada", NASTY, tasks=[NASTY, "b"])
        served.store.add_event(waiting, "note", {"text": NASTY})
        finished, hostile, choosable = (
            served.finished_run("ada", weather()),
            served.finished_run("ada", nasty()),
            choosable_run(served),
        )
        context = browser.new_context()
        page = context.new_page()
        log_in(page, served)
        page.goto(f"{served.url}/datasets")
        table = TABLE.replace("y_a", "height").replace("y_b", "<img src=x onerror=window.__hit=1>")
        page.set_input_files("#file", {"name": f"{NASTY}.csv", "mimeType": "text/csv", "buffer": table.encode()})
        page.click("text=Upload and look at it")
        page.wait_for_url("**/datasets/data-*")
        state, dataset = context.storage_state(), page.url.rpartition("/")[2]
        context.close()
        running, ended = under_way(served), {state: ended_run(served, state) for state in ENDED}
        yield Site(served, state, finished, hostile, choosable, waiting, dataset, running, ended)


ENDED: tuple[RunState, ...] = ("failed", "interrupted", "cancelled")


def under_way(served: Served) -> Lease:
    """A run that is being worked on: curves, a failed training, a log."""
    run = served.run_of("ada", NASTY, tasks=[NASTY, "b"], planned=40)
    lease = served.store.take(run)
    served.store.add_event(run, "phase", {"label": NASTY, "total": 40, "done": 0})
    for tasks, losses in (((NASTY,), [0.9, 0.5]), (("b",), [0.8, 0.4]), ((NASTY, "b"), [0.7, 0.3])):
        trained(served, run, Trial(tasks, 1.0, 0), losses)
    failing = Trial((NASTY, "b"), 1.0, 1)
    served.store.record_failure(run, NASTY, failing, "failing", TrialFailure(NASTY, NASTY), worker=NASTY)
    served.store.add_event(run, "warning", {"text": f"{NASTY} {'long' * 60}"})
    served.store.set_progress(run, best=0.9)
    return lease


def ended_run(served: Served, state: RunState) -> str:
    """A run that ended without a result."""
    lease = under_way(served)
    told = f"{NASTY} {'long' * 60}"
    served.store.add_event(lease.run, "error", {"code": "unexpected", "what": told, "where": NASTY, "fix": NASTY})
    lease.release(state)
    return lease.run


def log_in(page: Page, served: Served, token: str | None = None) -> None:
    page.goto(f"{served.url}/login")
    page.fill("#token", token or served.tokens["ada"])
    page.press("#token", "Enter")
    page.wait_for_url("**/runs")


@dataclass
class Look:
    """A page that is open, and what the browser said and asked for meanwhile."""

    page: Page
    said: list[str]
    asked: list[str]

    def drawn(self) -> None:
        """Wait until every figure is there."""
        if self.page.locator("[data-figure]").count():
            self.page.wait_for_selector("html[data-drawn]", state="attached")


@contextmanager
def looking(
    browser: Browser, site: Site, scheme: Any = "light", width: int = 1280, who: str | None = None
) -> Iterator[Look]:
    """A browser that is logged in; afterwards nothing had been said on its console, nor asked of anybody else.

    ``who`` is the token of somebody else than ada.
    """
    context = browser.new_context(
        storage_state=None if who else site.state, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page = context.new_page()
    if who:
        log_in(page, site.served, who)
    look = Look(page, [], [])
    page.on("pageerror", lambda error: look.said.append(f"{page.url}: {error}"))
    page.on("console", lambda message: look.said.append(f"{page.url}: {message.text}"))
    page.on("request", lambda request: look.asked.append(request.url))
    try:
        yield look
        assert {url for url in look.asked if not url.startswith((site.served.url, "data:"))} == set()
        assert [text for text in look.said if not any(one in text for one in REFUSED)] == []
    finally:
        context.close()


# --- every page -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_every_page_is_quiet_accessible_and_fits_and_nothing_injected_runs(
    browser: Browser, site: Site, scheme: str, width: int
) -> None:
    axe, found = axe_of_tests(), []
    states = {"running run with curves": "running", **{f"{state} run": state for state in site.ended}}
    with looking(browser, site, scheme, width) as look:
        for name, path in site.pages().items():
            look.page.goto(site.served.url + path)
            if name in states:
                assert look.page.get_attribute("#run", "data-state") == states[name]
            found += wrong(look, axe, name, width)
        for name, (path, send) in site.answers().items():
            look.page.goto(site.served.url + path)
            send(look.page)
            found += wrong(look, axe, name, width)
    assert found == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
@pytest.mark.parametrize("scope", ["submit", "read"])
def test_a_list_without_runs_is_accessible_and_fits(
    browser: Browser, site: Site, scope: Scope, scheme: str, width: int
) -> None:
    token = Tokens(site.served.store.sessions).create(f"newcomer-{scope}-{scheme}", scope)[1]
    with looking(browser, site, scheme, width, who=token) as look:
        look.page.goto(f"{site.served.url}/runs")
        assert look.page.locator("h2").all_inner_texts() == ["No runs yet"]
        assert wrong(look, axe_of_tests(), "no runs", width) == []


def axe_of_tests() -> Any:
    return pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()


def wrong(look: Look, axe: Any, name: str, width: int) -> list[tuple[str, str, object]]:
    """What is wrong with the page that is open."""
    look.drawn()
    wide = look.page.evaluate("document.documentElement.scrollWidth")
    hit = look.page.evaluate("window.__hit")
    links = look.page.locator("svg a, main img, a[href^='javascript'], [onclick], [onerror]").count()
    found: list[tuple[str, str, object]] = []
    found += [(name, "wider than the window", wide)] * (wide > width)
    found += [(name, "an injected script ran", hit)] * (hit is not None)
    found += [(name, "markup in a name", links)] * bool(links)
    found += [
        (name, violation["id"], violation["nodes"][0]["html"])
        for violation in axe.run(look.page).response["violations"]
        if violation["impact"] in SERIOUS
    ]
    return found


def test_the_login_page_is_accessible_and_needs_nothing_from_elsewhere(browser: Browser, site: Site) -> None:
    axe = axe_of_tests()
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.served.url}/runs/{site.weather}")
    assert page.url.startswith(f"{site.served.url}/login")
    page.fill("#token", "tg_wrong")
    page.press("#token", "Enter")
    page.wait_for_selector("#token-error")
    assert [v["id"] for v in axe.run(page).response["violations"] if v["impact"] in SERIOUS] == []
    page.fill("#token", site.served.tokens["ada"])
    page.press("#token", "Enter")
    page.wait_for_url(f"**/runs/{site.weather}")
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {site.served.url.split("/")[2]}
    page.close()


def test_plots_follow_the_colour_scheme(browser: Browser, site: Site) -> None:
    with looking(browser, site, "dark") as look:
        look.page.goto(f"{site.served.url}/runs/{site.weather}")
        look.page.wait_for_selector(f"html[data-drawn='{DARK['paper']}']", state="attached")
        script = "e => getComputedStyle(e).backgroundColor"
        colour = look.page.locator("[data-figure='affinity'] .main-svg").first.evaluate(script)
        parts = re.findall(r"\d+", colour)[:3]
        assert "#" + "".join(f"{int(part):02x}" for part in parts) == DARK["surface"]


# --- the keyboard ---------------------------------------------------------------------------------------------------


def tabbed(page: Page, most: int) -> list[str]:
    """What Tab reaches, each with a visible focus, until it leaves the page."""
    reached = []
    for _ in range(most):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
                return [e.tagName, e.id || e.name || e.textContent.trim().slice(0, 40), s.outlineStyle]; }"""
        )
        if told[0] == "BODY":
            break
        assert told[2] != "none", f"nothing shows that {told} has the focus"
        reached.append(told[1])
    return reached


def test_tab_goes_through_the_list_of_runs_in_reading_order(browser: Browser, site: Site) -> None:
    with looking(browser, site) as look:
        look.page.goto(f"{site.served.url}/runs")
        reached = tabbed(look.page, 40)
        order = ["Skip to the content", "taskgroup", "Runs", "New run", "Data", "Solve a table", "Log out"]
        assert reached[:7] == order
        rest = [name for name in reached[7:] if name.startswith("f-") or name in {"Show", "run"}]
        assert rest[:5] == ["f-name", "f-state", "f-kind", "f-sort", "Show"]
        assert "run" in rest
        look.page.goto(f"{site.served.url}/runs")
        look.page.keyboard.press("Tab")
        look.page.keyboard.press("Enter")
        assert look.page.evaluate("document.activeElement.id") == "main"


def test_every_field_of_the_form_is_reached_and_labelled(browser: Browser, site: Site) -> None:
    with looking(browser, site) as look:
        look.page.goto(f"{site.served.url}/runs/new?data=synthetic")
        reached = tabbed(look.page, 160)
        for field in ("name", "data-inputs", "budget-inference", "network-widths", "affinity-estimator"):
            assert field in reached
        assert reached.index("name") < reached.index("budget-inference") < reached.index("affinity-estimator")


# --- things that move -----------------------------------------------------------------------------------------------


def test_the_budget_slider_solves_again_at_once_and_marks_the_budget(browser: Browser, site: Site) -> None:
    with looking(browser, site) as look:
        page = look.page
        page.goto(f"{site.served.url}/runs/{site.choosable}")
        look.drawn()
        answers = []
        for budget in ("1", "2", "3"):
            page.locator("#dial-range").evaluate(
                "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", budget
            )
            page.wait_for_selector(f"#choice-answer [data-budget='{float(budget)}']", state="attached")
            answer = page.locator("#choice-answer > div")
            answers.append(float(answer.get_attribute("data-objective") or "nan"))
            assert page.locator("#choice-answer .card").count() <= float(budget)
        assert answers == sorted(answers, reverse=True)
        figure = "document.querySelector('[data-figure=frontier]')"
        assert page.evaluate(f"{figure}.layout.shapes.filter(s => s.name === 'asked').map(s => s.x0)") == [3]
        page.focus("#dial-range")
        page.keyboard.press("Home")
        page.wait_for_selector("#choice-answer [data-cost='1.0']", state="attached")
        page.fill("#dial-number", "0.2")
        page.wait_for_selector("#choice-answer >> text=The smallest budget that works is")


def test_a_run_is_followed_live_from_the_queue_to_its_result(browser: Browser, site: Site) -> None:
    served = site.served
    run = served.run_of("ada", "followed", planned=40)
    with looking(browser, site) as look:
        page = look.page
        page.goto(f"{served.url}/runs/{run}")
        page.wait_for_selector("text=Accepted and waiting for its turn")
        lease = served.store.take(run)
        page.wait_for_selector("#run[data-state='running']")
        served.store.add_event(run, "phase", {"label": "groups of the search", "total": 40, "done": 0})
        page.wait_for_selector("#live >> text=Now: groups of the search")
        served.store.add_event(run, "warning", {"text": f"few labels {NASTY}"})
        page.wait_for_selector("#log-lines .warning")
        assert page.locator("#log-lines img").count() == 0
        write_run(weather(), served.home / run)
        lease.release("finished")
        page.wait_for_selector("text=How sure, in plain words")
        look.drawn()
        assert page.evaluate("window.__hit") is None


def test_a_run_is_cancelled_after_a_question(browser: Browser, site: Site) -> None:
    run = site.served.run_of("ada", "not wanted")
    with looking(browser, site) as look:
        page = look.page
        page.goto(f"{site.served.url}/runs/{run}")
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.click("text=Cancel this run")
        assert site.served.store.run(run).state == "queued"
        page.once("dialog", lambda dialog: dialog.accept())
        page.click("text=Cancel this run")
        page.wait_for_selector("#run[data-state='cancelled']")
        assert site.served.store.run(run).state == "cancelled"


def test_runs_are_marked_and_compared_and_the_list_keeps_its_marks(browser: Browser, site: Site) -> None:
    with looking(browser, site) as look:
        page = look.page
        page.goto(f"{site.served.url}/runs")
        button = page.locator("text=Compare the marked runs")
        assert button.is_disabled()
        for run in (site.weather, site.nasty):
            page.check(f"input[value='{run}']")
        page.evaluate("document.getElementById('list').dataset.seen = 'before'")
        with page.expect_response(lambda reply: reply.request.headers.get("x-part") == "list"):
            pass  # the list asks for its rows again while a run is on its way
        page.wait_for_function("document.querySelectorAll('#list input:checked').length === 2")
        button.click()
        page.wait_for_url("**/compare?*")
        assert page.locator("h1").inner_text() == "Compare 2 runs"


def test_the_plan_follows_the_form_and_errors_stand_beside_their_fields(browser: Browser, site: Site) -> None:
    with looking(browser, site) as look:
        page = look.page
        page.goto(f"{site.served.url}/runs/new?data=synthetic")
        before = page.locator("#plan-title").inner_text()
        page.fill("#training-seeds", "7")
        page.wait_for_function("t => document.getElementById('plan-title')?.innerText !== t", arg=before)
        page.fill("#budget-inference", "lots")
        page.wait_for_selector("#plan >> text=No plan yet")
        look.said.clear()
        page.click("text=Submit the run")
        page.wait_for_selector("#budget-inference-error")
        assert page.evaluate("document.activeElement.id") == "errors"
        assert page.input_value("#training-seeds") == "7"
        look.said.clear()  # the browser notes that the answer's status was 422


def test_a_table_is_solved_and_looked_through(browser: Browser, site: Site) -> None:
    with looking(browser, site) as look:
        page = look.page
        page.goto(f"{site.served.url}/solve")
        page.click("#example")
        page.click("text=Solve it")
        page.wait_for_selector("text=The best groupings")
        look.drawn()
        page.focus("#point-range")
        page.keyboard.press("End")
        assert page.locator("#points > .point:visible").count() == 1
        last = page.locator("#points > .point:visible").get_attribute("data-cost")
        page.keyboard.press("Home")
        assert float(page.locator("#points > .point:visible").get_attribute("data-cost") or 0) < float(last or 0)
