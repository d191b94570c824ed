"""The whole report as Markdown that reads well on a code host; pictures are left to the HTML report, numbers are not.

Every text goes through ``escaped``: a task name can neither open a tag, a link or a table cell, nor pass for markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from grouping.report.blocks import (
    Block,
    Card,
    Cards,
    Code,
    Folded,
    Forest,
    Gallery,
    Paragraph,
    Picture,
    Points,
    Table,
)
from grouping.report.content import Content
from grouping.report.sections import facts, sections
from grouping.report.wording import MISSING, VERDICT_LABELS, headline, lede, verdict_sentences

__all__ = ["escaped", "markdown"]

_SPECIAL = re.compile(r"[\\`*\[\]#|~$]")
_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})
_LINK = re.compile(r"(?i)(https?|ftp|mailto|www)([:.])")
_LIST_ITEM = re.compile(r"^\d*[-+.)](?=\s|-|$)")
_LONG_TABLE = 20


def markdown(content: Content) -> str:
    """The whole report as GitHub-flavoured Markdown. The same content always gives the same text."""
    recommendation = content.recommendation
    sentence, basis = verdict_sentences(recommendation)
    parts = [
        f"# {escaped(headline(recommendation))}",
        f"Task grouping report: **{escaped(recommendation.name)}**",
        f"**Verdict: {escaped(VERDICT_LABELS[recommendation.verdict])}.** {escaped(sentence)}",
        escaped(lede(recommendation)),
        *([escaped(basis)] if basis else []),
        _table(("", "", ""), [(f.label, f.value, f.note) for f in facts(recommendation)], (False, True, False)),
    ]
    if recommendation.warnings:
        parts.append("\n".join(f"> **Worth knowing:** {escaped(warning)}" for warning in recommendation.warnings))
    for section in sections(recommendation, {}):
        parts.append(f"## {escaped(section.title)}")
        parts += [text for block in section.blocks if (text := _block(block))]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no link, no mention, one line."""
    line = _SPECIAL.sub(r"\\\g<0>", " ".join(text.splitlines()))
    line = _UNDERSCORES.sub(lambda found: "\\_" * len(found[0]), line)  # inside a word they are harmless
    line = _LINK.sub(lambda found: f"{found[1]}&#{ord(found[2])};", line.translate(_TEXT))
    return _LIST_ITEM.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", line)


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return escaped(block.text)
        case Table():
            return _captioned(block)
        case Folded():
            return _folded(block.table)
        case Forest():
            return _forest(block)
        case Cards():
            return "\n".join(_card(card) for card in block.cards)
        case Points():
            return "\n".join(f"- {escaped(item)}" for item in block.items)
        case Code():
            return _code(block.text)
        case Picture() | Gallery():
            return ""


def _captioned(table: Table) -> str:
    heads = [column.title for column in table.columns]
    rows = _table(heads, table.rows, [column.numeric for column in table.columns])
    return f"**{escaped(table.caption)}**\n\n{rows}"


def _folded(table: Table) -> str:
    """Long tables fold where the host renders ``details``; elsewhere they are simply there."""
    if len(table.rows) <= _LONG_TABLE:
        return _captioned(table)
    heads = [column.title for column in table.columns]
    rows = _table(heads, table.rows, [column.numeric for column in table.columns])
    return f"<details><summary>{escape(table.caption)} ({len(table.rows)} rows)</summary>\n\n{rows}\n\n</details>"


def _forest(forest: Forest) -> str:
    rows = [(row.label, row.note or MISSING, row.mean, row.interval, _TONES[row.tone]) for row in forest.rows]
    heads = ("", "", "Difference", "95 % interval", "Reading")
    table = _table(heads, rows, (False, False, True, True, False))
    return f"**{escaped(forest.title)}**\n\n{escaped(forest.caption)}\n\n{table}"


_TONES = {"better": "better", "worse": "worse", "even": "not distinguishable"}


def _card(card: Card) -> str:
    served = ", ".join(f"**{escaped(task)}** {escaped(change)}" for task, change in card.served)
    text = f"- Network {card.number} ({escaped(card.cost)}, {card.summary}): serves {served}"
    if card.helpers:
        text += f"; also trained, only to help: {', '.join(escaped(task) for task in card.helpers)}"
    if card.facts:
        text += ". " + ", ".join(f"{escaped(name)} {escaped(value)}" for name, value in card.facts)
    return text


def _code(text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]) -> str:
    head = [list(heads), ["--:" if right else "---" for right in numeric]]
    body = [[escaped(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [*head, *body])
