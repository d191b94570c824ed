"""From a problem in standard form to the solution that users get, with its proof and its runners-up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from grouping.candidates import IntArray
from grouping.errors import InputError, NoResultError
from grouping.solver.bottleneck import minimise_maximum
from grouping.solver.branch_and_bound import Outcome, minimise
from grouping.solver.certificate import Certificate
from grouping.solver.choice import Choice, preference, tie_tolerance
from grouping.solver.clock import Clock
from grouping.solver.formulate import prices
from grouping.solver.heads import charge_served_heads
from grouping.solver.problem import Problem
from grouping.solver.question import Question
from grouping.solver.ranking import next_best
from grouping.solver.solution import Solution
from grouping.solver.table import Table

__all__ = ["Objective", "answer", "named", "served_in_company", "with_heads"]

Objective = Literal["sum", "max"]


def with_heads(table: Table, head_cost: ArrayLike | None, question: Question) -> tuple[Table, Question, IntArray]:
    """The table and question where unused heads are dropped, and the candidate that each of its rows is."""
    if head_cost is None:
        return table, question, np.arange(len(table[0]))
    head_CTD = np.asarray(head_cost, dtype=float)
    return charge_served_heads(table, head_CTD[:, :, None] if head_CTD.ndim == 2 else head_CTD, question)


def named(solution: Solution, origin_C: IntArray) -> Solution:
    """The same solution in the user's candidates."""
    alternatives = tuple(named(other, origin_C) for other in solution.alternatives)
    return replace(solution, chosen=origin_C[solution.chosen], alternatives=alternatives)


def answer(
    table: Table, question: Question, problem: Problem, objective: Objective, clock: Clock, top: int = 1
) -> Solution | None:
    """The best grouping, candidates being the table's; None where there is none.

    Args:
        table: Validated arrays.
        question: Checked against the table.
        problem: Both in standard form.
        objective, top: As for ``solve``.
        clock: When to stop.

    Raises:
        InputError: an unknown objective.
        NoResultError: stopped before the first grouping was found.
    """
    if objective not in get_args(Objective):
        raise InputError(f"the objective is '{objective}'", where="objective", fix="Minimise the 'sum' or the 'max'")
    outcome, answered = _best(problem, question, objective, clock)
    if outcome.choice is None and not outcome.complete:
        raise NoResultError(
            f"stopped ({clock.stopped}) before any grouping was found", fix="Allow more time, or relax the constraints"
        )
    if outcome.choice is None:
        return None
    solution = _solution(table, question, outcome, answered, objective, clock)
    # What sunk networks cost cannot be told from variants, so a check could not see whether it was made up.
    checkable = question.heads != "variants" or not any(question.spent_D)
    if objective == "sum" and answered is problem and len(outcome.proof) == outcome.nodes and checkable:
        certificate = Certificate(
            question,
            solution.objective,
            solution.bound,
            chosen=tuple(solution.chosen.tolist()),
            spendable=problem.spendable,
            nodes=outcome.proof,
        )
        solution = replace(solution, certificate=certificate)
    if top == 1:
        return solution
    others = next_best(
        answered,
        outcome,
        top - 1,
        len(question.tasks) - len(question.auxiliary),
        lambda part: _best(part, question, objective, clock),
        clock,
        worst=objective == "max",
    )
    known = [_as_routed(solution)]
    alternatives: list[Solution] = []
    for found, part in others:
        other = _solution(table, question, found, part, objective, clock)
        if _as_routed(other) not in known:  # a pair that shares for one task's sake can be met from several regions
            known.append(_as_routed(other))
            alternatives.append(other)
    return replace(solution, alternatives=tuple(alternatives), seconds=clock.seconds, stopped=clock.stopped)


def _best(problem: Problem, question: Question, objective: Objective, clock: Clock) -> tuple[Outcome, Problem]:
    """The best grouping, and the problem it answers.

    That problem is narrower than the given one where a pair would share only a network that serves nobody: then, for
    one task after the other, the task has to be served by a network in which the pair shares.
    """
    n_tasks = len(question.tasks) - len(question.auxiliary)

    def find(part: Problem) -> Outcome:
        return minimise(part, clock) if objective == "sum" else minimise_maximum(part, n_tasks, clock)

    waiting = [(find(problem), problem)]
    best: tuple[Outcome, Problem] | None = None
    bound, nodes = math.inf, 0
    while waiting:
        outcome, part = waiting.pop()
        nodes += outcome.nodes
        idle = _idle_pair(part, outcome.choice, question.together, n_tasks)
        if idle is None:
            bound = min(bound, outcome.bound)
            if best is None or _preferred(outcome, part, *best):
                best = outcome, part
        elif best is None or outcome.bound <= _value(best[0]) * (1 + math.copysign(1e-9, _value(best[0]))):
            for t in range(n_tasks):
                narrowed = served_in_company(part, t, idle)
                waiting.append((find(narrowed), narrowed))
        else:
            bound = min(bound, outcome.bound)
    assert best is not None
    complete = best[0].complete and not clock.stopped
    return replace(best[0], bound=min(bound, best[0].bound), complete=complete, nodes=nodes), best[1]


