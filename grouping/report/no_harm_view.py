"""What sharing does to each task, against a margin: one sentence and a table."""

from __future__ import annotations

from grouping.recommendation import NoHarm
from grouping.report.blocks import Column, Table
from grouping.report.wording import difference, share

__all__ = ["no_harm_table", "no_harm_text"]

_REFERENCE = {"single-task": "its single-task network", "grouping": "its network in your grouping"}
_REFERENCES = {"single-task": "their single-task networks", "grouping": "their networks in your grouping"}
_STATE = {"held": "within the margin", "harmed": "worse than the margin", "open": "not decided"}


def no_harm_text(found: NoHarm) -> str:
    """Whether any served task is harmed, and how sure that is."""
    limit, sure = _amount(found.margin), share(found.confidence)
    reference = _REFERENCE[found.against]
    harmed, unsure = ([one.task for one in found.tasks if one.state == state] for state in ("harmed", "open"))
    if not harmed and not unsure:
        text = f"No served task is worse than {reference} by more than {limit}, at {sure} confidence on the test part."
    else:
        parts = []
        if harmed:
            parts.append(f"{_listed(harmed)} {_worse(harmed, found.against)} by more than {limit}")
        if unsure:
            parts.append(f"for {_listed(unsure)} the data do not exclude a loss of more than {limit}")
        text = f"At {sure} confidence on the test part, {'; '.join(parts)}."
    if found.constrained:
        text += " The choice was limited to networks for which this held on the validation part."
    return text


def no_harm_table(found: NoHarm) -> Table:
    """Each task's change, its limit and what that says."""
    rows = [(one.task, difference(one.change), difference(one.limit), _STATE[one.state]) for one in found.tasks]
    caption = f"Harm to single tasks against {_REFERENCES[found.against]} (margin {_amount(found.margin)})"
    limit = Column(f"Limit at {share(found.confidence)}", numeric=True)
    return Table(caption, (Column("Task"), Column("Change", numeric=True), limit, Column("Verdict")), tuple(rows))


def _amount(margin: float) -> str:
    return difference(margin).lstrip("+")


def _listed(tasks: list[str]) -> str:
    return tasks[0] if len(tasks) == 1 else f"{', '.join(tasks[:-1])} and {tasks[-1]}"


def _worse(tasks: list[str], against: str) -> str:
    if len(tasks) == 1:
        return f"is worse than {_REFERENCE[against]}"
    return f"are worse than {_REFERENCES[against]}"
