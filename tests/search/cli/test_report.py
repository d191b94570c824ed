"""``taskgroup report``: any finished run, by path or id, in every format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.cli.app import run
from tests.grouping.report.sample import weather, write_run

RUN = "20260301-101500-nyc-weather-3f9a"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    write_run(weather(), tmp_path / RUN)
    (tmp_path / "20260302-080000-other-0001").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", [RUN, "20260301", "{home}/" + RUN])
def test_html_goes_into_the_run_folder(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", name.format(home=home)]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written == home / RUN / "report.html"
    assert "Serve 3 networks instead of 8" in written.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("written_as", "beginning"),
    [("md", "# Serve 3"), ("json", "{"), ("csv", "task,partner,gain"), ("graphml", "<graphml")],
)
def test_other_formats_go_to_stdout(
    written_as: str, beginning: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", RUN, "--format", written_as]) == 0
    assert capsys.readouterr().out.startswith(beginning)
    assert not list((home / RUN).glob("report.*"))


def test_the_json_format_is_the_recommendation(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", RUN, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((home / RUN / "recommendation.json").read_text())


def test_a_file_of_ones_own_choice(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = home / "elsewhere" / "weather.md"
    assert run(["report", RUN, "--format", "md", "-o", str(target), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert target.read_text(encoding="utf-8").startswith("# Serve 3")


def test_json_says_where_the_report_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", RUN, "--format", "md", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"run": RUN, "format": "md", "file": str(home / RUN / "report.md")}
    assert Path(said["file"]).is_file()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", "there is no run 'nothing'"),
        ("2026", "fits 2 runs"),
        ("20260302", "no recommendation yet"),
        ("../nothing", "there is no run"),
        ("", "there is no run ''"),
    ],
)
def test_a_wrong_run_is_one_clear_message(
    name: str, says: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home / RUN)
    assert run(["report", name]) == 2
    assert says in capsys.readouterr().err


def test_the_latest_is_a_run_and_no_folder_of_a_service(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = "20260303-101010-weather-a1b2"
    (home / RUN).rename(home / run_id)
    (home / "uploads").mkdir()
    assert run(["report", "latest"]) == 0
    assert Path(capsys.readouterr().out.strip()) == home / run_id / "report.html"
