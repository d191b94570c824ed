"""Progress on stderr: plain lines when piped, one live line a phase on a terminal, nothing when quiet."""

from __future__ import annotations

import pytest

from search.cli.progress import LiveProgress, PlainProgress, progress_for
from search.desk import Unseen
from search.pace import Forecast

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("shown", [PlainProgress(), LiveProgress(), Unseen()], ids=["plain", "live", "silent"])
def test_nothing_is_ever_written_on_stdout(shown: PlainProgress | LiveProgress | Unseen, capsys: Captured) -> None:
    shown.start("search", 3, 1)
    shown.advance(failed=False)
    shown.advance(failed=True)
    shown.finish()
    assert capsys.readouterr().out == ""


def test_plain_lines_say_done_total_time_left_and_failures(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(second) for second in (0, 0, 20, 20, 21, 40))
    monkeypatch.setattr("search.cli.progress.time.monotonic", lambda: next(clock))
    shown = PlainProgress()
    shown.start("search", 5, 1)
    shown.advance(failed=False)
    shown.advance(failed=True)
    shown.finish()
    assert capsys.readouterr().err.splitlines() == [
        "search: 5 trainings, 1 known already",
        "search: 2/5, about 60 s left",
        "search: 3/5 in 40 s, 1 failed",
    ]


def test_what_was_foreseen_is_of_the_whole_run(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(second) for second in (0, 0, 0, 20, 20, 20))
    monkeypatch.setattr("search.cli.progress.time.monotonic", lambda: next(clock))
    shown = PlainProgress()
    shown.foresee(Forecast(trainings=21, seconds=420.0, done=100, worked=50.0))
    shown.start("search", 2, 0)
    shown.advance(failed=False)
    shown.finish()
    assert "search: 1/2, about 7 min left in all" in capsys.readouterr().err


def test_a_pipe_gets_plain_lines_and_quiet_gets_none() -> None:
    assert isinstance(progress_for(quiet=False), PlainProgress)
    assert isinstance(progress_for(quiet=True), Unseen)
