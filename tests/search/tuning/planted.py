"""A search with a known best configuration, in place of training: a valley of the loss over one setting and a name."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

from search.errors import TrialError
from search.networks.settings import Settings
from search.networks.sharing import Sharing
from search.spec.searching import SearchSpec
from search.spec.space import Value
from search.tuning.network import SearchedNetwork
from search.tuning.planned_search import Plan

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "capacity": {"low": 0.5, "high": 4.0, "log": True},
    "norm": ["none", "batch"],
}
BEST_RATE = 1e-3
LAG = 4
BEST_OF_RUN = 1e-2


def network(values: Mapping[str, Value]) -> SearchedNetwork:
    """What a point describes; picklable."""
    given: dict[str, Any] = dict(values)
    return SearchedNetwork(Sharing(settings=Settings(**given)), float(values["capacity"]))


def cost(network: SearchedNetwork) -> float:
    return network.capacity


def loss(network: SearchedNetwork) -> float:
    """Least at the best rate with normalisation; larger networks are a little better."""
    settings = network.way.settings
    away = abs(math.log10((settings.learning_rate or 0.0) / BEST_RATE))
    return 0.8 + 0.1 * away + (0.05 if settings.norm == "none" else 0.0) - 0.02 * math.log2(network.capacity)


def plan(run: str, search: SearchSpec, *, timeout: float = 60.0, seed: int = 0, lag: int = LAG) -> Plan:
    brackets = search.brackets or (4.0,)
    by_cost = search.objective == "loss-and-cost"
    return Plan(run, search.dimensions, search.configurations, brackets, by_cost, seed, lag, timeout, network, cost)


def planted(network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
    """Losses fall towards the end, which every reading foretells."""
    for share in (0.25, 0.5, 1.0):
        yield {"loss": loss(network) * (1 + 0.5 * (1 - share)), "seconds": share}


def to_the_end(network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
    """The same, read at the end only."""
    yield {"loss": loss(network), "seconds": 1.0}


JUNK: dict[str, Any] = {
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "string": "0.5",
    "none": None,
    "true": True,
    "huge": 1e308,
}


def junk(network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
    """Every kind of report that is no loss, by the size of the network; good ones too."""
    kinds = [*JUNK, "missing", "raises", "exits", "nothing", "good", "good"]
    kind = kinds[int(network.capacity * 1e4) % len(kinds)]
    if kind == "raises":
        raise TrialError("non-finite loss at step 7")
    if kind == "exits":
        raise SystemExit(3)
    if kind == "nothing":
        return
    yield {"loss": loss(network)} if kind == "good" else {} if kind == "missing" else {"loss": JUNK[kind]}
    yield from list(planted(network))[1:]


def hopeless(network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
    """Nothing can be trained here."""
    raise TrialError("non-finite loss at step 7" if network.way.settings.norm == "none" else "no solver")


def deadly(network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
    """Networks of one kind kill their worker, others hang."""
    if network.way.settings.norm == "batch":
        os.kill(os.getpid(), signal.SIGKILL)
    if network.capacity > 2:
        time.sleep(60)
    yield from planted(network)


def by_rate(network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
    """Every factor of ten away from the best learning rate of the planted run adds a fifth."""
    rate = network.way.settings.learning_rate or 1e-3
    for share in (0.25, 0.5, 1.0):
        yield {"loss": (1 + 0.2 * abs(math.log10(rate / BEST_OF_RUN))) * (2 - share)}


def untrainable(network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
    """No network can be trained."""
    raise TrialError("non-finite loss at step 3")
