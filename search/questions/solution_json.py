"""An answer of the solver as JSON: the networks, losses and proof of ``taskgroup solve --json``.

``draws`` in it: ``count``, ``seed``; of the answer its ``frequency``, ``expected_regret``, ``expected_regret_error``
(Monte-Carlo standard error) and, with a tail, ``tail`` and ``cvar``; ``groupings``, the most frequent ones;
``least_regret`` and, with a tail, ``least_cvar``: the groupings that are best by these, with the proven ``bound`` and
the ``gap`` to it. Regrets are in the objective's unit, 0 or more, gains or losses alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grouping.evidence.regret import RegretChoice
from grouping.evidence.stability import grouping_name
from grouping.solver.solution import Solution
from search.questions.table_draws import Certainty
from search.questions.table_question import TableQuestion

__all__ = ["MOST_GROUPINGS", "behind", "certain_json", "network_json", "solution_json"]

MOST_GROUPINGS = 10
"""How many groupings are listed by how often they were the best."""


def solution_json(question: TableQuestion, solution: Solution) -> dict[str, Any]:
    """The answer with all its digits, in the user's names and sign."""
    sign, tasks = question.sign, question.table.tasks
    answer: dict[str, Any] = {
        "budget": solution.budget,
        "cost": solution.cost,
        "objective": sign * solution.objective,
        "bound": sign * solution.bound,
        "gap": solution.gap,
        "proven_optimal": solution.proven_optimal,
        "optimal_for": question.optimal_for,
        "networks": [network_json(question, solution, g) for g in range(len(solution.chosen))],
        "losses": {tasks[t]: sign * float(solution.losses_T[t]) for t in np.flatnonzero(solution.serves_T >= 0)},
        "seconds": solution.seconds,
        "estimator": question.estimator,
    }
    score = question.score(solution)
    if score is not None:
        routed, best, losses = score
        answer["scored"] = {"routed": routed, "best_of_chosen": best, "losses": losses}
    if solution.stopped:
        answer["stopped"] = solution.stopped
    if solution.alternatives:
        answer["alternatives"] = [
            {**solution_json(question, other), **behind(solution, other)} for other in solution.alternatives
        ]
    return answer


def behind(best: Solution, other: Solution) -> dict[str, float | None]:
    """How much worse an alternative is, in the objective's unit and as a share of it; None where that is zero."""
    difference = other.objective - best.objective
    return {
        "gap_to_best": difference,
        "gap_to_best_relative": difference / abs(best.objective) if best.objective else None,
    }


def network_json(question: TableQuestion, solution: Solution, g: int) -> dict[str, Any]:
    """One chosen network, in the user's names."""
    candidates, c = question.table.candidates, int(solution.chosen[g])
    network: dict[str, Any] = {
        "network": candidates.name(c),
        "cost": float(candidates.cost_C[c]),
        "candidate": candidates.label_C[c],
        "tasks": [candidates.tasks[t] for t in np.flatnonzero(solution.members_GT[g])],
        "serves": [candidates.tasks[t] for t in np.flatnonzero(solution.serves_T == g)],
    }
    if c in question.options["deployed"]:
        network["deployed"] = True
    if c in question.options["sunk"]:
        network["sunk"] = True
    return network


def certain_json(question: TableQuestion, solution: Solution, certainty: Certainty) -> dict[str, Any]:
    """The answer with what draws say about it, under ``draws``; each alternative has its own part of that."""
    answer = solution_json(question, solution)
    most = list(certainty.frequency.groupings.items())[:MOST_GROUPINGS]
    answer["draws"] = {
        "count": certainty.frequency.draws,
        "seed": certainty.seed,
        **_regret_json(question, certainty, certainty.answer),
        "groupings": [{"networks": list(networks), "frequency": share} for networks, share in most],
        "least_regret": _choice_json(question, certainty, certainty.least),
    }
    if certainty.safest is not None:
        answer["draws"]["least_cvar"] = _choice_json(question, certainty, certainty.safest)
    for alternative, choice in zip(answer.get("alternatives", []), certainty.choices[1:], strict=True):
        alternative["draws"] = _regret_json(question, certainty, choice)
    return answer


def _regret_json(question: TableQuestion, certainty: Certainty, choice: RegretChoice) -> dict[str, Any]:
    """How often a grouping was the best, and what it loses against the best."""
    name = grouping_name(choice.solution, question.table.tasks)
    regret: dict[str, Any] = {
        "frequency": certainty.frequency.groupings.get(name, 0.0),
        "expected_regret": choice.expected,
        "expected_regret_error": choice.error,
    }
    if certainty.tail is not None:
        regret |= {"tail": certainty.tail, "cvar": choice.cvar(certainty.tail)}
    return regret


def _choice_json(question: TableQuestion, certainty: Certainty, choice: RegretChoice) -> dict[str, Any]:
    """A grouping that was chosen over draws; ``bound`` and ``gap`` are of what it was chosen by."""
    solution = choice.solution
    return {
        "objective": question.sign * solution.objective,
        "cost": solution.cost,
        "networks": [network_json(question, solution, g) for g in range(len(solution.chosen))],
        **_regret_json(question, certainty, choice),
        "bound": choice.bound,
        "gap": choice.gap,
        "is_answer": certainty.is_answer(choice),
    }
