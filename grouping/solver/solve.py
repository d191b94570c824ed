"""The question a user asks: the best grouping of a loss table under budgets and constraints, with its proof."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from grouping.candidates import IntArray
from grouping.errors import InputError, NoResultError
from grouping.solver.bottleneck import minimise_maximum
from grouping.solver.branch_and_bound import Outcome, minimise
from grouping.solver.certificate import Certificate
from grouping.solver.choice import Choice
from grouping.solver.clock import Callback, Clock
from grouping.solver.formulate import Table, formulate, prices
from grouping.solver.heads import charge_served_heads
from grouping.solver.infeasible import explain_infeasible
from grouping.solver.problem import Problem
from grouping.solver.question import Question, SharedCost, readable
from grouping.solver.ranking import next_best
from grouping.solver.solution import Solution

__all__ = ["Objective", "arrays", "ask", "named", "solve", "with_heads"]

Objective = Literal["sum", "max"]


def solve(
    losses_CT: ArrayLike,
    cost_C: ArrayLike,
    budget: float | Sequence[float] | None = None,
    *,
    weights_T: Sequence[float] | None = None,
    max_networks: int | None = None,
    max_size: int | None = None,
    partition: bool = False,
    time_limit: float | None = None,
    top: int = 1,
    callback: Callback | None = None,
    together: Sequence[tuple[int, int]] = (),
    apart: Sequence[tuple[int, int]] = (),
    at_most: Mapping[int, float] | None = None,
    deployed: Sequence[int] = (),
    sunk: Sequence[int] = (),
    shared: Sequence[SharedCost] = (),
    head_cost: ArrayLike | None = None,
    auxiliary: Sequence[int] = (),
    objective: Objective = "sum",
    members_CT: ArrayLike | None = None,
    tasks: Sequence[str] | None = None,
) -> Solution:
    """Choose the candidates whose best members serve every task at the lowest loss within the budget, and prove it.

    Minimises ``sum_t weight_t * min_{c chosen} loss_ct`` (or the maximum over tasks). Groupings may overlap, and a
    candidate may train a task only for the others' sake. The problem is that of Standley et al., ICML 2020.

    Args:
        losses_CT: Losses [C, T], lower is better, any sign; NaN where a candidate cannot serve a task.
        cost_C: What serving each candidate costs, [C]; [C, D] for several budgets.
        budget: Limit of the summed cost; one per column for several; None for no limit.
        weights_T: Positive weight of each task; default 1.
        max_networks: At most that many candidates.
        max_size: At most that many members in a candidate.
        partition: Each served task is a member of exactly one chosen candidate.
        time_limit: Seconds after which the best found is returned with its bound.
        top: How many solutions; the others are ``alternatives``, each giving some task another loss.
        callback: Told ``Progress`` at every node; returning True ends the search.
        together: Pairs of tasks that some chosen candidate must have as members, both.
        apart: Pairs of tasks that no chosen candidate may have as members, both.
        at_most: Largest acceptable loss of tasks, unweighted.
        deployed: Candidates that are paid for already: they cost nothing, nor does what they share.
        sunk: Candidates whose cost is spent of the budget whether they are used or not.
        shared: Costs that are paid once by all who use something: preprocessing, a frozen backbone.
        head_cost: What of ``cost_C`` is the head of each task, [C, T] or [C, T, D]: the heads of tasks that a chosen
            candidate does not serve are dropped and cost nothing. Left out: heads cost what they cost.
        auxiliary: Tasks that need not be served and do not count.
        objective: ``sum`` over tasks, or ``max``: the worst-served task counts.
        members_CT: Who is trained in each candidate, where that is more than whom it can serve.
        tasks: Names for messages; default: the indices.

    Raises:
        InputError: arrays, weights or constraints that make no sense.
        InfeasibleError: no grouping satisfies the constraints; says the smallest budget that would.
        NoResultError: stopped before the first grouping was found.
    """
    table = arrays(losses_CT, cost_C, members_CT)
    if top < 1:
        raise InputError(f"top is {top}", where="top", fix="Ask for 1 solution or more")
    n_candidates, n_tasks = table[0].shape
    question = Question.of(
        n_tasks,
        budget_D=() if budget is None else tuple(np.atleast_1d(np.asarray(budget, dtype=float)).tolist()),
        weights_T=weights_T,
        max_networks=max_networks,
        max_size=max_size,
        partition=partition,
        together=together,
        apart=apart,
        at_most=at_most,
        deployed=deployed,
        sunk=sunk,
        shared=shared,
        auxiliary=auxiliary,
        tasks=tasks,
    )
    question.check_against(n_candidates, n_tasks, table[1].shape[1])
    table, question, origin_C = with_heads(table, head_cost, question)
    return named(ask(table, question, objective, Clock(time_limit, callback), top), origin_C)


def arrays(losses_CT: ArrayLike, cost_C: ArrayLike, members_CT: ArrayLike | None) -> Table:
    """Validated losses [C, T], costs [C, D] and members [C, T].

    Raises:
        InputError: wrong shapes, infinite losses, costs that are not finite or negative.
    """
    try:
        losses = np.asarray(losses_CT, dtype=float)
        cost = np.asarray(cost_C, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"losses and costs must be numbers: {error}") from None
    if losses.ndim != 2 or not losses.size:
        raise InputError(f"losses have shape {losses.shape}, expected (candidates, tasks), both at least 1")
    if cost.ndim not in (1, 2) or len(cost) != len(losses):
        raise InputError(f"costs have shape {cost.shape}, expected ({len(losses)},) or ({len(losses)}, budgets)")
    if np.isinf(losses).any():
        c, t = np.argwhere(np.isinf(losses))[0]
        raise InputError(
            f"the loss of task {t} in candidate {c} is infinite", fix="Write NaN where a candidate cannot serve a task"
        )
    cost = cost.reshape(len(losses), -1)
    legal = np.isfinite(cost) & (cost >= 0)
    if not legal.all():
        c = int(np.argwhere(~legal)[0][0])
        raise InputError(f"candidate {c} costs {readable(cost[c].tolist())}", fix="Costs are finite, 0 or more")
    servable = ~np.isnan(losses)
    members = servable if members_CT is None else np.asarray(members_CT, dtype=bool)
    if members.shape != losses.shape:
        raise InputError(f"members have shape {members.shape}, expected {losses.shape}")
    if (servable & ~members).any():
        c, t = np.argwhere(servable & ~members)[0]
        raise InputError(f"candidate {c} has a loss for task {t}, which is no member of it")
    if not servable.any(axis=1).all():
        raise InputError(f"candidate {int(np.flatnonzero(~servable.any(axis=1))[0])} serves no task")
    return losses, cost, members


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


def ask(table: Table, question: Question, objective: Objective, clock: Clock, top: int = 1) -> Solution:
    """Answer a question that was checked against its table; candidates are the table's. Errors as for ``solve``."""
    problem = formulate(*table, question)
    outcome, answered = _best(problem, question, objective, clock)
    if outcome.choice is None and not outcome.complete:
        raise NoResultError(
            f"stopped ({clock.stopped}) before any grouping was found", fix="Allow more time, or relax the constraints"
        )
    if outcome.choice is None:
        raise explain_infeasible(table, question)
    solution = _solution(table, question, outcome, answered, objective, clock)
    if objective == "sum" and answered is problem:
        solution = replace(solution, certificate=_certificate(question, solution, outcome, problem))
    if top == 1:
        return solution
    others = next_best(
        problem,
        outcome,
        top - 1,
        problem.n_rows - len(question.together),
        lambda part: _best(part, question, objective, clock),
        clock.expired,
        worst=objective == "max",
    )
    alternatives = tuple(_solution(table, question, found, part, objective, clock) for found, part in others)
    return replace(solution, alternatives=alternatives, seconds=clock.seconds, stopped=clock.stopped)


