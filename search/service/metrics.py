"""Numbers about the service for Prometheus: requests by route and status, seconds, watchers, runs by state."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

__all__ = ["Metrics"]

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters of one application; labels are routes, never paths or names that a stranger may choose."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("taskgroup_requests", "Requests served", labels, registry=self.registry)
        self._seconds = Histogram(
            "taskgroup_request_seconds",
            "Seconds to serve a request",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.watchers = Gauge("taskgroup_watchers", "Open streams of events", registry=self.registry)
        self.started = Counter("taskgroup_runs_started", "Runs that the dispatcher started", registry=self.registry)
        self._runs = Gauge("taskgroup_runs", "Runs by state", ("state",), registry=self.registry)

    def count(self, scope: Scope, status: int, seconds: float, prefix: str = "") -> None:
        """One request that was answered; ``prefix`` is of all routes like this one: a page may have the same path."""
        found = getattr(scope.get("route"), "path", "none")
        route = found if found == "none" or found.startswith(prefix) else prefix + found
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        if not route.endswith("/events"):
            self._seconds.labels(route).observe(seconds)

    def text(self, runs: Mapping[str, int]) -> bytes:
        """Everything in Prometheus' text format.

        Args:
            runs: How many runs there are in each state.
        """
        for state, count in runs.items():
            self._runs.labels(state).set(count)
        return generate_latest(self.registry)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
