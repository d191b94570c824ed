"""A new run: choose data, say which columns are tasks, change what one knows better, see its cost, submit."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from grouping.errors import GroupingError, InputError, NoResultError
from search.documents import parse_spec
from search.documents.parsing import Document
from search.service.answers import DatasetAnswer
from search.service.auth import Principal
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf, Submitter
from search.service.queries import find_record
from search.service.refusals import NotFoundError
from search.service.routes.datasets import list_all
from search.service.routes.pages_data import described, draft_of, plain_values
from search.service.routes.pages_response import moved, page
from search.service.routes.submissions import create
from search.service.submissions import SubmittedKind
from search.service.web.datasets_view import column_facts, data_card
from search.service.web.draft_form import CHOICES, FIELDS, DraftForm
from search.service.web.plan_view import PlanView, no_plan, plan_view
from search.service.web.templating import part

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_FEW = 12
_MOST_FIELDS = 10_000
_LABELS = {one.path: (one.key, one.label) for one in FIELDS} | {
    "tasks": ("tasks", "Tasks"),
    "rest": ("rest", "Everything else"),
}


@router.get("/runs/new")
async def show_new(
    request: Request,
    service: ServiceOf,
    who: Reader,
    data: Annotated[str, Query(max_length=200)] = "",
    target: Annotated[list[str] | None, Query(max_length=1_000)] = None,
    like: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The three steps: no data chosen, tasks that cannot be told, and the filled-in form."""
    if like:
        record = await run_in_threadpool(find_record, service.store, like, who.owner)
        spec = parse_spec(record.spec)
        offered = service.offered.name_of(spec.data.source)
        source = offered or spec.data.source.rpartition(".")[0] or spec.data.source
        return await _form(request, service, who, DraftForm.of_spec(spec, source), kind=record.kind)
    if not data:
        found = await run_in_threadpool(list_all, service, who, _FEW, 0)
        sets = [data_card(plain_values(one), time.time()) for one in found.datasets]
        return page(request, who, "new_data.html", sets=sets, more=found.total - found.shown, problem="")
    about = await described(service, who, data)
    problem = ""
    if target != [""]:  # an empty one asks for the list of columns
        try:
            draft, notes = await draft_of(service, who, about, target or [])
        except InputError as error:
            problem = f"{error.what}. {error.fix}".strip(". ") + "."
        else:
            if draft is not None:
                form = DraftForm.of_spec(parse_spec(draft), about.id)
                return await _form(request, service, who, form, notes=notes)
    columns, hidden = column_facts(plain_values(about))
    chosen = {one.target for one in about.tasks} | set(target or [])
    return page(
        request,
        who,
        "new_columns.html",
        status=422 if problem else 200,
        columns=columns,
        hidden=hidden,
        chosen=chosen,
        problem=problem if target else "",
        source=about.id,
        data_name=about.name,
    )


@router.post("/runs/new/plan")
async def show_plan(request: Request, service: ServiceOf, who: Submitter) -> HTMLResponse:
    """What the form would cost as it stands: asked again with every change."""
    given, items = await _sent(request)
    plan = await _planned(service, who, DraftForm.of_form(items), _kind(given.get("kind")))
    return HTMLResponse(part("plan.html", plan=plan))


@router.post("/runs/new")
async def submit(request: Request, service: ServiceOf, who: Submitter) -> Response:
    """Queue the run, or say beside which field what is wrong."""
    given, items = await _sent(request)
    form = DraftForm.of_form(items)
    kind = _kind(given.get("kind"))
    try:
        prepared = await service.submissions.prepare(Document(form.document(), ""), kind, who)
        # The same form sent twice is one run; a form that was changed and sent again is another.
        key = hashlib.sha256(f"{given.get('key', '')} {kind} {prepared.spec}".encode()).hexdigest()
        run = await create(service, prepared, kind, who, key)
    except (InputError, NoResultError) as error:
        return await _form(request, service, who, form.refused(error), kind=kind, key=given.get("key", ""), status=422)
    return moved(f"/runs/{run.id}?said=submitted")


async def _sent(request: Request) -> tuple[Mapping[str, str], list[tuple[str, str]]]:
    async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
        items = [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    return dict(items), items


def _kind(text: str | None) -> SubmittedKind:
    return "search" if text == "search" else "recommend"


async def _planned(service: Service, who: Principal, form: DraftForm, kind: SubmittedKind) -> PlanView:
    try:
        prepared = await service.submissions.prepare(Document(form.document(), ""), kind, who)
    except (InputError, NoResultError) as error:
        return no_plan(f"{error.what}. {error.fix}" if error.fix else error.what)
    cost: Mapping[str, Any] = prepared.cost
    if cost.get("trainings") is None:
        return no_plan("What this trains is known once the run has begun.")
    return plan_view(len(prepared.tasks), cost["candidates"], cost["phases"], cost["warnings"])


async def _form(
    request: Request,
    service: Service,
    who: Principal,
    form: DraftForm,
    *,
    kind: str = "recommend",
    notes: tuple[str, ...] = (),
    key: str = "",
    status: int = 200,
) -> Response:
    named = _kind(kind)
    plan = await _planned(service, who, form, named)
    try:
        data: DatasetAnswer | None = await described(service, who, form.source)
    except (NotFoundError, GroupingError):
        data = None
    return page(
        request,
        who,
        "new.html",
        status=status,
        form=form,
        fields={one.path: one for one in FIELDS},
        choices=CHOICES,
        plan=plan,
        notes=notes,
        columns_url=f"/runs/new?{urlencode({'data': form.source, 'target': ''})}" if data else "",
        data_name=data.name if data else form.source,
        kind=named,
        key=key[:64] or secrets.token_urlsafe(16),
        labels=_LABELS,
    )