def _as_routed(solution: Solution) -> list[int]:
    """Who serves each task."""
    server_T: list[int] = np.where(solution.serves_T < 0, -1, solution.chosen[solution.serves_T]).tolist()
    return server_T


def _preferred(new: Outcome, new_part: Problem, old: Outcome, old_part: Problem) -> bool:
    """Whether the first outcome comes before the second in the order of ``choice``, each being the best of its part."""
    if new.choice is None or old.choice is None:
        return old.choice is None and new.choice is not None
    if abs(new.choice.objective - old.choice.objective) > tie_tolerance(old.choice.objective, old.choice.magnitude):
        return new.choice.objective < old.choice.objective
    if not math.isclose(new.choice.cost, old.choice.cost, rel_tol=1e-12):
        return new.choice.cost < old.choice.cost
    sizes = len(new.choice.rows), len(old.choice.rows)
    if sizes[0] != sizes[1]:
        return sizes[0] < sizes[1]
    return preference(new_part, new.choice.rows) < preference(old_part, old.choice.rows)


def _value(outcome: Outcome) -> float:
    return math.inf if outcome.choice is None else outcome.choice.objective


def _idle_pair(
    problem: Problem, choice: Choice | None, together: Sequence[tuple[int, int]], n_tasks: int
) -> tuple[int, int] | None:
    """A pair that shares no network which serves a task, if there is one."""
    if choice is None or not together:
        return None
    members_GT = problem.members_CT[_routing(problem, choice, n_tasks)]
    return next((pair for pair in together if not members_GT[:, pair].all(axis=1).any()), None)


def served_in_company(problem: Problem, task: int, pair: tuple[int, int]) -> Problem:
    """The part of the problem in which a network that both of the pair share serves the task."""
    alone_C = ~problem.members_CT[:, pair].all(axis=1) & np.isfinite(problem.value_TC[task])
    if problem.partition:
        return problem.keep(~alone_C)
    value_TC = problem.value_TC.copy()
    value_TC[task, alone_C] = np.inf
    return replace(problem, value_TC=value_TC)


def _routing(problem: Problem, choice: Choice, n_tasks: int) -> IntArray:
    """Which chosen candidate serves each task, [T]: the best, then the first in the order of ties."""
    ordered: IntArray = np.array(sorted(choice.rows, key=problem.key), dtype=np.int64)
    server_T: IntArray = ordered[problem.value_TC[:n_tasks, ordered].argmin(axis=1)]
    return server_T


def _solution(
    table: Table, question: Question, outcome: Outcome, problem: Problem, objective: Objective, clock: Clock
) -> Solution:
    """Everything about a choice, recomputed from the raw table."""
    losses_CT, cost_CD, members_CT = table
    assert outcome.choice is not None
    served = [t for t in range(losses_CT.shape[1]) if t not in question.auxiliary]
    server_T = problem.index_C[_routing(problem, outcome.choice, len(served))]
    chosen_G = np.unique(server_T)
    losses_T = np.full(losses_CT.shape[1], np.nan)
    serves_T = np.full(losses_CT.shape[1], -1)
    losses_T[served] = losses_CT[server_T, served]
    serves_T[served] = np.searchsorted(chosen_G, server_T)
    weighted = [float(losses_T[t]) * question.weights_T[t] for t in served]
    value = math.fsum(weighted) if objective == "sum" else max(weighted)
    charge_CD, spent_D, shared_KD, uses_KC = prices(cost_CD, question)
    used_K = uses_KC[:, chosen_G].any(axis=1)
    return Solution(
        objective=value,
        bound=value if outcome.complete else min(outcome.bound, value),
        cost=math.fsum([*charge_CD[chosen_G, 0].tolist(), *shared_KD[used_K, 0].tolist(), float(spent_D[0])]),
        budget=question.budget_D[0] if question.budget_D else math.inf,
        chosen=chosen_G.astype(np.int64),
        serves_T=serves_T.astype(np.int64),
        members_GT=members_CT[chosen_G],
        losses_T=losses_T,
        seconds=clock.seconds,
        stopped=clock.stopped,
    )
