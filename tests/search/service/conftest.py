"""One service for all tests that need no settings of their own: its processes take a second to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from search.service.rates import Rates
from tests.search.service.serving import Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that starts no runs: somebody else's runs take all the places."""
    with serving(tmp_path_factory.mktemp("home"), max_concurrent_runs=1) as found:
        found.service.strangers = Rates(1e6, 1e6)
        occupant = found.run_of("occupant", "occupant")
        found.store.take(occupant)
        yield found
