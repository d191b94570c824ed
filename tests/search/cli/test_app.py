"""What holds for every command: the help, wrong options, and where to read on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_an_error_keeps_its_exit_code_when_nobody_reads_the_json(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = "from search.cli.app import main; main()"
    arguments = ["solve", str(tmp_path / "nowhere.csv"), "--budget", "1", "--json"]
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writing)
    assert done.returncode == 2
    assert "there is no such file" in done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_wrong_choice_is_said_in_the_words_of_a_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "t.csv", "--estimator", "foo"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Invalid value for '--estimator': 'foo' is not one of 'measured', ")


@pytest.mark.parametrize("spelt", ["higher_order", "Higher-Order"])
def test_a_choice_spelt_otherwise_is_refused_with_the_one_spelling(
    spelt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["solve", "t.csv", "--estimator", spelt]) == 2
    assert "Did you mean 'higher-order'?" in capsys.readouterr().err


def test_an_argument_that_is_no_text_can_be_repeated_in_json(tmp_path: Path) -> None:
    code = "from search.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "report", b"\xff", "--json"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict", "TASKGROUP_HOME": str(tmp_path)},
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["what"].startswith("there is no run '\udcff'")


def test_the_version_needs_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("taskgroup ")
