"""What a point of the space is: one network of all tasks, with settings of its own, of one size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from search.networks.settings import Settings
from search.networks.sharing import HARD, Sharing
from search.spec import Spec
from search.spec.searching import stretched
from search.spec.settled import own_shape
from search.spec.space import OF_POLICY_SEARCH, Value

__all__ = ["SearchedNetwork", "network_of"]

_TRAINED = ("batch_size", "learning_rate", "weight_decay", "clip_norm", "weighting", "balancing", "sampling")


@dataclass(frozen=True)
class SearchedNetwork:
    """One network to try.

    Args:
        way: What its tasks share, and its settings; a way whose policy is searched has none yet.
        capacity: Its size, in standard network times of the spec.
    """

    way: Sharing
    capacity: float

    @property
    def costs_like(self) -> str:
        """A way that costs the same; a policy is widened or narrowed to the capacity once it is found."""
        return str(Sharing(HARD, settings=self.way.settings) if self.way.to_search else self.way)


def network_of(values: Mapping[str, Value], spec: Spec, n_inputs: int) -> SearchedNetwork:
    """The network that a point of the space describes.

    Where the space says nothing of capacities, a network is as large as its widths make it.

    Args:
        values: One value for each setting that is searched.
        spec: What holds for all others.
        n_inputs: Encoded input columns.

    Raises:
        InputError: values that do not go together.
    """
    given: dict[str, Any] = dict(values)
    way = Sharing.parse(given.pop("sharing", HARD))
    weights = {name: given.pop(name) for name in OF_POLICY_SEARCH if name in given}
    if way.to_search:
        way = replace(way, **weights)
    capacity, depth, width = (given.pop(name, None) for name in ("capacity", "depth", "width"))
    settings = Settings(widths=stretched(spec.network, depth, width), **given)
    if capacity is None:
        capacity = round(own_shape(settings, spec.network, n_inputs)[1], 6)
    kept = {name: value for name, value in settings.given.items() if value != _usual(spec, name)}
    return SearchedNetwork(replace(way, settings=Settings(capacity=float(capacity), **kept)), float(capacity))


def _usual(spec: Spec, name: str) -> object:
    """What the spec itself says."""
    return getattr(spec.training if name in _TRAINED else spec.network, name)
