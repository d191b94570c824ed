"""The list of runs as its page shows it: filters, one row a run, and how many are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from grouping.report.wording import MISSING, count
from search.service.web.wording import KINDS, STATES, Moment, best_text, budget_text, moment, roughly, since
from search.store.records import RunRecord

__all__ = ["PER_PAGE", "SORTS", "Filters", "Pager", "RunList", "RunRow", "run_list"]

PER_PAGE = 25

SORTS: Final = {
    "-created": "Newest first",
    "created": "Oldest first",
    "name": "Name, A to Z",
    "best": "Lowest loss first",
    "state": "State",
}
"""Orders the list can have, as the store calls them -> what they are called here."""

_LIVE = frozenset({"queued", "running"})
_FEW_TASKS = 4


@dataclass(frozen=True)
class Filters:
    """What is asked for; values that mean nothing are left out, never an error on a page."""

    state: str = ""
    kind: str = ""
    name: str = ""
    sort: str = "-created"
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filters:
        """From a query string."""
        page = query.get("page", "1")
        return cls(
            state=query.get("state", "") if query.get("state") in STATES else "",
            kind=query.get("kind", "") if query.get("kind") in KINDS else "",
            name=query.get("name", "").strip()[:100],
            sort=query.get("sort", "") if query.get("sort") in SORTS else "-created",
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 8 else 1,
        )

    @property
    def narrow(self) -> bool:
        """Whether any run may be left out."""
        return bool(self.state or self.kind or self.name)

    def query(self, page: int = 1) -> str:
        """The query string of another page of the same list."""
        asked = {"state": self.state, "kind": self.kind, "name": self.name}
        asked |= {"sort": "" if self.sort == "-created" else self.sort, "page": str(page) if page > 1 else ""}
        text = urlencode({key: value for key, value in asked.items() if value})
        return f"?{text}" if text else "?"


@dataclass(frozen=True)
class Pager:
    """Which part of a list is shown: said in words, with the ways to the others."""

    text: str
    previous: str | None
    following: str | None

    @classmethod
    def of(cls, noun: str, page: int, per_page: int, shown: int, total: int, link: Mapping[int, str]) -> Pager:
        """``link`` maps the numbers of neighbouring pages to their addresses."""
        first = (page - 1) * per_page + 1
        if shown == total:
            text = count(total, noun)
        elif shown:
            text = f"Showing {first:,} to {first + shown - 1:,} of {count(total, noun)}"
        else:
            text = f"Nothing on this page; there are {count(total, noun)}"
        more = first - 1 + shown < total
        return cls(text, link[page - 1] if page > 1 else None, link[page + 1] if more else None)


@dataclass(frozen=True)
class RunRow:
    """One run at a glance. ``part`` is how much of what is planned is done, 0 to 1; None where that is unknown."""

    id: str
    name: str
    kind: str
    state: str
    state_label: str
    tasks: str
    task_names: str
    budget: str
    best: str
    done: str
    part: float | None
    failed: int
    remaining: str
    started: Moment | None
    duration: str
    owner: str


@dataclass(frozen=True)
class RunList:
    """The page."""

    rows: tuple[RunRow, ...]
    filters: Filters
    pager: Pager
    total: int
    live: bool


def run_list(
    runs: Sequence[RunRecord], total: int, filters: Filters, now: float, remaining: Mapping[str, float | None]
) -> RunList:
    """A page of runs.

    Args:
        runs: Those of this page, in order.
        total: How many fit the filters.
        filters: What was asked for.
        now: Seconds since the epoch.
        remaining: Seconds that each running one will take by its own speed so far; None where that is unknown.
    """
    rows = tuple(run_row(run, now, remaining.get(run.id)) for run in runs)
    page = filters.page
    links = {page - 1: filters.query(page - 1), page + 1: filters.query(page + 1)}
    pager = Pager.of("run", page, PER_PAGE, len(rows), total, links)
    return RunList(rows, filters, pager, total, any(run.state in _LIVE for run in runs))


def run_row(run: RunRecord, now: float, remaining: float | None) -> RunRow:
    """One run as a row."""
    done = run.finished + run.failed
    names = list(run.tasks)
    more = f" and {len(names) - _FEW_TASKS} more" if len(names) > _FEW_TASKS else ""
    return RunRow(
        id=run.id,
        name=run.name,
        kind=KINDS.get(run.kind, (run.kind, ""))[0],
        state=run.state,
        state_label=STATES[run.state][0],
        tasks=count(len(names), "task") if names else MISSING,
        task_names=", ".join(names[:_FEW_TASKS]) + more,
        budget=budget_text(run.spec),
        best=best_text(run.kind, run.best),
        done=f"{done:,} of {run.planned:,}" if run.planned else (f"{done:,}" if done else MISSING),
        part=min(1.0, done / run.planned) if run.planned else None,
        failed=run.failed,
        remaining=f"about {roughly(remaining)} left" if remaining is not None and run.state == "running" else "",
        started=moment(run.started, now),
        duration=since(run.seconds) if run.started is not None else MISSING,
        owner=run.principal,
    )
