"""What holds for every command: the help, wrong options, and where to read on."""

from __future__ import annotations

import json

import pytest

from search.cli.app import run


def test_no_command_shows_the_help_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: ")
    assert "recommend" in err


@pytest.mark.parametrize("command", ["init", "plan", "recommend", "report", "resume", "runs", "solve"])
def test_a_wrong_option_points_to_the_help_of_its_command(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([command, "--no-such-option"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: No such option: --no-such-option")
    assert f"See: taskgroup {command} --help" in err


def test_with_json_a_wrong_option_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--json", "--no-such-option"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "usage"
    assert error["fix"] == "See: taskgroup plan --help"
