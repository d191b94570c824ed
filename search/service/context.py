"""What one running service is made of; every route gets at it through ``dependencies``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from search.launcher import Launcher
from search.service.arrivals import Arrivals
from search.service.auth import Authenticator
from search.service.dispatcher import Dispatcher
from search.service.errand_runners import ErrandRunners
from search.service.events import Hub
from search.service.metrics import Metrics
from search.service.rates import Rates
from search.service.settings import Settings
from search.service.submissions import Submissions
from search.store.datasets import Datasets
from search.store.records import NEXT_STATES
from search.store.store import Store
from search.store.tokens import Tokens

__all__ = ["Service"]

_DESCRIBE_SECONDS = 120.0


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
    errands: ErrandRunners
    submissions: Submissions
    dispatcher: Dispatcher
    hub: Hub
    arrivals: Arrivals
    ready: bool = False
    _described: dict[str, dict[str, Any]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many runs there are in each state."""
        return {state: self.store.list_runs(state=state, limit=1).total for state in NEXT_STATES}

    async def described(self, name: str) -> dict[str, Any]:
        """What a registered data set holds; looked at once."""
        if name not in self._described:
            arguments = {"file": name, "source": name, "name": name}
            self._described[name] = await self.errands.run("describe", arguments, _DESCRIBE_SECONDS)
        return self._described[name]
