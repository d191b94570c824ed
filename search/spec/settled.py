"""The sections of a spec with settings of one network put in: what a network is that differs from the others."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from grouping.errors import InputError
from search.errors import SpecError
from search.networks.cost import trunk_cost
from search.networks.settings import Settings
from search.networks.shape import OF_IMAGES, TrunkShape
from search.spec.sections import NetworkSpec, TrainingSpec

__all__ = ["own_shape", "settled", "settled_network"]

_OF_THE_TRUNK = ("trunk", "widths", "norm", "dropout")


def settled(settings: Settings, network: NetworkSpec, training: TrainingSpec) -> tuple[NetworkSpec, TrainingSpec]:
    """The sections with what ``settings`` say in place of what they say; the capacity is no part of them.

    Raises:
        SpecError: a value that the section does not take, or a trunk that does not take the others; ``where`` is the
            field.
    """
    given = {name: value for name, value in settings.given.items() if name not in {"capacity", *_OF_THE_TRUNK}}
    return settled_network(settings, network), _with(training, given)


def settled_network(settings: Settings, network: NetworkSpec) -> NetworkSpec:
    """The section ``network`` alone; ``settled`` says more."""
    given: dict[str, Any] = {name: value for name, value in settings.given.items() if name in _OF_THE_TRUNK}
    if settings.trunk is not None and settings.trunk not in OF_IMAGES:
        given["image"] = None  # it is for trunks that look at one
    own: NetworkSpec = _with(network, given)
    return own


def own_shape(settings: Settings, network: NetworkSpec, n_inputs: int) -> tuple[TrunkShape, float]:
    """The trunk that the widths of such networks are scaled from, and what it costs, in SNT of the spec's trunk.

    Raises:
        InputError: as ``settled``; a trunk that cannot be built.
    """
    standard = network.shape(n_inputs)
    shape = settled_network(settings, network).shape(n_inputs)
    return shape, 1.0 if shape == standard else trunk_cost(shape).flops / trunk_cost(standard).flops


def _with(section: Any, values: dict[str, Any]) -> Any:  # noqa: ANN401 - a section, and one of its kind
    if not values:
        return section
    try:
        return type(section).model_validate({**dict(section), **values})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = ".".join(map(str, problem["loc"]))
        raise SpecError(f"{name}={problem['input']}: {problem['msg']}", where=name, fix="Correct the value") from None
    except InputError as error:
        raise SpecError(error.what, where=error.where, fix=error.fix) from error
