"""Progress on stderr: plain lines when piped, one live line a phase on a terminal, nothing when quiet."""

from __future__ import annotations

import pytest

from search.cli.progress import LiveProgress, PlainProgress, progress_for
from search.desk import Unseen

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("shown", [PlainProgress(), LiveProgress(), Unseen()], ids=["plain", "live", "silent"])
def test_nothing_is_ever_written_on_stdout(shown: PlainProgress | LiveProgress | Unseen, capsys: Captured) -> None:
    shown.start("search", 3, 1)
    shown.advance(failed=False)
    shown.advance(failed=True)
    shown.finish()
    assert capsys.readouterr().out == ""


def test_plain_lines_say_done_total_rate_time_left_and_failures(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(float(second) for second in (0, 20, 21, 40))
    monkeypatch.setattr("search.cli.progress.time.monotonic", lambda: next(clock))
    shown = PlainProgress()
    shown.start("search", 5, 1)
    shown.advance(failed=False)
    shown.advance(failed=True)
    shown.finish()
    assert capsys.readouterr().err.splitlines() == [
        "search: 5 trainings, 1 known already",
        "search: 2/5, 0.1/s, about 60 s left",
        "search: 3/5 in 40 s, 1 failed",
    ]


def test_a_pipe_gets_plain_lines_and_quiet_gets_none() -> None:
    assert isinstance(progress_for(quiet=False), PlainProgress)
    assert isinstance(progress_for(quiet=True), Unseen)
