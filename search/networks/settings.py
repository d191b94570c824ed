"""Settings of one network that differ from those of its spec, as a value: what a search over settings finds.

Written behind a way to share, as in ``mtan with widths=96x96 learning_rate=0.003``. Needs no torch; whether values fit
is checked where they are put into the sections of a spec (``search.spec.settled``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from grouping.errors import InputError
from grouping.tasks import nearest_name

__all__ = ["SETTINGS", "SPECS_OWN", "Settings"]

_WHERE = "architectures"


@dataclass(frozen=True)
class Settings:
    """What differs; ``str()`` gives what ``parse`` reads, and nothing where nothing differs. None: as the spec has it.

    Args:
        capacity: The only size that networks with these settings come in, in standard network times of the spec.
        trunk, widths, norm, dropout: Of the trunk; the widths are scaled until a network costs its capacity.
        batch_size, learning_rate, weight_decay, clip_norm, weighting, balancing, sampling: Of its training.
    """

    capacity: float | None = None
    trunk: str | None = None
    widths: tuple[int, ...] | None = None
    norm: str | None = None
    dropout: float | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    weighting: str | None = None
    balancing: str | None = None
    sampling: str | None = None

    def __bool__(self) -> bool:
        return self != SPECS_OWN

    def __str__(self) -> str:
        return " ".join(f"{name}={_written(value)}" for name, value in self.given.items())

    @property
    def given(self) -> dict[str, Any]:
        """What differs, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}

    @staticmethod
    def parse(text: str) -> Settings:
        """From ``widths=96x96 learning_rate=0.003``; options of a value follow it behind commas.

        Raises:
            InputError: an unknown name, one that is given twice, or a value that is none.
        """
        values: dict[str, Any] = {}
        for one in text.split():
            name, equals, value = one.partition("=")
            if name not in SETTINGS or not equals or not value:
                what = f"'{one}' is no setting of a network"
                raise InputError(what, where=_WHERE, fix=nearest_name(name, list(SETTINGS)))
            if name in values:
                raise InputError(f"'{name}' is given twice", where=_WHERE, fix="Give it once")
            try:
                values[name] = _READ.get(name, _text)(value)
            except ValueError as error:
                raise InputError(f"'{one}': {error}", where=_WHERE, fix="Give numbers, as in widths=96x96") from error
        return Settings(**values)


SPECS_OWN = Settings()
"""Nothing differs."""

SETTINGS = tuple(field.name for field in fields(Settings))
"""Names of what may differ."""


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value).replace(" ", ",")


def _text(value: str) -> str:
    return value.replace(",", " ")


def _widths(value: str) -> tuple[int, ...]:
    return tuple(map(int, value.split("x")))


_READ: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("capacity", "dropout", "learning_rate", "weight_decay", "clip_norm"), float),
    "batch_size": int,
    "widths": _widths,
}