def _best(problem: Problem, question: Question, objective: Objective, clock: Clock) -> tuple[Outcome, Problem]:
    """The best grouping, and the problem it answers.

    That problem is narrower than the given one where a pair would share only a network that serves nobody: then, for
    one task after the other, the task has to be served by a network in which the pair shares.
    """
    find = minimise if objective == "sum" else minimise_maximum
    n_tasks = problem.n_rows - len(question.together)
    waiting = [(find(problem, clock), problem)]
    best: tuple[Outcome, Problem] | None = None
    bound, nodes = math.inf, 0
    while waiting:
        outcome, part = waiting.pop()
        nodes += outcome.nodes
        idle = _idle_pair(part, outcome.choice, n_tasks)
        if idle is None:
            bound = min(bound, outcome.bound)
            if best is None or _value(outcome) < _value(best[0]):
                best = outcome, part
        elif best is None or outcome.bound < _value(best[0]):
            for t in range(n_tasks):
                value_TC = part.value_TC.copy()
                value_TC[t, np.isinf(part.value_TC[idle])] = np.inf
                narrowed = replace(part, value_TC=value_TC)
                waiting.append((find(narrowed, clock), narrowed))
        else:
            bound = min(bound, outcome.bound)
    assert best is not None
    complete = best[0].complete and not clock.stopped
    return replace(best[0], bound=min(bound, best[0].bound), complete=complete, nodes=nodes), best[1]


def _value(outcome: Outcome) -> float:
    return math.inf if outcome.choice is None else outcome.choice.objective


def _idle_pair(problem: Problem, choice: Choice | None, n_tasks: int) -> int | None:
    """The requirement of a pair that shares no network which serves a task, if there is one."""
    if choice is None:
        return None
    serving = list(set(_routing(problem, choice, n_tasks).tolist()))
    for row in range(n_tasks, problem.n_rows):
        if not np.isfinite(problem.value_TC[row, serving]).any():
            return row
    return None


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


def _certificate(question: Question, solution: Solution, outcome: Outcome, problem: Problem) -> Certificate:
    return Certificate(
        objective=solution.objective,
        bound=solution.bound,
        chosen=tuple(solution.chosen.tolist()),
        spendable=problem.spendable,
        nodes=outcome.proof,
        budget_D=question.budget_D,
        weights_T=question.weights_T,
        max_networks=question.max_networks,
        max_size=question.max_size,
        partition=question.partition,
        together=question.together,
        apart=question.apart,
        at_most=question.at_most,
        deployed=question.deployed,
        sunk=question.sunk,
        shared=question.shared,
        auxiliary=question.auxiliary,
        spent_D=question.spent_D,
        heads=question.heads,
    )
