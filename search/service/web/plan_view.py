"""What a run would cost, before it is submitted: trainings by part of the run, as the form shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grouping.report.wording import count

__all__ = ["PlanRow", "PlanView", "no_plan", "plan_view"]


@dataclass(frozen=True)
class PlanRow:
    """One part of the run."""

    label: str
    trainings: str
    standard: str


@dataclass(frozen=True)
class PlanView:
    """The whole plan, or why there is none yet."""

    headline: str
    sentence: str
    rows: tuple[PlanRow, ...]
    total: PlanRow | None
    warnings: tuple[str, ...] = ()
    error: str = ""


def plan_view(
    tasks: int,
    candidates: int | None,
    phases: Sequence[Mapping[str, Any]],
    warnings: Sequence[str] = (),
) -> PlanView:
    """A plan as a table.

    Args:
        tasks: How many there are.
        candidates: Networks that are considered; None where only the run can tell.
        phases: ``label``, ``trainings`` and ``standard_trainings`` of every part.
        warnings: What the data gave cause for.
    """
    trainings = sum(int(phase["trainings"]) for phase in phases)
    expected = sum(int(phase.get("expected_trainings", phase["trainings"])) for phase in phases)
    standard = sum(float(phase["standard_trainings"]) for phase in phases)
    rows = tuple(
        PlanRow(str(p["label"]), f"{int(p['trainings']):,}", f"{float(p['standard_trainings']):,.0f}") for p in phases
    )
    considered = (
        "" if candidates is None else f"{count(candidates, 'network')} of {count(tasks, 'task')} are considered. "
    )
    return PlanView(
        headline=f"Up to {trainings:,} trainings",
        sentence=(
            f"{considered}{expected:,} are expected, which cost as much as {standard:,.0f} trainings of the standard "
            "network."
        ),
        rows=rows,
        total=PlanRow("Together", f"{trainings:,}", f"{standard:,.0f}") if len(rows) > 1 else None,
        warnings=tuple(warnings),
    )


def no_plan(reason: str) -> PlanView:
    """What is shown while the form holds something that cannot be planned."""
    return PlanView("No plan yet", "", (), None, error=reason)
