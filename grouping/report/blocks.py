"""What a report is made of: sections of paragraphs, tables, pictures and lists, as plain text without markup.

``sections`` composes them once; ``html`` and ``markdown`` each show every kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from grouping.report.labels import Figure
from grouping.report.wording import difference, interval, signed

__all__ = [
    "Block",
    "Card",
    "Cards",
    "Code",
    "Column",
    "Fact",
    "Folded",
    "Forest",
    "ForestRow",
    "Gallery",
    "Measured",
    "Paragraph",
    "Picture",
    "Points",
    "Section",
    "Table",
    "Tone",
    "forest",
    "picture",
]

Tone = Literal["better", "worse", "even"]


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers are set flush right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A caption, columns and rows of text; the first cell of a row names the row."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def __bool__(self) -> bool:
        return bool(self.rows)


@dataclass(frozen=True)
class Folded:
    """A table that opens on demand."""

    kind: ClassVar[str] = "folded"
    table: Table

    def __bool__(self) -> bool:
        return bool(self.table)


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Picture:
    """A figure by its key in ``figures``; ``caption`` says how to read it, also to those who do not see it."""

    kind: ClassVar[str] = "picture"
    key: str
    title: str
    caption: str
    height: int
    min_width: int = 0


@dataclass(frozen=True)
class Gallery:
    """Small figures of one kind side by side."""

    kind: ClassVar[str] = "gallery"
    title: str
    caption: str
    pictures: tuple[Picture, ...]

    def __bool__(self) -> bool:
        return bool(self.pictures)


@dataclass(frozen=True)
class Measured:
    """A difference with its interval, as fractions of a single-task loss; lower is better, None: no interval."""

    label: str
    note: str
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ForestRow:
    """A difference as shown; positions are percentages of the axis, ``tone`` is set by the interval alone."""

    label: str
    note: str
    mean: str
    interval: str
    at: float
    low: float
    high: float
    tone: Tone


@dataclass(frozen=True)
class Forest:
    """Estimates with intervals on one axis, one below the other. ``ticks`` are (position in %, text)."""

    kind: ClassVar[str] = "forest"
    title: str
    caption: str
    rows: tuple[ForestRow, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float

    def __bool__(self) -> bool:
        return bool(self.rows)


@dataclass(frozen=True)
class Card:
    """One served network: its tasks with their losses, and those trained along only to help."""

    number: int
    role: str
    cost: str
    summary: str
    served: tuple[tuple[str, str], ...]
    helpers: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cards:
    """The chosen networks."""

    kind: ClassVar[str] = "cards"
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    kind: ClassVar[str] = "points"
    items: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.items)


@dataclass(frozen=True)
class Code:
    """A command to type."""

    kind: ClassVar[str] = "code"
    text: str

    def __bool__(self) -> bool:
        return bool(self.text)


Block = Table | Folded | Paragraph | Picture | Gallery | Forest | Cards | Points | Code


@dataclass(frozen=True)
class Section:
    """A heading with an anchor, and what stands under it; empty blocks are not shown."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Fact:
    """One of the figures at a glance."""

    label: str
    value: str
    note: str


def picture(figures: Mapping[str, Figure], key: str, title: str, caption: str) -> tuple[Picture, ...]:
    """One drawn figure; nothing where it could not be drawn."""
    if key not in figures:
        return ()
    drawn = figures[key]
    return (Picture(key, title, caption, drawn["layout"]["height"], drawn["min_width"]),)


def forest(title: str, caption: str, rows: Iterable[Measured]) -> Forest:
    """Lay out estimates on an axis that holds zero and every interval, with round ticks.

    Args:
        rows: What to show, from top to bottom.
    """
    given = list(rows)
    ends = [end for row in given for end in (row.mean, row.low, row.high) if end is not None and math.isfinite(end)]
    values = [0.0, *(100 * end for end in ends)]
    step = _step(max(values) - min(values) or 1.0)
    first, last = math.floor(min(values) / step), math.ceil(max(values) / step)
    if first == last:
        last += 1
    span = (last - first) * step

    def at(value: float) -> float:
        return round(100 * (value - first * step) / span, 3)

    placed = tuple(
        ForestRow(
            label=row.label,
            note=row.note,
            mean=difference(row.mean),
            interval=interval(row.low, row.high),
            at=at(100 * row.mean),
            low=at(100 * (row.mean if row.low is None else row.low)),
            high=at(100 * (row.mean if row.high is None else row.high)),
            tone=_tone(row.low, row.high),
        )
        for row in given
    )
    places = 0 if step >= 1 else math.ceil(-math.log10(step))
    ticks = tuple((at(i * step), _tick(i * step, places)) for i in range(first, last + 1))
    return Forest(title, caption, placed, ticks, at(0.0))


def _step(span: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that gives at most six intervals."""
    power = 10.0 ** math.floor(math.log10(span))
    return next(m * power for m in (0.2, 0.5, 1.0, 2.0) if span / (m * power) <= 6)


def _tick(value: float, places: int) -> str:
    return "0" if abs(value) < 1e-12 else signed(value, places)


def _tone(low: float | None, high: float | None) -> Tone:
    if low is None or high is None:
        return "even"
    if high < 0:
        return "better"
    return "worse" if low > 0 else "even"
