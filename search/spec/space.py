"""What a search over settings chooses from: for each setting a list of values, or all numbers between two ends.

Everything is checked when a spec is read: a search that fails at its hundredth draw has cost the ninety-nine before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, TypeAlias, get_args

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.balancing import Balancing
from search.errors import SpecError
from search.networks.shape import Norm
from search.networks.sharing import SEARCHED, Sharing
from search.spec.sections import Weighting
from search.task_sampling import TaskSampling

__all__ = [
    "OF_POLICY_SEARCH",
    "Between",
    "Choices",
    "Dimension",
    "DimensionName",
    "Space",
    "Value",
    "count",
    "read_space",
    "shapes",
]

Value: TypeAlias = str | int | float
DimensionName = Literal[
    "trunk",
    "depth",
    "width",
    "capacity",
    "norm",
    "dropout",
    "sharing",
    "sparsity",
    "alike",
    "target",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "clip_norm",
    "weighting",
    "balancing",
    "sampling",
]
"""What may be searched: the network's shape, what its tasks share, the weights of policy searches, its training."""

OF_POLICY_SEARCH: tuple[DimensionName, ...] = ("sparsity", "alike", "target")
"""Weights of the losses that a policy is searched with; they mean nothing to other ways to share."""


@dataclass(frozen=True)
class Choices:
    """One of these values."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Between:
    """A number from ``low`` to ``high``, both included; with ``log`` every factor is as likely; or ``whole`` ones."""

    low: float
    high: float
    log: bool
    whole: bool


Dimension: TypeAlias = Choices | Between
Space: TypeAlias = dict[DimensionName, Dimension]


@dataclass(frozen=True)
class _Number:
    """What numbers a setting takes: between two ends, of which the lower one may be left out."""

    low: float
    high: float
    whole: bool = False
    above: bool = False

    def complaint(self, value: object) -> tuple[str, str] | None:
        """What is wrong with a value, and the way out."""
        kind = "whole number" if self.whole else "number"
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return f"{_shown(value)} is no {kind}", f"Write {kind}s, such as {3 if self.whole else 0.5}"
        if not math.isfinite(value) or value > self.high or value < self.low or (self.above and value == self.low):
            bound = "above" if self.above else "from"
            high = f" to {self.high:g}" if math.isfinite(self.high) else ""
            return f"{value:g} is out of range", f"Give {kind}s {bound} {self.low:g}{high}"
        return None


_NUMBERS: dict[str, _Number] = {
    "depth": _Number(1, 32, whole=True),
    "width": _Number(1, 65_536, whole=True),
    "capacity": _Number(0, 1_000, above=True),
    "dropout": _Number(0, 0.99),
    "sparsity": _Number(0, 100),
    "alike": _Number(0, 100),
    "target": _Number(0, 1),
    "batch_size": _Number(1, 2**31, whole=True),
    "learning_rate": _Number(0, math.inf, above=True),
    "weight_decay": _Number(0, math.inf),
    "clip_norm": _Number(0, math.inf, above=True),
}
_KEYS = ("low", "high", "log")


def read_space(raw: Mapping[str, Any]) -> Space:
    """The space that the key ``search.space`` of a spec describes.

    Raises:
        SpecError: what is wrong with which setting, and the way out.
    """
    if not raw:
        raise SpecError(
            "the space is empty, so there is nothing to search",
            where="search.space",
            fix="Add settings, learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true} for example",
        )
    names: tuple[DimensionName, ...] = get_args(DimensionName)
    for name in raw:
        if name not in names:
            raise SpecError(
                f"'{name}' is no setting that can be searched", where="search.space", fix=nearest_name(name, names)
            )
    space: Space = {name: _dimension(name, raw[name]) for name in names if name in raw}
    if "capacity" in space and "width" in space:
        raise SpecError(
            "capacity and width both say how large a network is",
            where="search.space",
            fix="Give one of them: widths follow from a capacity, and a cost from widths",
        )
    weights = [name for name in OF_POLICY_SEARCH if name in space]
    if weights and not any(Sharing.parse(str(way)).kind in SEARCHED for way in _values(space.get("sharing"))):
        raise SpecError(
            f"no way to share of the space is searched with {' or '.join(weights)}",
            where=f"search.space.{weights[0]}",
            fix=f"Add sharing: [{', '.join(SEARCHED)}], or leave it out",
        )
    return space


def count(space: Space) -> float:
    """How many points the space has; infinite where a number is not whole."""

    def size(one: Dimension) -> float:
        if isinstance(one, Choices):
            return len(one.values)
        return one.high - one.low + 1 if one.whole or one.low == one.high else math.inf

    return math.prod(map(size, space.values()))


def shapes(space: Space) -> Iterator[tuple[str | None, int | None, int | None]]:
    """Every trunk with every depth and the extreme widths that the space holds; None where it says nothing."""
    trunks: list[str | None] = [str(value) for value in _values(space.get("trunk"))]
    depths: list[int | None] = [int(value) for value in _values(space.get("depth"))]
    widths = sorted(int(value) for value in _values(space.get("width")))
    extremes: list[int | None] = [*dict.fromkeys(widths[:1] + widths[-1:])]
    yield from product(trunks or [None], depths or [None], extremes or [None])


def _values(dimension: Dimension | None) -> tuple[Value, ...]:
    """The values of a list, or of whole numbers all (of a wide range both ends); nothing where there is none."""
    match dimension:
        case Choices(values):
            return values
        case Between(low, high, _, True) if high - low < 64:
            return tuple(range(int(low), int(high) + 1))
        case Between(low, high):
            return (low, high)
    return ()


def _dimension(name: DimensionName, given: object) -> Dimension:
    where = f"search.space.{name}"
    if isinstance(given, list | tuple):
        return _choices(name, list(given), where)
    if isinstance(given, Mapping):
        return _between(name, given, where)
    fix = f"Write [{_shown(given)}]" if given is not None else "Write [1, 2] or {low: 1, high: 2}"
    raise SpecError(f"{_shown(given)} is neither a list nor low and high", where=where, fix=fix)


def _choices(name: DimensionName, values: list[Any], where: str) -> Choices:
    if not values:
        raise SpecError("the list is empty, so no value can be drawn", where=where, fix="Add values, or leave it out")
    found: dict[Value, None] = {}
    for index, value in enumerate(values):
        at = f"{where}[{index}]"
        if name in _NUMBERS:
            wrong = _NUMBERS[name].complaint(value)
            if wrong:
                raise SpecError(wrong[0], where=at, fix=wrong[1])
            written: Value = value
        else:
            written = _named(name, value, at)
        if written in found:
            raise SpecError(f"{_shown(value)} appears twice", where=at, fix="Name it once")
        found[written] = None
    return Choices(tuple(found))


def _between(name: DimensionName, given: Mapping[Any, Any], where: str) -> Between:
    if name not in _NUMBERS:
        raise SpecError(f"values of '{name}' are names, and nothing lies between them", where=where, fix="Write a list")
    for key in given:
        if key not in _KEYS:
            raise SpecError(f"unknown key '{key}'", where=where, fix=nearest_name(str(key), _KEYS))
    number, ends = _NUMBERS[name], []
    for end in ("low", "high"):
        if end not in given:
            raise SpecError(f"the key '{end}' is missing", where=where, fix="Add it")
        wrong = number.complaint(given[end])
        if wrong:
            raise SpecError(wrong[0], where=f"{where}.{end}", fix=wrong[1])
        ends.append(given[end])
    low, high, log = *ends, given.get("log", False)
    if not isinstance(log, bool):
        raise SpecError(f"{_shown(log)} is no truth value", where=f"{where}.log", fix="Write true or false")
    if low > high:
        raise SpecError(f"low is {low:g} and high is {high:g}", where=where, fix="Exchange them")
    if log and low <= 0:
        raise SpecError(
            f"the logarithm of {low:g} does not exist", where=f"{where}.low", fix="Give a number above 0, or log: false"
        )
    return Between(low, high, log, number.whole)


def _named(name: DimensionName, value: object, where: str) -> str:
    """A name as it is written down everywhere."""
    if not isinstance(value, str):
        raise SpecError(f"{_shown(value)} is no text", where=where, fix=f"Put it in quotes: '{value}'")
    try:
        match name:
            case "sharing":
                return _sharing(value)
            case "balancing":
                return str(Balancing.parse(value))
            case "sampling":
                return str(TaskSampling.parse(value))
            case "trunk":
                return value  # whether there is such a trunk is asked together with its depth and width
    except InputError as error:
        raise SpecError(error.what, where=where, fix=error.fix) from error
    known = {"norm": get_args(Norm), "weighting": get_args(Weighting)}[name]
    if value not in known:
        raise SpecError(f"no {name} is called '{value}'", where=where, fix=nearest_name(value, known))
    return value


def _sharing(value: str) -> str:
    way = Sharing.parse(value)
    if way.modes or way.settings:
        raise InputError(
            f"'{value}' is the end of a search, not a place to begin one",
            fix=f"Write '{way.kind}'; settings are searched by keys of the space",
        )
    return str(way)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}'"
    return "nothing" if value is None else str(value).lower()
