"""What one running service is made of; every route gets at it through ``dependencies``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from search.data.registry import registered_names
from search.launcher import Launcher
from search.service.arrivals import Arrivals
from search.service.auth import Authenticator
from search.service.dispatcher import Dispatcher
from search.service.errand_runners import ErrandRunners
from search.service.events import Hub
from search.service.metrics import Metrics
from search.service.offered import Offered
from search.service.rates import Rates
from search.service.settings import Settings
from search.service.submissions import Submissions
from search.service.turns import Turns
from search.store.datasets import Datasets
from search.store.recent import Recent
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
    recent: Recent
    offered: Offered
    dials: Turns
    ready: bool = False
    _described: dict[str, dict[str, Any]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many runs there are in each state."""
        return {state: self.store.list_runs(state=state, limit=1).total for state in NEXT_STATES}

    def common(self) -> list[str]:
        """Names of the data sets that everybody may use: the installation's, then the operator's."""
        return [*registered_names(), *self.offered.names]

    async def described(self, name: str, asker: str) -> dict[str, Any]:
        """What a data set of everybody's holds; looked at once, and again when a file of the operator's has changed.

        Raises:
            DataError: a file of the operator's is not there any more, or cannot be read.
        """
        file, stamp = name, 0
        if name in self.offered.names:
            path = self.offered.file(name)
            file, stamp = str(path), path.stat().st_mtime_ns
        key = f"{name} {stamp}"
        if key not in self._described:
            arguments = {"file": file, "source": name, "name": name}
            found = await self.errands.run("describe", arguments, _DESCRIBE_SECONDS, asker, {file: name})
            self._described[key] = found
        return self._described[key]
