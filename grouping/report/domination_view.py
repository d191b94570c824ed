"""Who dominates one network of all tasks, and whether balancing makes up for it: sentences and two tables."""

from __future__ import annotations

from grouping.recommendation import Domination
from grouping.report.blocks import Block, Column, Folded, Paragraph, Table
from grouping.report.wording import MISSING, difference, share

__all__ = ["domination_blocks", "domination_text"]

_Ends = tuple[float | None, float | None, float | None]


def domination_blocks(found: Domination | None) -> tuple[Block, ...]:
    """The panel; nothing where nobody looked."""
    if found is None:
        return ()
    return Paragraph(domination_text(found)), _shares(found), Folded(_cures(found))


def domination_text(found: Domination) -> str:
    """The line "dominated by ...", the worst conflict, and what balancing does."""
    fair = share(1 / len(found.tasks))
    gradients = {one.task: one.gradient[0] or 0.0 for one in found.tasks}
    if found.dominant:
        listed = ", ".join(f"{task} ({share(gradients[task])} of the gradient)" for task in found.dominant)
        text = f"One network of all tasks is dominated by {listed}; a fair share is {fair}."
    else:
        most = max(gradients, key=lambda task: gradients[task])
        text = (
            f"No task dominates one network of all tasks: the largest share of the gradient is that of {most}, "
            f"{share(gradients[most])} (a fair share is {fair}, twice that would dominate)."
        )
    if found.conflicts:
        worst = found.conflicts[0]
        text += (
            f" Gradients point apart most often for {worst.one} and {worst.other}: at {share(worst.share)} of steps."
        )
    better = [cure.balancing for cure in found.cures if cure.all[1] is not None and cure.all[1] > 0]
    if better:
        text += (
            f" Balancing by {' or '.join(better)} lowers the mean loss of that network: try it before more networks."
        )
    elif found.cures:
        tried = ", ".join(cure.balancing for cure in found.cures)
        text += f" Balancing ({tried}) does not surely lower the mean loss of that network."
    return text


def _shares(found: Domination) -> Table:
    rows = tuple(
        (one.task, _as_shares(one.loss), _as_shares(one.gradient), share(one.early), share(one.late))
        for one in found.tasks
    )
    titles = ("Of the loss", "Of the gradient", "First third", "Last third")
    columns = (Column("Task"), *(Column(title, numeric=True) for title in titles))
    return Table("Shares in one network of all tasks (95 % intervals over seeds)", columns, rows)


def _cures(found: Domination) -> Table:
    rows = tuple((cure.balancing, _gain(cure.all), _gain(cure.others)) for cure in found.cures)
    columns = (Column("Balancing"), Column("All tasks", numeric=True), Column("Those not dominant", numeric=True))
    return Table("What balancing gains over equal weights (percent of a single-task loss, validation)", columns, rows)


def _as_shares(ends: _Ends) -> str:
    mean, low, high = ends
    if mean is None:
        return MISSING
    return share(mean) if low is None or high is None else f"{share(mean)} [{share(low)}, {share(high)}]"


def _gain(ends: _Ends) -> str:
    mean, low, high = ends
    if mean is None:
        return MISSING
    shown = difference(mean)
    return shown if low is None or high is None else f"{shown} [{difference(low)}, {difference(high)}]"
