"""The application: the gate, the routes, and what runs beside them for as long as the service lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import anyio.to_thread
from fastapi import Depends, FastAPI
from starlette.responses import JSONResponse, Response

from search.launcher import Launcher
from search.service.arrivals import Arrivals
from search.service.auth import Authenticator, read_secret
from search.service.context import Service
from search.service.dependencies import Reader
from search.service.dispatcher import Dispatcher
from search.service.errand_runners import ErrandRunners
from search.service.events import Hub
from search.service.gate import API, Gate
from search.service.metrics import Metrics
from search.service.offered import Offered
from search.service.parameters import KnownParameters
from search.service.problems import Problem, install_problems
from search.service.rates import Rates
from search.service.responses import PROBLEMS
from search.service.routes import datasets, events, groupings, health, results, runs, sessions, submissions
from search.service.settings import Settings
from search.service.submissions import Submissions
from search.service.turns import Turns
from search.service.uploads import sweep
from search.spec import Spec
from search.store.datasets import Datasets
from search.store.recent import Recent
from search.store.store import Store
from search.store.tokens import Tokens

__all__ = ["create_app"]

_STRANGERS_PER_SECOND, _STRANGERS_AT_ONCE = 10.0, 100.0
"""Requests without a valid token that one address may make."""

_THREADS = 16
"""Threads that wait for the database: more would only wait for each other."""

_DIALS, _DIAL_PATIENCE = 4, 10.0
"""Sliders that are answered at a time, and the seconds that one more waits: a fraction of the threads."""

_ROUTERS = (
    submissions.router,
    runs.router,
    events.router,
    results.router,
    datasets.router,
    groupings.router,
    sessions.router,
)
_PAGES = "search.service.routes.pages"

_TOKEN = {"type": "http", "scheme": "bearer", "description": "From: taskgroup token create NAME"}

_DESCRIPTION = """\
Which tasks should share a network, which layers, at what cost?

Every route but `/healthz` wants a token: `Authorization: Bearer TOKEN`. Errors are problem details (RFC 9457) with
`what`, `where` and `fix`.
"""


def create_app(settings: Settings, store: Store, launcher: Launcher) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: What the operator decided.
        store: Where runs are; stays the caller's.
        launcher: Starts processes for queued runs.
    """
    service = _service(settings, store, launcher)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        for folder in (settings.datasets, settings.uploads):
            sweep(folder)
        await service.errands.open()
        work = (service.dispatcher.work(), service.hub.poll(), service.arrivals.work())
        beside = [asyncio.create_task(one) for one in work]
        service.ready = True
        yield
        service.ready = False
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await service.errands.close()

    app = FastAPI(
        title="taskgroup",
        version=version("taskgrouping"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    install_problems(app)
    app.include_router(health.router)
    parameters = Depends(KnownParameters())
    for router in _ROUTERS:
        app.include_router(router, prefix=API, dependencies=[parameters])
    _describe(app)
    if find_spec(_PAGES) is not None:
        import_module(_PAGES).install_pages(app)
    app.add_middleware(Gate, settings=settings, metrics=service.metrics)
    return app


def _service(settings: Settings, store: Store, launcher: Launcher) -> Service:
    tokens, datasets, metrics = Tokens(store.sessions), Datasets(store.sessions), Metrics()
    offered = Offered(settings.data_root, settings.data_sets)
    errands = ErrandRunners(
        settings.solvers, settings.solver_bytes, each=settings.solves_per_token, environment=offered.environment
    )
    seconds = 3600 * settings.session_hours
    hub = Hub(store, settings.poll_seconds, settings.watchers)
    metrics.watchers.set_function(lambda: hub.watchers)
    return Service(
        settings=settings,
        store=store,
        launcher=launcher,
        tokens=tokens,
        datasets=datasets,
        authenticator=Authenticator(
            tokens, read_secret(settings.home), session_seconds=seconds, secure=settings.secure_cookies
        ),
        metrics=metrics,
        rates=Rates(settings.requests_per_second, settings.burst),
        strangers=Rates(_STRANGERS_PER_SECOND, _STRANGERS_AT_ONCE),
        errands=errands,
        submissions=Submissions(settings, datasets, errands, offered),
        dispatcher=Dispatcher(settings, store, launcher, metrics),
        hub=hub,
        arrivals=Arrivals(store),
        recent=Recent(store.sessions),
        offered=offered,
        dials=Turns(_DIALS, settings.solves_per_token, _DIAL_PATIENCE),
    )


def _describe(app: FastAPI) -> None:
    """Serve the OpenAPI document, which needs a token like everything else."""

    @app.get(f"{API}/openapi.json", include_in_schema=False, responses=PROBLEMS(401, 429))
    async def openapi(_who: Reader) -> Response:
        return JSONResponse(app.openapi())

    plain = app.openapi

    def completed() -> dict[str, object]:
        if app.openapi_schema is None:
            document = plain()
            parts = document.setdefault("components", {})
            parts.setdefault("schemas", {}).update({Problem.__name__: Problem.model_json_schema(), **_spec_schemas()})
            parts["securitySchemes"] = {"token": _TOKEN}
            for path, operations in document["paths"].items():
                for operation in operations.values() if path != "/healthz" else ():
                    operation["security"] = [{"token": []}]
        return app.openapi_schema or {}

    app.openapi = completed  # type: ignore[method-assign]


def _spec_schemas() -> dict[str, object]:
    """The spec's schema and those of its sections."""
    schema = Spec.model_json_schema(ref_template="#/components/schemas/{model}")
    sections: dict[str, object] = schema.pop("$defs", {})
    return {**sections, Spec.__name__: schema}
