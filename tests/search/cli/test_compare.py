"""``taskgroup compare``: runs side by side, for people and for scripts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from search.cli.app import run
from tests.grouping.report.sample import weather, write_run

FIRST, SECOND = "20260301-101500-nyc-weather-3f9a", "20260302-101500-other-3f9b"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    content = weather()
    write_run(content, tmp_path / FIRST)
    one = content.recommendation
    networks = one.solution.networks
    moved = networks[0].serves[0]
    changed = [replace(networks[0], serves=networks[0].serves[1:]), *networks[1:]]
    changed[1] = replace(changed[1], serves=(*changed[1].serves, moved))
    solution = replace(one.solution, networks=tuple(changed), cost=2.0)
    other = replace(one, name="other\x1b[31m", verdict="noise", solution=solution, confirmed=one.confirmed[:2])
    write_run(replace(content, recommendation=other), tmp_path / SECOND)
    return tmp_path


def test_people_see_verdicts_groups_costs_and_intervals(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", FIRST, SECOND]) == 0
    shown = capsys.readouterr().out
    lines = {line.split("  ")[0]: line for line in shown.splitlines()}
    assert "Within noise" in lines["verdict"]
    assert lines["serving cost"].split("  ")[-1].strip() == "2 SNT"
    assert "network 2" in lines
    assert "[" in next(line for line in shown.splitlines() if "test loss against alone" in line), "with its interval"
    assert "pairs of tasks alike." in shown
    assert "\x1b" not in shown


def test_scripts_get_numbers_for_every_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", FIRST, SECOND, FIRST, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["run"] for one in found["runs"]] == [FIRST, SECOND, FIRST]
    assert [one["verdict"] for one in found["runs"]] == ["grouping", "noise", "grouping"]
    for row in found["tasks"]:
        assert len(row["mean"]) == len(row["low"]) == len(row["high"]) == 3
        assert row["mean"][0] == row["mean"][2]
    assert any(row["mean"][1] is None for row in found["tasks"])
    first, same, _ = found["alike"]
    assert first["alike"] < first["pairs"]
    assert same["runs"] == [FIRST, FIRST]
    assert same["alike"] == same["pairs"]


def test_one_run_is_too_few_and_an_unfinished_one_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", FIRST]) == 2
    assert "Name two or more" in capsys.readouterr().err
    (home / "20260303-begun-0001").mkdir()
    assert run(["compare", FIRST, "20260303"]) == 2
    assert "20260303-begun-0001" in capsys.readouterr().err
