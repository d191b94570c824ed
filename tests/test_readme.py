"""What the Markdown pages promise: their Python runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from search.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "configs/README.md", "results/README.md")]

LOSSES = """\
network,task,loss,seed
a,a,1.0,0
a,a,1.1,1
b,b,1.0,0
b,b,0.9,1
c,c,1.2,0
c,c,1.1,1
a+b,a,0.8,0
a+b,a,0.9,1
a+b,b,0.9,0
a+b,b,1.0,1
"""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks(ROOT / "README.md", "python"), ids=lambda code: code.splitlines()[-1][:40])
def test_python_runs_as_printed(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("losses.csv").write_text(LOSSES)

    def my_training(group: tuple[str, ...], seed: int) -> dict[str, float]:
        return {task: 0.3 + 0.01 * len(group) + 0.001 * seed for task in group}

    exec(compile(code, "README.md", "exec"), {"my_training": my_training})  # noqa: S102 - our own page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_exists(page: Path) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    text = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.startswith("taskgroup ")]
    for line in lines:
        command, *words = shlex.split(line, comments=True)[1:]
        assert command in known, line
        options = {name for one in [known[command], *getattr(known[command], "commands", {}).values()]
                   for parameter in one.params for name in parameter.opts}  # fmt: skip
        assert {word.split("=")[0] for word in words if word.startswith("-")} <= options, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        path, anchor = target
        there = (page.parent / path) if path else page
        assert there.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_first_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 280
