"""What an adaptive search trained when and why, in words and as a table."""

from __future__ import annotations

from grouping.recommendation import Adaptive
from grouping.report.blocks import Block, Column, Folded, Paragraph, Table
from grouping.report.wording import MISSING, count, difference, loss, metric

__all__ = ["expectations", "trained_next"]


def expectations(adaptive: Adaptive) -> str:
    """Expectation against measurement."""
    rank = "" if adaptive.spearman is None else f", rank correlation (Spearman) {metric(adaptive.spearman)}"
    return (
        "Nothing estimated was chosen: every chosen network was trained. What the search expected of "
        f"{count(adaptive.groups, 'group')} before it trained them was right within its 90 % intervals for "
        f"{adaptive.inside} of {count(adaptive.cells, 'cell')}{rank}."
    )


def trained_next(adaptive: Adaptive | None) -> tuple[Block, ...]:
    """The rounds; nothing where the search was planned beforehand."""
    if adaptive is None:
        return ()
    trainings = sum(len(one.trained) for one in adaptive.rounds)
    text = (
        f"Of {count(adaptive.considered, 'possible group')} an adaptive search trained {adaptive.groups}, with "
        f"{count(trainings, 'training')} in {count(len(adaptive.rounds), 'round')}: each time new groups, or further "
        "seeds of known ones, that were expected to improve the choice most."
    )
    rows = tuple(
        (
            str(number),
            next_one.network,
            str(next_one.replicate),
            difference(-next_one.gain) if next_one.gain else "at random",
            MISSING if one.objective is None else loss(one.objective),
        )
        for number, one in enumerate(adaptive.rounds, 1)
        for next_one in one.trained
    )
    titles = ("Round", "Trained", "Its seed", "Expected change of the loss", "Best known before")
    columns = tuple(Column(title, numeric=place > 1) for place, title in enumerate(titles))
    return Paragraph(text), Folded(Table("What was trained next, and what for", columns, rows))
