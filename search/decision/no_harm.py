"""No harm as a constraint of the choice, and as a statement on what was confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grouping.candidates import BoolArray, IntArray
from grouping.errors import InfeasibleError
from grouping.evidence.no_harm import harm, harm_limits
from grouping.losses import LossTable
from grouping.recommendation import NoHarm, TaskHarm
from search.decision.plan import Plan
from search.decision.selection import completed

if TYPE_CHECKING:
    from search.decision.decide import Decision

__all__ = ["harmless", "no_harm_record", "refused"]


def harmless(plan: Plan, table: LossTable, *, estimate: bool = True) -> BoolArray | None:
    """Which candidates may serve which tasks, [C, T]; None where the spec puts no such constraint.

    A measured loss counts by its upper limit, an estimate by itself: what is chosen on it is measured, and then counts
    by its limit too.

    Args:
        plan: The candidates and the spec.
        table: Raw losses that are chosen from.
        estimate: Whether estimates may fill the gaps of the table.
    """
    asked = plan.spec.evidence.no_harm
    if not asked.constrain:
        return None
    reference_T = _reference(plan, table)
    limits_CT = harm_limits(table, reference_T, asked.confidence)
    guessed_CT = completed(plan, table, estimate=estimate).mean_CT
    level_T = np.array([guessed_CT[c, t] if c >= 0 else np.nan for t, c in enumerate(reference_T)])
    judged_CT = np.where(np.isnan(limits_CT), guessed_CT / level_T, limits_CT)
    free_T = reference_T < 0
    return np.asarray((judged_CT <= 1 + asked.margin) | free_T)


def refused(plan: Plan, error: InfeasibleError) -> InfeasibleError:
    """The error where the constraint leaves nothing to choose."""
    asked = plan.spec.evidence.no_harm
    return InfeasibleError(
        f"no trained grouping within the budget keeps every task within {asked.margin:.1%} of {_called(plan)} at "
        f"{asked.confidence:.0%} confidence",
        where="evidence.no_harm",
        fix="Raise the margin, budget.inference or training.seeds (limits get tighter), or drop the constraint",
        minimum_budget=error.minimum_budget,
    )


def no_harm_record(decision: Decision) -> NoHarm | None:
    """The statement on every served task; None where the reference could not be confirmed."""
    plan, losses = decision.plan, decision.confirmation.losses
    asked = plan.spec.evidence.no_harm
    name = "single-task" if asked.against == "single-task" else "yours"
    if name not in losses:
        return None
    places = {plan.tasks[t].name: m for m, t in enumerate(plan.main)}
    found = harm(losses["chosen"], losses[name], places, asked.margin, asked.confidence)
    tasks = tuple(
        TaskHarm(task, one.change, one.limit if np.isfinite(one.limit) else None, one.state)
        for task, one in found.items()
    )
    return NoHarm(asked.against, asked.margin, asked.confidence, asked.constrain, tasks)


def _called(plan: Plan) -> str:
    alone = plan.spec.evidence.no_harm.against == "single-task"
    return "its single-task network" if alone else "its network in evidence.grouping"


def _reference(plan: Plan, table: LossTable) -> IntArray:
    """The candidate that each served task is compared with, [T]; -1 for auxiliary ones."""
    reference_T = np.full(len(plan.tasks), -1, np.int64)
    mean_CT = table.mean_CT
    for t in plan.main:
        if plan.spec.evidence.no_harm.against == "single-task":
            reference_T[t] = plan.single_T[t]
            continue
        own = [
            plan.index(group, plan.plain_capacity)
            for group in plan.spec.evidence.grouping or ()
            if plan.tasks[t].name in group
        ]
        known = [c for c in own if c is not None and not np.isnan(mean_CT[c, t])]
        reference_T[t] = min(known, key=lambda c: float(mean_CT[c, t])) if known else plan.single_T[t]
    return reference_T
