"""What one running service is made of; every route gets at it through ``dependencies``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from search.service.auth import Authenticator
from search.service.metrics import Metrics
from search.service.rates import Rates
from search.service.settings import Settings
from search.store.datasets import Datasets
from search.store.records import NEXT_STATES
from search.store.store import Store
from search.store.tokens import Tokens

__all__ = ["Launcher", "Service"]


class Launcher(Protocol):
    """Starts a process that works on a run, and returns at once."""

    def start(self, run: str) -> None:
        """Start it.

        Raises:
            GroupingError: it cannot be started.
        """


@dataclass(eq=False)
class Service:
    """The parts of a service."""

    settings: Settings
    store: Store
    launcher: Launcher
    tokens: Tokens
    datasets: Datasets
    authenticator: Authenticator
    metrics: Metrics
    rates: Rates
    strangers: Rates
    ready: bool = field(default=False)

    def counts(self) -> dict[str, int]:
        """How many runs there are in each state."""
        return {state: self.store.list_runs(state=state, limit=1).total for state in NEXT_STATES}
