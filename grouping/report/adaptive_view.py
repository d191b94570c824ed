"""What an adaptive search trained when and why, in words and as a table."""

from __future__ import annotations

from grouping.recommendation import Adaptive, Outlook
from grouping.report.blocks import Block, Column, Folded, Paragraph, Table
from grouping.report.wording import MISSING, count, difference, loss, metric, share

__all__ = ["expectations", "outlook_text", "stopped_text", "trained_next"]


def expectations(adaptive: Adaptive) -> str:
    """Expectation against measurement."""
    rank = "" if adaptive.spearman is None else f", rank correlation (Spearman) {metric(adaptive.spearman)}"
    return (
        "Nothing estimated was chosen: every chosen network was trained. What the search expected of "
        f"{count(adaptive.groups, 'group')} before it trained them was right within its 90 % intervals for "
        f"{adaptive.inside} of {count(adaptive.cells, 'cell')}{rank}."
    )


def stopped_text(outlook: Outlook, trainings: int) -> str:
    """When and why a search stopped before its budget was spent."""
    return (
        f"It stopped after {trainings} of {count(trainings + outlook.left, 'training')}, because more will hardly pay: "
        f"{outlook_text(outlook)} The verdict rests on fresh seeds that this never looked at, so stopping early makes "
        "no false verdict more likely."
    )


def outlook_text(outlook: Outlook, gain: str = "another grouping over the best known") -> str:
    """What further search may gain, what it would cost, and how likely it changes the decision."""
    return (
        f"Expected gain of {gain} {_loss(outlook.expected)} of a single-task loss "
        f"({_loss(outlook.low)} to {_loss(outlook.high)} within the 90 % interval); finding it would cost "
        f"{count(outlook.left, 'more training')}, and the chance that it changes the decision (a gain above "
        f"{_loss(outlook.worthwhile)}) is {share(outlook.chance)}."
    )


def _loss(value: float) -> str:
    return difference(value).lstrip("+")


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
    if adaptive.stopped is not None:
        text += f" {stopped_text(adaptive.stopped, trainings)}"
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
