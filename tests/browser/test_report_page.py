"""The report in a real browser: quiet, offline, dark and light, narrow, and usable from the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from grouping.report.content import Content
from grouping.report.html import html
from grouping.report.palette import DARK, LIGHT
from tests.browser.chromium import NEEDED, chromium
from tests.grouping.report.sample import nasty, weather

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SAMPLES: dict[str, Callable[[], Content]] = {"weather": weather, "nasty": nasty}
Scheme = Literal["light", "dark"]

pytestmark = NEEDED


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    for name, sample in SAMPLES.items():
        (folder / f"{name}.html").write_text(html(sample()), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in SAMPLES}


class Visit:
    """One page, opened and drawn, with what the browser said and asked for meanwhile."""

    def __init__(self, browser: Browser, path: Path, scheme: Scheme = "light", width: int = 1280) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.drawn((LIGHT if scheme == "light" else DARK)["paper"])

    def drawn(self, paper: str) -> None:
        """Wait until every figure is drawn in the scheme with that background."""
        self.page.wait_for_selector(f"html[data-drawn='{paper}']", state="attached")

    def colour(self, selector: str, of: str) -> str:
        """Computed colour of the first match, as ``#rrggbb``."""
        script = "([s, p]) => getComputedStyle(document.querySelector(s))[p]"
        parts = re.findall(r"[\d.]+", str(self.page.evaluate(script, [selector, of])))
        return "#" + "".join(f"{round(float(part)):02x}" for part in parts[:3])


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_quiet_offline_and_nothing_injected_runs(
    browser: Browser, pages: dict[str, Path], name: str, scheme: Scheme
) -> None:
    visit = Visit(browser, pages[name], scheme)
    assert visit.said == []
    assert visit.asked == [pages[name].as_uri()]
    assert visit.page.evaluate("window.__hit") is None
    assert visit.page.locator("svg a, main img, main a[href^='http']").count() == 0
    visit.page.close()


@pytest.mark.parametrize("name", SAMPLES)
def test_every_figure_is_drawn_with_its_names(browser: Browser, pages: dict[str, Path], name: str) -> None:
    visit = Visit(browser, pages[name])
    holders = visit.page.locator("[data-figure]").count()
    assert holders > 8
    assert visit.page.locator("[data-figure].js-plotly-plot .main-svg").count() >= holders
    labels = visit.page.locator("[data-figure='affinity'] .yaxislayer-above text").all_text_contents()
    assert len(labels) == len(SAMPLES[name]().recommendation.tasks)
    if name == "nasty":
        assert any(text.startswith("<img") for text in labels)  # shown as it is, not interpreted
    visit.page.close()


@pytest.mark.parametrize(("scheme", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_page_and_plots_follow_the_colour_scheme(
    browser: Browser, pages: dict[str, Path], scheme: Scheme, palette: dict[str, str]
) -> None:
    visit = Visit(browser, pages["weather"], scheme)
    assert visit.colour("body", "backgroundColor") == palette["paper"]
    assert visit.colour("body", "color") == palette["ink"]
    for key in ("affinity", "frontier", "curves-0"):
        assert visit.colour(f"[data-figure='{key}'] .main-svg", "backgroundColor") == palette["surface"]
    visit.page.close()


def test_the_colour_scheme_changes_while_the_page_is_open(browser: Browser, pages: dict[str, Path]) -> None:
    visit = Visit(browser, pages["weather"], "light")
    visit.page.emulate_media(color_scheme="dark")
    visit.drawn(DARK["paper"])
    assert visit.colour("[data-figure='frontier'] .main-svg", "backgroundColor") == DARK["surface"]
    assert visit.colour("body", "backgroundColor") == DARK["paper"]
    visit.page.close()


def test_paper_is_light_and_every_table_is_on_it(browser: Browser, pages: dict[str, Path]) -> None:
    visit = Visit(browser, pages["weather"], "dark")
    visit.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    visit.page.emulate_media(media="print", color_scheme="dark")
    visit.drawn(LIGHT["paper"])
    assert visit.colour("body", "backgroundColor") == "#ffffff"
    assert visit.colour("body", "color") == LIGHT["ink"]
    assert visit.colour("[data-figure='frontier'] .main-svg", "backgroundColor") == LIGHT["surface"]
    assert visit.page.locator("details:not([open])").count() == 0
    visit.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert visit.page.locator("details[open]").count() == 0
    visit.page.close()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("width", [320, 360])
def test_a_narrow_page_does_not_scroll_sideways(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    visit = Visit(browser, pages[name], width=width)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.page.close()


def test_the_keyboard_reaches_everything_in_reading_order(browser: Browser, pages: dict[str, Path]) -> None:
    visit = Visit(browser, pages["weather"], width=360)
    reached = []
    for _ in range(80):
        visit.page.keyboard.press("Tab")
        where = "e => [e.tagName, e.getBoundingClientRect().top + scrollY, getComputedStyle(e).outlineStyle]"
        tag, top, outline = visit.page.evaluate(f"({where})(document.activeElement)")
        if tag == "BODY":
            break
        assert outline != "none", f"nothing shows that {tag} has the focus"
        reached.append((tag, top))
    assert [tag for tag, _ in reached[:2]] == ["A", "A"]
    assert {tag for tag, _ in reached} == {"A", "SUMMARY", "DIV", "PRE"}
    in_page = [top for tag, top in reached if tag != "A"]
    assert in_page == sorted(in_page)
    visit.page.close()


def test_the_skip_link_and_folded_tables_work_from_the_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    visit = Visit(browser, pages["weather"])
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.className") == "skip"
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate("document.activeElement.id") == "main"
    visit.page.locator("summary").first.focus()
    visit.page.keyboard.press("Enter")
    assert visit.page.locator("details").first.evaluate("e => e.open") is True
    visit.page.close()


def test_every_part_has_a_name_for_those_who_cannot_see_it(browser: Browser, pages: dict[str, Path]) -> None:
    visit = Visit(browser, pages["weather"])
    assert visit.page.locator("html").get_attribute("lang") == "en"
    assert visit.page.locator("h1").count() == 1
    assert visit.page.locator("[data-figure]:not([aria-label])").count() == 0
    assert visit.page.locator("table:not(:has(caption))").count() == 0
    assert visit.page.locator("th:not([scope])").count() == 0
    assert visit.page.locator("section:not([aria-labelledby])").count() == 0
    visit.page.close()
