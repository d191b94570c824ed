"""The regret of a choice under the posterior of its table: which networks are rivals, and the record of it."""

from __future__ import annotations

import numpy as np

from grouping.acquisition import Goals
from grouping.candidates import BoolArray, FloatArray
from grouping.evidence import TableBelief, stated_regret
from grouping.losses import LossTable
from grouping.recommendation import Outlook, Regret
from grouping.solver.solution import Solution
from search.decision.plan import Plan
from search.trials import stream_seed

__all__ = ["choice_regret", "outlook"]

_MOST_CELLS = 1_500
"""Cells (network, task) that are drawn together; more take minutes."""
_OUTLOOK_DRAWS = 100


def choice_regret(plan: Plan, measured: LossTable, solution: Solution, split: int) -> Regret | None:
    """What the choice may lose against the best grouping; None where too little was trained to tell.

    Rivals are the trained networks and, of those that nobody trained, as many at random as can be drawn together.

    Args:
        plan: Candidates and budget.
        measured: Relative losses of what was trained to the end.
        solution: The choice; indices into the plan's candidates.
        split: Which repetition of the data split.
    """
    if not (measured.replicates_CT > 1).any():
        return None
    rng = np.random.default_rng(stream_seed(plan.spec.training.seed, "regret", split))
    belief = TableBelief(measured, _rivals(plan, measured, rng))
    if not belief.drawn_C[solution.chosen].all():
        return None
    found = stated_regret(belief, solution, *_question(plan), rng, rules=plan.rules, draws=plan.spec.evidence.draws)
    rivals = int(belief.drawn_C.sum())
    return Regret(found.expected, found.low, found.high, found.best, found.draws, rivals, found.untrained)


def outlook(
    plan: Plan, measured: LossTable, left: int, rng: np.random.Generator, over_C: BoolArray | None = None
) -> Outlook | None:
    """What further search may gain over the best of what was trained; None where nothing trained serves every task.

    Args:
        plan: Candidates and budget.
        measured: Relative losses of what was trained to the end.
        left: Trainings that the search may still spend.
        rng: Source of the draws.
        over_C: Which trained candidates it is compared with; default: all.
    """
    belief = TableBelief(measured, _rivals(plan, measured, rng))
    trained_C = belief.drawn_C & (measured.replicates_CT > 0).any(axis=1)
    trained_C &= True if over_C is None else over_C
    if not trained_C.any():
        return None
    charged_C, budget = _question(plan)
    goals = Goals(plan.candidates, (budget,), charged_C, plan.rules)
    best = goals.best(np.where(trained_C[:, None], belief.mean_CT(), np.nan), budget)
    if best is None:
        return None
    allowed = plan.spec.budget.training
    worthwhile = 0.0 if allowed is None else allowed.worthwhile
    found = stated_regret(
        belief, best, charged_C, budget, rng, rules=plan.rules, draws=_OUTLOOK_DRAWS, worthwhile=worthwhile
    )
    return Outlook(found.expected, found.low, found.high, found.chance, worthwhile, left)


def _question(plan: Plan) -> tuple[FloatArray, float]:
    return plan.charged_C, plan.spec.budget.inference


def _rivals(plan: Plan, measured: LossTable, rng: np.random.Generator) -> BoolArray:
    trained_C = plan.choosable_C & (measured.replicates_CT > 0).any(axis=1)
    rivals_C, sizes_C = trained_C.copy(), plan.candidates.size_C
    room = _MOST_CELLS - int(sizes_C[trained_C].sum())
    open_C = plan.choosable_C & ~trained_C & plan.plain_C
    for c in rng.permutation(np.flatnonzero(open_C)).tolist():
        room -= int(sizes_C[c])
        if room < 0:
            break
        rivals_C[c] = True
    return rivals_C
