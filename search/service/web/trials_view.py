"""The trainings of a run as a table, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grouping.report.wording import duration, number
from search.networks.sharing import HARD
from search.service.web.runs_view import Pager
from search.service.web.wording import joined
from search.store.records import TrialRecord

__all__ = ["TRIALS_PER_PAGE", "TrialRow", "Trials", "trials_page"]

TRIALS_PER_PAGE = 100


@dataclass(frozen=True)
class TrialRow:
    """One training."""

    network: str
    size: str
    seed: str
    phase: str
    state: str
    label: str
    seconds: str
    worker: str
    attempts: int
    reason: str


@dataclass(frozen=True)
class Trials:
    """A page of them."""

    rows: tuple[TrialRow, ...]
    pager: Pager
    total: int
    state: str


def trials_page(trials: Sequence[TrialRecord], total: int, page: int, state: str, address: str) -> Trials:
    """Some trainings of a run, newest first.

    Args:
        trials: Those of this page.
        total: How many there are in all.
        page: Number of the page, from 1.
        state: ``finished``, ``failed`` or empty: which were asked for.
        address: Path of the page.
    """
    chosen = f"&state={state}" if state else ""
    links = {n: f"{address}?page={n}{chosen}" for n in (page - 1, page + 1)}
    pager = Pager.of("training", page, TRIALS_PER_PAGE, len(trials), total, links)
    return Trials(tuple(map(trial_row, trials)), pager, total, state)


def trial_row(record: TrialRecord) -> TrialRow:
    """One training as a row."""
    trial = record.trial
    extras = [f"{trial.copies} copies"] if trial.copies > 1 else []
    extras += [f"{trial.fraction:.0%} of training"] if trial.fraction < 1 else []
    extras += [trial.sharing] if trial.sharing != HARD else []
    return TrialRow(
        network=joined(trial.tasks),
        size=", ".join([f"{number(trial.capacity)}\N{NO-BREAK SPACE}SNT", *extras]),
        seed=str(trial.seed),
        phase=record.phase,
        state=record.state,
        label=record.state.capitalize(),
        seconds=duration(record.seconds) if record.seconds else "",
        worker=record.worker,
        attempts=record.attempts,
        reason=f"{record.reason}: {record.detail}"[:400] if record.detail else record.reason,
    )
