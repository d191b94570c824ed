"""What affinities are made of, and on what their signs depend: sentences and two tables."""

from __future__ import annotations

from grouping.recommendation import Controls
from grouping.report.blocks import Block, Column, Folded, Paragraph, Table
from grouping.report.wording import MISSING, count, difference, share

__all__ = ["controls_blocks", "controls_text"]

_Ends = tuple[float | None, float | None, float | None]


def controls_blocks(controls: Controls | None) -> tuple[Block, ...]:
    """The panel; nothing where no controls were trained."""
    if controls is None:
        return ()
    return Paragraph(controls_text(controls)), _tasks(controls), Folded(_pairs(controls))


def controls_text(controls: Controls) -> str:
    """Which affinities are transfer, and a warning where a sign depends on length or rows."""
    helped = [pair for pair in controls.pairs if (pair.gain[1] or 0) > 0]
    taught = [pair for pair in controls.pairs if (pair.transfer[1] or 0) > 0]
    text = (
        f"Of {count(len(controls.pairs), 'affinity')} {len(helped)} are gains beyond their 95 % interval; against a "
        f"partner with shuffled labels, which crowds the network but has nothing to teach, {len(taught)} are. "
        "Single intervals: of twenty cells without any effect one lies outside."
    )
    unstable = [pair for pair in controls.pairs if pair.unstable]
    if unstable:
        listed = ", ".join(f"{pair.recipient} from {pair.partner}" for pair in unstable)
        text += (
            f" Warning: the sign of {count(len(unstable), 'affinity')} depends on how long is trained or on how many "
            f"rows ({listed}): measure at the length and with the data that you will train with."
        )
    return text


def _tasks(controls: Controls) -> Table:
    rows = tuple((one.task, *map(_shown, (one.crowding, one.copy, one.wider))) for one in controls.tasks)
    titles = (
        "Shuffled partner (crowding)",
        "Copy of itself (loss scale)",
        f"Width for cost {controls.wider:g} (capacity)",
    )
    return Table(
        "What changes a task's loss without any help (gain, 95 % interval)",
        (Column("Task"), *(Column(title, numeric=True) for title in titles)),
        rows,
    )


def _pairs(controls: Controls) -> Table:
    lengths = [f"After {share(length)} of training" for length in controls.lengths[:-1]]
    fewer = [f"With {share(part)} of the rows" for part in controls.rows]
    titles = ("Gain", "Of it transfer", *lengths, *fewer, "Steps to the loss alone")
    rows = tuple(
        (
            pair.recipient,
            pair.partner,
            _shown(pair.gain),
            _shown(pair.transfer),
            *map(_shown, pair.lengths[:-1]),
            *map(_shown, pair.rows),
            MISSING if pair.pace is None else f"{share(pair.pace)}",
            "sign depends on the setting" if pair.unstable else "",
        )
        for pair in controls.pairs
    )
    return Table(
        "What each partner does, what of it is transfer, and how it depends on length and rows (gain, 95 % interval)",
        (Column("Task"), Column("Partner"), *(Column(title, numeric=True) for title in titles), Column("Warning")),
        rows,
    )


def _shown(ends: _Ends) -> str:
    mean, low, high = ends
    if low is None:
        return difference(mean)
    return f"{difference(mean)} [{difference(low)}, {difference(high)}]"
