"""From an uploaded table to a report, by clicking: the real server, the real supervisor, real trainings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from search.launcher import LocalLauncher
from tests.browser.chromium import NEEDED, chromium
from tests.search.service.serving import Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [*NEEDED, pytest.mark.ray]

MILLISECONDS = 240_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("HOME", str(tmp_path))  # where Ray would keep its token
    home = tmp_path / "runs"
    launcher: Any = LocalLauncher(home)
    with serving(home, launcher=cast("Any", launcher)) as found:
        yield found


def table(rows: int = 300) -> bytes:
    """Two tasks that belong together and one that does not, in columns whose names say nothing."""
    rng = np.random.default_rng(0)
    x_NF = rng.normal(size=(rows, 3))
    tasks = (x_NF[:, 0] + 0.3 * x_NF[:, 1], x_NF[:, 0] - 0.3 * x_NF[:, 1], x_NF[:, 2] ** 2)
    cells = np.column_stack([x_NF, *(task + 0.1 * rng.normal(size=rows) for task in tasks)])
    lines = [",".join(f"{value:.4f}" for value in row) for row in cells]
    return "\n".join(["sun,rain,wind,height,leaves,<i>roots</i>", *lines, ""]).encode()


@pytest.mark.timeout(300)
def test_from_upload_to_report(browser: Browser, served: Served) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(MILLISECONDS)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(f"{served.url}/runs")
    page.fill("#token", served.tokens["ada"])
    page.press("#token", "Enter")
    page.click("text=Start the first run")
    page.set_input_files("#file", {"name": "plants.csv", "mimeType": "text/csv", "buffer": table()})
    page.click("text=Upload and look at it")
    for column in ("height", "leaves", "<i>roots</i>"):
        page.check(f"input[name=target][value='{column}']")
    page.click("text=Go on")
    small = {"training-epochs": "2", "training-seeds": "2", "evidence-seeds": "2", "network-widths": "8"}
    small |= {"network-capacities": "1", "budget-inference": "2", "budget-max_networks": "2"}
    for field, value in small.items():
        page.fill(f"#{field}", value)
    page.fill("#name", "plants <b>by hand</b>")
    page.click("text=Submit the run")
    page.wait_for_selector("#run[data-state='running']")
    page.wait_for_selector("#live >> text=Now:")
    page.wait_for_selector("#run[data-state='finished'] >> text=How sure, in plain words")
    page.wait_for_selector("html[data-drawn]", state="attached")
    assert page.locator("main b:has-text('by hand'), main i").count() == 0
    assert page.locator("[data-figure].js-plotly-plot").count() >= 3
    with page.expect_download() as started:
        page.click("text=Download the report")
    report = Path(started.value.path()).read_text(encoding="utf-8")
    assert "&lt;i&gt;roots" in report
    assert "<i>roots" not in report
    page.goto(f"{served.url}/runs")
    assert page.locator(".runs .state.finished").count() == 1
    assert said == []
    page.close()
