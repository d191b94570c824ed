"""The sections of a spec with settings of one network put in: what a network is that differs from the others."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from grouping.errors import InputError
from search.errors import SpecError
from search.networks.settings import Settings
from search.networks.shape import OF_IMAGES
from search.spec.sections import NetworkSpec, TrainingSpec

__all__ = ["settled"]

_OF_THE_TRUNK = ("trunk", "widths", "norm", "dropout")


def settled(settings: Settings, network: NetworkSpec, training: TrainingSpec) -> tuple[NetworkSpec, TrainingSpec]:
    """The sections with what ``settings`` say in place of what they say; the capacity is no part of them.

    Raises:
        SpecError: a value that the section does not take, or a trunk that does not take the others; ``where`` is the
            field.
    """
    given = {name: value for name, value in settings.given.items() if name != "capacity"}
    of_trunk = {name: given.pop(name) for name in _OF_THE_TRUNK if name in given}
    if settings.trunk is not None and settings.trunk not in OF_IMAGES:
        of_trunk["image"] = None  # it is for trunks that look at one
    try:
        return _with(network, of_trunk), _with(training, given)
    except InputError as error:
        raise SpecError(error.what, where=error.where, fix=error.fix) from error


def _with(section: Any, values: dict[str, Any]) -> Any:  # noqa: ANN401 - a section, and one of its kind
    if not values:
        return section
    try:
        return type(section).model_validate({**dict(section), **values})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = ".".join(map(str, problem["loc"]))
        raise SpecError(f"{name}={problem['input']}: {problem['msg']}", where=name, fix="Correct the value") from None
