"""A search over settings: what was tried and how far, what was kept, which settings mattered, what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from grouping.budget import BudgetUnit
from grouping.recommendation import Recommendation, SettingsSearch, TriedSettings
from grouping.report.blocks import Block, Column, Folded, Paragraph, Points, Table, picture
from grouping.report.labels import Figure
from grouping.report.wording import MISSING, change, cost, count, duration, share

__all__ = ["settings_blocks"]

_HISTORY = "Every configuration in the order drawn. Losses of those that were stopped early are no final ones."
_FRONTIER = (
    "Networks of all tasks that were trained to the end, on the seeds of the search. "
    "A click on a name above the figure hides its points, those that are beaten for instance."
)
_IMPORTANCE = (
    "What the best of the finished configurations have in common (PED-ANOVA). It says where the search looked "
    "and what survived there, not what a setting does by itself."
)
_STATES = {"finished": "to the end", "stopped": "stopped early", "failed": "failed", "undone": "not finished"}


def settings_blocks(recommendation: Recommendation, figures: dict[str, Figure]) -> tuple[Block, ...]:
    """The section; nothing where no settings were searched."""
    search = recommendation.settings
    if search is None:
        return ()
    blocks: list[Block] = [Paragraph(_text(search))]
    for key, title, caption in (
        ("settings-history", "Course of the search over settings", _HISTORY),
        ("settings-frontier", "Loss against cost of the configurations", _FRONTIER),
        ("settings-importance", "Which settings mattered", _IMPORTANCE),
    ):
        blocks += picture(figures, key, title, caption)
    blocks.append(_kept(search, recommendation.unit))
    if search.importance:
        blocks.append(Folded(_importance(search)))
    reasons = Counter(one.reason for one in search.tried if one.state == "failed")
    if reasons:
        blocks.append(Points(tuple(f"{count(n, 'configuration')} failed: {why}" for why, n in reasons.most_common())))
    return (*blocks, Folded(_tried(search, recommendation.unit)))


def _text(search: SettingsSearch) -> str:
    begun = len(search.tried)
    parts = [
        f"{count(begun, 'configuration')} of {search.planned} planned were tried: one network of all tasks each"
        + (f", with {search.seeds} seeds" if search.seeds > 1 else "")
        + f". {search.count('finished')} were trained to the end"
        + (f", {search.count('stopped')} stopped early" if search.early else "")
        + f", {search.count('failed')} failed."
    ]
    if search.by_cost:
        parts.append("Loss and serving cost were minimised together.")
    elif len(search.brackets) > 1:
        parts.append(f"They were drawn for, and compared within, {len(search.brackets)} brackets of serving cost.")
    if search.early:
        parts.append("What one that was stopped early had come to by then is no result, and counts for none.")
    parts.append(
        f"{count(sum(one.kept for one in search.tried), 'configuration')} "
        "were trained again from fresh values, with the seeds of all other candidates, in every group, and the solver "
        "chose among them all; so the losses below are not those that decide. What the choice is compared with was "
        "trained with the best settings too, except the single-task networks that losses are relative to."
    )
    return " ".join(parts)


def _kept(search: SettingsSearch, unit: BudgetUnit) -> Table:
    kept = [one for one in search.tried if one.kept]
    return _table("Configurations that were kept, on the seeds of the search", kept, unit)


def _tried(search: SettingsSearch, unit: BudgetUnit) -> Table:
    return _table("All configurations, in the order drawn", search.tried, unit)


def _table(caption: str, tried: Sequence[TriedSettings], unit: BudgetUnit) -> Table:
    rows = tuple(
        (
            one.candidate,
            _STATES[one.state],
            share(one.share),
            change(one.loss),
            MISSING if one.cost is None else cost(one.cost, unit),
            duration(one.seconds),
        )
        for one in tried
    )
    columns = (
        Column("Network"),
        Column("Trained"),
        Column("Share", numeric=True),
        Column("Loss vs single-task", numeric=True),
        Column("Cost", numeric=True),
        Column("Time", numeric=True),
    )
    return Table(caption, columns, rows)


def _importance(search: SettingsSearch) -> Table:
    rows = tuple((name, share(part)) for name, part in search.importance)
    return Table("Importance of the settings", (Column("Setting"), Column("Share", numeric=True)), rows)
