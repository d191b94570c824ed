"""What the page of a run under way asks for again and again: how far it is, its newest trainings, its curves, its log.

Every answer costs the same however many trainings there are.
"""

from __future__ import annotations

import time
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf
from search.service.queries import find_record, summary
from search.service.refusals import NotFoundError
from search.service.web.courses_view import MOST_COURSES, CoursesView, courses_view
from search.service.web.history_view import MOST_EVENTS
from search.service.web.run_view import Live, Tried, live, run_head, spec_of
from search.service.web.templating import part
from search.service.web.trials_view import Trials, trials_page
from search.store.records import RunRecord

__all__ = ["courses_of", "progress", "router"]

router = APIRouter(include_in_schema=False)

_LATEST = 10


class Progress(NamedTuple):
    """How far a run is, and its newest trainings."""

    live: Live
    trials: Trials


@router.get("/runs/{run}/live")
def show_live(run: str, service: ServiceOf, who: Reader) -> HTMLResponse:
    """How far the run is, its newest trainings, and the end of its log."""
    record = find_record(service.store, run, who.owner)
    found = progress(service, record)
    head = run_head(record, time.time(), steer=False)
    return HTMLResponse(part("live_part.html", live=found.live, head=head, trials=found.trials))


@router.get("/runs/{run}/courses")
def show_courses(
    run: str,
    service: ServiceOf,
    who: Reader,
    task: Annotated[str, Query(max_length=10_000)],
    seen: Annotated[str, Query(max_length=50)] = "",
) -> Response:
    """Validation losses of the newest trainings that hold a task; 204 where nothing came since what was ``seen``."""
    record = find_record(service.store, run, who.owner)
    if task not in record.tasks:
        raise NotFoundError("the run has no such task", where="task")
    if seen == str(record.finished):  # asked every few seconds by everybody who looks on, so not even read
        return Response(status_code=204)
    found = courses_of(service, record, task)
    return JSONResponse({"version": found.version, "caption": found.caption, "figure": found.figure})


def progress(service: Service, record: RunRecord) -> Progress:
    """How far a run is."""
    events, total = service.recent.events(record.id, MOST_EVENTS)
    newest = service.store.trial_page(record.id, newest_first=True, limit=_LATEST)
    remaining = summary(record).seconds_left
    shown = live(record, events, remaining, total=total, tried=_tried(service, record))
    return Progress(shown, trials_page(newest.trials, newest.total, 1, "", ""))


def courses_of(service: Service, record: RunRecord, task: str) -> CoursesView:
    """The curves of one task so far."""
    return courses_view(task, service.recent.courses(record.id, task, MOST_COURSES), str(record.finished))


def _tried(service: Service, record: RunRecord) -> Tried | None:
    if record.kind != "search":
        return None
    ended, failed, lowest = service.recent.configurations(record.id)
    spec = spec_of(record)
    return Tried(ended, failed, spec.search.configurations if spec and spec.search else 0, lowest)
