"""Values of command-line options that are more than one number or word: COLUMN=VALUE, TASK=NUMBER, UNIT=BUDGET."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from grouping.errors import InputError

__all__ = ["budget", "conditions", "number", "numbers", "steps"]

_MOST_STEPS = 10_000


def conditions(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """``COLUMN=VALUE`` texts as a mapping.

    Raises:
        InputError: a text without ``=``, or one column twice.
    """
    found: dict[str, str] = {}
    for text in texts or []:
        column, equals, value = text.partition("=")
        if not equals or not column:
            raise InputError(f"'{text}' is not COLUMN=VALUE", where=option, fix="Write split=val, for example")
        if column in found:
            raise InputError(f"column '{column}' is given twice", where=option, fix="One value for each column")
        found[column] = value
    return found


def numbers(texts: Sequence[str] | None, option: str) -> dict[str, float]:
    """``NAME=NUMBER`` texts as a mapping.

    Raises:
        InputError: a text that is none.
    """
    found: dict[str, float] = {}
    for text in texts or []:
        name, _, amount = text.rpartition("=")
        value = number(amount)
        if not name or value is None:
            raise InputError(f"'{text}' is not TASK=NUMBER", where=option, fix="Write rain=2, for example")
        if name in found:
            raise InputError(f"task '{name}' is given twice", where=option)
        found[name] = value
    return found


def budget(text: str) -> tuple[str, float]:
    """``B`` or ``UNIT=B`` as unit and limit; the unit is snt where none is given.

    Raises:
        InputError: no number.
    """
    unit, _, amount = text.rpartition("=")
    value = number(amount)
    if value is None:
        raise InputError(f"the budget '{text}' is no number", where="--budget", fix="Write 3, or flops=2e9")
    return unit or "snt", value


def number(text: str) -> float | None:
    """The number that a text is, None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def steps(text: str, option: str) -> list[float]:
    """``FROM:TO:STEP`` as numbers, both ends included; in decimals, so that 1:2:0.1 ends at 2.

    Raises:
        InputError: no ascending range, or a very long one.
    """
    fix = "Write FROM:TO:STEP, 1:5:0.5 for example"
    try:
        first, last, step = (Decimal(part) for part in text.split(":"))
    except (InvalidOperation, ValueError):
        raise InputError(f"'{text}' is no range", where=option, fix=fix) from None
    if not (first.is_finite() and last.is_finite() and step.is_finite() and step > 0 and 0 <= first <= last):
        raise InputError(f"'{text}' is no ascending range", where=option, fix=fix)
    count = int((last - first) / step) + 1
    if count > _MOST_STEPS:
        raise InputError(f"'{text}' has {count} steps", where=option, fix=f"At most {_MOST_STEPS} at once")
    return [float(first + i * step) for i in range(count)]
