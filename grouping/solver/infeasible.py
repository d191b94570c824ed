"""Why no grouping exists: the smallest budget that would do, or the constraint in conflict."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from grouping.errors import InfeasibleError
from grouping.solver.answer import served_in_company
from grouping.solver.clock import Clock
from grouping.solver.cover import any_cover, cheapest_cover
from grouping.solver.formulate import formulate, prices
from grouping.solver.problem import Problem
from grouping.solver.question import Question, SharedCost
from grouping.solver.table import Table

__all__ = ["explain_infeasible"]

_MOST_PARTS = 1000


def explain_infeasible(table: Table, question: Question, clock: Clock) -> InfeasibleError:
    """The error to raise for a question that has no answer; it claims no more than was found before the clock ended."""
    budgets = question.budget_D
    for d, limit in enumerate(budgets):
        least = _least_cost(table, question, d, clock)
        if least is not None:
            return InfeasibleError(
                f"no grouping that serves every task fits the budget of {limit:g}"
                + (f" (number {d + 1})" if len(budgets) > 1 else ""),
                where="budget",
                fix=_unproven(f"{least:.12g}", clock)
                if clock.stopped
                else f"The smallest feasible budget is {least:.12g}",
                minimum_budget=None if clock.stopped else least,
            )
    if question.max_networks is not None:
        least = _least_count(table, question, clock)
        if least is not None:
            return InfeasibleError(
                f"{question.max_networks} networks cannot serve every task",
                where="max_networks",
                fix=_unproven(f"{least:g}", clock) if clock.stopped else f"At least {least:g} are needed",
            )
    if clock.stopped:
        return InfeasibleError(
            "no grouping satisfies all constraints", fix=f"Allow more time to learn which conflict ({clock.stopped})"
        )
    return _conflict(table, question, clock)


def _unproven(enough: str, clock: Clock) -> str:
    return f"{enough} would do; whether less would was not found out ({clock.stopped})"


def _least_cost(table: Table, question: Question, budget: int, clock: Clock) -> float | None:
    """The smallest cost, in one budget's unit, at which every task is served; None where that is impossible."""
    kept = [d for d in range(len(question.budget_D)) if d != budget]
    relaxed = replace(
        question,
        budget_D=tuple(question.budget_D[d] for d in kept),
        spent_D=tuple(question.spent_D[d] for d in kept) if question.spent_D else (),
        shared=tuple(SharedCost([part.cost_D[d] for d in kept], part.candidates) for part in question.shared),
    )
    charge_CD, spent_D, shared_KD, _ = prices(table[1], question)
    losses_CT, cost_CD, members_CT = table
    problem = formulate(losses_CT, cost_CD[:, kept], members_CT, relaxed)
    found = [
        cheapest_cover(part, charge_CD[part.index_C, budget], shared_KD[:, budget], clock).choice
        for part in _in_company(problem, question)
    ]
    least = min((choice.objective for choice in found if choice is not None), default=None)
    return None if least is None else least + float(spent_D[budget])


def _least_count(table: Table, question: Question, clock: Clock) -> int | None:
    """The smallest number of networks that serve every task at whatever cost; None where that is impossible."""
    problem = formulate(*table, replace(question, budget_D=(), max_networks=None))
    found = [
        cheapest_cover(part, np.ones(len(part.index_C)), np.zeros(len(part.uses_KC)), clock).choice
        for part in _in_company(problem, question)
    ]
    return min((len(choice.rows) for choice in found if choice is not None), default=None)


def _in_company(problem: Problem, question: Question) -> list[Problem]:
    """Parts of the problem in which each pair that must share does so in a network that serves a certain task.

    A cover may hold a network for the pair's sake only, and no grouping may. Where the parts are too many, the problem
    itself stands for them: what is said then is a lower bound.
    """
    n_tasks = len(question.tasks) - len(question.auxiliary)
    parts = [problem]
    if n_tasks ** len(question.together) <= _MOST_PARTS:
        for pair in question.together:
            parts = [served_in_company(part, t, pair) for part in parts for t in range(n_tasks)]
    return parts


def _conflict(table: Table, question: Question, clock: Clock) -> InfeasibleError:
    """A smallest set of constraints in conflict: each is dropped for good if that alone makes nothing feasible."""
    conflicting: list[str] = []
    for name, rest in _rules(question):
        if _feasible(table, rest(question), clock):
            conflicting.append(name)
        else:
            question = rest(question)
    return InfeasibleError(
        f"no grouping satisfies these together: {', '.join(conflicting)}",
        where=conflicting[0].split()[0] if conflicting else "",
        fix="Drop or relax one of them, or add networks (single-task ones, say)",
    )


def _feasible(table: Table, question: Question, clock: Clock) -> bool:
    try:
        parts = _in_company(formulate(*table, question), question)
    except InfeasibleError:
        return False
    return any(any_cover(part, clock).choice is not None for part in parts)


def _rules(question: Question) -> list[tuple[str, Callable[[Question], Question]]]:
    """What can be dropped from a question: a name for messages, and how."""
    name = question.tasks
    rules: list[tuple[str, Callable[[Question], Question]]] = [
        *((f"apart {name[a]}+{name[b]}", partial(_without_pair, "apart", (a, b))) for a, b in question.apart),
        *((f"at_most {name[t]}={limit:g}", partial(_without_threshold, t)) for t, limit in question.at_most.items()),
        *((f"together {name[a]}+{name[b]}", partial(_without_pair, "together", (a, b))) for a, b in question.together),
    ]
    if question.max_size is not None:
        rules.append((f"max_size {question.max_size}", lambda rest: replace(rest, max_size=None)))
    if question.partition:
        rules.append(("partition", lambda rest: replace(rest, partition=False)))
    if question.max_networks is not None:
        rules.append((f"max_networks {question.max_networks}", lambda rest: replace(rest, max_networks=None)))
    for d, limit in enumerate(question.budget_D):
        which = f" (number {d + 1})" if len(question.budget_D) > 1 else ""
        rules.append((f"budget {limit:g}{which}", partial(_without_budget, d)))
    return rules


def _without_pair(kind: str, pair: tuple[int, int], question: Question) -> Question:
    kept = tuple(other for other in getattr(question, kind) if other != pair)
    return replace(question, together=kept) if kind == "together" else replace(question, apart=kept)


def _without_threshold(task: int, question: Question) -> Question:
    return replace(question, at_most={t: limit for t, limit in question.at_most.items() if t != task})


def _without_budget(number: int, question: Question) -> Question:
    budget_D = tuple(sys.float_info.max if d == number else limit for d, limit in enumerate(question.budget_D))
    return replace(question, budget_D=budget_D)
