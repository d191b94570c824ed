"""The question a user asks: the best grouping of a loss table under budgets and constraints, with its proof."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from grouping.candidates import BoolArray, FloatArray
from grouping.errors import InfeasibleError, InputError, NoResultError
from grouping.solver.branch_and_bound import Outcome, minimise
from grouping.solver.certificate import Certificate
from grouping.solver.choice import Choice
from grouping.solver.problem import Problem, Question, formulate, readable
from grouping.solver.solution import Progress, Solution, Stopped

__all__ = ["Objective", "Run", "arrays", "ask", "solve"]

Objective = Literal["sum", "max"]
Callback = Callable[[Progress], bool | None]


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
    auxiliary: Sequence[int] = (),
    objective: Objective = "sum",
    members_CT: ArrayLike | None = None,
) -> Solution:
    """Choose the candidates whose best members serve every task at the lowest loss within the budget, and prove it.

    Minimises ``sum_t weight_t * min_{c chosen} loss_ct`` (or the maximum over tasks). Groupings may overlap, and a
    candidate may train a task only for the others' sake. Standley et al., ICML 2020, section 3.

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
        deployed: Candidates that are paid for already: they cost nothing.
        auxiliary: Tasks that need not be served and do not count.
        objective: ``sum`` over tasks, or ``max``: the worst-served task counts.
        members_CT: Who is trained in each candidate, where that is more than whom it can serve.

    Raises:
        InputError: arrays, weights or constraints that make no sense.
        InfeasibleError: no grouping satisfies the constraints; says the smallest budget that would.
        NoResultError: stopped before the first grouping was found.
    """
    table = arrays(losses_CT, cost_C, members_CT)
    losses, cost_CD, _ = table
    limits = () if budget is None else tuple(np.atleast_1d(np.asarray(budget, dtype=float)).tolist())
    if limits and len(limits) != cost_CD.shape[1]:
        raise InputError(f"{len(limits)} budgets for {cost_CD.shape[1]} costs", where="budget")
    if top < 1:
        raise InputError(f"top is {top}", where="top", fix="Ask for 1 solution or more")
    question = Question(
        budget_D=limits,
        weights_T=tuple(float(weight) for weight in weights_T) if weights_T is not None else (1.0,) * losses.shape[1],
        max_networks=max_networks,
        max_size=max_size,
        partition=partition,
        together=tuple((int(a), int(b)) for a, b in together),
        apart=tuple((int(a), int(b)) for a, b in apart),
        at_most=dict(at_most or {}),
        deployed=tuple(int(c) for c in deployed),
        auxiliary=tuple(sorted({int(t) for t in auxiliary})),
    )
    question.check_against(*losses.shape)
    return ask(table, question, objective, Run(time_limit, callback), top)


Table = tuple[FloatArray, FloatArray, BoolArray]


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
    if not (np.isfinite(cost) & (cost >= 0)).all():
        c = int(np.argwhere(~(np.isfinite(cost) & (cost >= 0)))[0][0])
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


@dataclass
class Run:
    """The clock of one call: time limit, callback, Ctrl-C."""

    time_limit: float | None = None
    callback: Callback | None = None

    def __post_init__(self) -> None:
        if self.time_limit is not None and not self.time_limit >= 0:
            raise InputError(f"the time limit is {self.time_limit}", where="time_limit", fix="Give seconds, 0 or more")
        self.started = time.perf_counter()
        self.stopped: Stopped = ""

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def expired(self) -> bool:
        if self.time_limit is not None and not self.stopped and self.seconds > self.time_limit:
            self.stopped = "time limit"
        return bool(self.stopped)

    def report(self, objective: float | None, bound: float, nodes: int) -> bool:
        if self.callback is not None and self.callback(Progress(objective, bound, nodes, self.seconds)):
            self.stopped = "callback"
        return bool(self.stopped)

    def interrupt(self) -> None:
        self.stopped = "interrupted"


def ask(table: Table, question: Question, objective: Objective, run: Run, top: int = 1) -> Solution:
    """Answer one checked question."""
    problem = formulate(*table, question)
    outcome, answered = _best(problem, question, objective, run)
    if outcome.choice is None:
        if not outcome.complete:
            raise NoResultError(
                f"stopped ({run.stopped}) before any grouping was found",
                fix="Allow more time, or relax the constraints",
            )
        raise explain_infeasible(table, question)
    plain = objective == "sum" and answered is problem
    solution = _solution(table, question, outcome, answered, run, certify=plain)
    if top == 1:
        return solution
    others = _next_best(problem, question, objective, run, outcome.choice, top - 1)
    return replace(
        solution,
        alternatives=tuple(_solution(table, question, found, part, run, certify=False) for found, part in others),
        seconds=run.seconds,
        stopped=run.stopped,
    )


Answer = tuple[Outcome, Problem]


def _best(problem: Problem, question: Question, objective: Objective, run: Run) -> Answer:
    """The best grouping, and the problem it is the answer of (narrower where a pair had to be made to share)."""
    find = minimise if objective == "sum" else _minimise_maximum
    answer = find(problem, run), problem
    if not question.together:
        return answer
    open_problems, best = [answer], None
    bound = math.inf
    while open_problems:
        open_problems.sort(key=lambda found: -found[0].bound)
        outcome, part = open_problems.pop()
        if best is not None and best[0].choice and outcome.bound > best[0].choice.objective:
            bound = min(bound, outcome.bound)
            continue
        lonely = _pair_served_by_nobody(part, outcome.choice, len(question.together))
        if outcome.choice is None or lonely is None:
            bound = min(bound, outcome.bound)
            if outcome.choice and (best is None or outcome.choice.objective < best[0].choice.objective):  # type: ignore[union-attr]
                best = outcome, part
            continue
        for t in range(problem.n_rows - len(question.together)):
            # One of the served tasks must be served by a network in which the pair shares.
            value_TC = part.value_TC.copy()
            value_TC[t, np.isinf(part.value_TC[lonely])] = np.inf
            narrowed = replace(part, value_TC=value_TC)
            open_problems.append((find(narrowed, run), narrowed))
    if best is None:
        return Outcome(None, bound, not run.stopped, answer[0].nodes), problem
    return replace(best[0], bound=min(bound, best[0].bound), complete=not run.stopped), best[1]


def _pair_served_by_nobody(problem: Problem, choice: Choice | None, pairs: int) -> int | None:
    """The requirement of a pair whose common networks serve no task, if there is one."""
    if choice is None:
        return None
    serving = set(_routing(problem, choice.rows, problem.n_rows - pairs).tolist())
    for row in range(problem.n_rows - pairs, problem.n_rows):
        if not any(np.isfinite(problem.value_TC[row, c]) for c in serving):
            return row
    return None


def _routing(problem: Problem, rows: Sequence[int], n_tasks: int) -> np.ndarray:
    """Which chosen candidate serves each task, [T]: the best, then the first in the order of ties."""
    ordered = np.array(sorted(rows, key=problem.key))
    return ordered[problem.value_TC[:n_tasks, ordered].argmin(axis=1)]


def _minimise_maximum(problem: Problem, run: Run) -> Outcome:
    """The smallest threshold under which the tasks can be covered, by bisection; then the cheapest cover under it."""
    n_tasks = problem.n_rows
    floor = problem.value_TC.min(axis=1)
    if np.isinf(floor).any():
        return Outcome(None, math.inf, complete=True, nodes=0)
    value_N = np.unique(problem.value_TC[np.isfinite(problem.value_TC) & (problem.value_TC >= floor.max())])
    free = np.full(n_tasks, -np.inf)

    def cover(theta: float) -> Outcome:
        under = problem.between(free, np.full(n_tasks, theta))
        flat = replace(under, value_TC=np.where(np.isfinite(under.value_TC), 0.0, np.inf), open_C=under.charge_C)
        found = minimise(flat, run)
        if found.choice is None:
            return found
        position = {index: row for row, index in enumerate(problem.index_C.tolist())}
        rows = tuple(sorted(position[int(flat.index_C[row])] for row in found.choice.rows))
        worst = float(problem.value_TC[:, list(rows)].min(axis=1).max())
        return replace(found, choice=Choice(rows, worst, found.choice.cost, abs(worst)))

    best = cover(float(value_N[-1]))
    if best.choice is None:
        return best
    low, high = 0, len(value_N) - 1
    while low < high and not run.expired():
        middle = (low + high) // 2
        found = cover(float(value_N[middle]))
        if found.choice is not None:
            best, high = found, middle
        elif found.complete:
            low = middle + 1
        else:
            break
    return replace(best, bound=float(value_N[low]), complete=low == high and best.complete)


def _next_best(
    problem: Problem, question: Question, objective: Objective, run: Run, first: Choice, count: int
) -> list[Answer]:
    """Murty's ranking: what the best grouping leaves is cut into regions by the tasks' losses, each with its own best.

    In the i-th region the tasks before i have the losses they have in the best grouping, and task i has a smaller, or a
    larger one. K. G. Murty, Operations Research 1968.
    """
    n_tasks = problem.n_rows - len(question.together)
    everything = np.full(problem.n_rows, -np.inf), np.full(problem.n_rows, np.inf)
    regions = _regions(problem, first, everything, n_tasks)
    candidates: list[tuple[Outcome, Problem, tuple[FloatArray, FloatArray]]] = []
    ranked: list[Answer] = []
    while len(ranked) < count and not run.expired():
        for above_T, up_to_T in regions:
            part = problem.between(above_T, up_to_T)
            outcome, answered = _best(part, question, objective, run)
            if outcome.choice is not None:
                candidates.append((outcome, answered, (above_T, up_to_T)))
        if not candidates:
            break
        best = min(candidates, key=_rank)
        candidates.remove(best)
        outcome, part, region = best
        ranked.append((outcome, part))
        assert outcome.choice is not None
        regions = _regions(part, outcome.choice, region, n_tasks)
    return ranked


def _rank(found: tuple[Outcome, Problem, object]) -> tuple[object, ...]:
    choice = found[0].choice
    assert choice is not None
    return (choice.objective, choice.cost, len(choice.rows), sorted(found[1].key(row) for row in choice.rows))


def _regions(
    problem: Problem, choice: Choice, region: tuple[FloatArray, FloatArray], n_tasks: int
) -> list[tuple[FloatArray, FloatArray]]:
    value_T = problem.value_TC[:, list(choice.rows)].min(axis=1)
    above_T, up_to_T = region[0].copy(), region[1].copy()
    regions = []
    for t in range(n_tasks):
        just_below = np.nextafter(value_T[t], -np.inf)
        smaller, larger = up_to_T.copy(), above_T.copy()
        smaller[t], larger[t] = just_below, value_T[t]
        regions += [(above_T.copy(), smaller), (larger, up_to_T.copy())]
        above_T[t], up_to_T[t] = just_below, value_T[t]
    return regions


def _solution(
    table: Table, question: Question, outcome: Outcome, problem: Problem, run: Run, *, certify: bool
) -> Solution:
    """Everything about a choice, recomputed from the raw table."""
    losses_CT, cost_CD, members_CT = table
    assert outcome.choice is not None
    served = [t for t in range(losses_CT.shape[1]) if t not in question.auxiliary]
    server_T = problem.index_C[_routing(problem, outcome.choice.rows, len(served))]
    chosen_G = np.unique(server_T)
    losses_T = np.full(losses_CT.shape[1], np.nan)
    serves_T = np.full(losses_CT.shape[1], -1)
    losses_T[served] = losses_CT[server_T, served]
    serves_T[served] = np.searchsorted(chosen_G, server_T)
    weighted = [losses_T[t] * question.weights_T[t] for t in served]
    is_sum = abs(outcome.choice.objective - math.fsum(weighted)) <= 1e-9 * max(1e-12, outcome.choice.magnitude)
    objective = math.fsum(weighted) if is_sum else max(weighted)
    charged_C = cost_CD[:, 0].copy()
    charged_C[list(question.deployed)] = 0.0
    bound = objective if outcome.complete else min(outcome.bound, objective)
    chosen = tuple(chosen_G.tolist())
    return Solution(
        objective=objective,
        bound=bound,
        cost=math.fsum(charged_C[chosen_G].tolist()),
        budget=question.budget_D[0] if question.budget_D else math.inf,
        chosen=chosen_G.astype(np.int64),
        serves_T=serves_T.astype(np.int64),
        members_GT=members_CT[chosen_G],
        losses_T=losses_T,
        seconds=run.seconds,
        stopped=run.stopped,
        certificate=_certificate(question, objective, bound, chosen, outcome) if certify else None,
    )


def _certificate(
    question: Question, objective: float, bound: float, chosen: tuple[int, ...], outcome: Outcome
) -> Certificate:
    asked = {name: value for name, value in asdict(question).items()}
    return Certificate(objective=objective, bound=bound, chosen=chosen, nodes=outcome.proof, **asked)


def explain_infeasible(table: Table, question: Question) -> InfeasibleError:
    """Which constraint has to give way: the smallest budget that would do, or the constraint in conflict."""
    for d in range(len(question.budget_D)):
        others = tuple(limit for i, limit in enumerate(question.budget_D) if i != d)
        kept = [i for i in range(len(question.budget_D)) if i != d]
        cost_C = table[1][:, d].copy()
        cost_C[list(question.deployed)] = 0.0
        least = _least(table, replace(question, budget_D=others), kept, cost_C)
        if least is not None:
            name = "the budget" if len(question.budget_D) == 1 else f"budget {d}"
            return InfeasibleError(
                f"no grouping that serves every task fits {name} of {question.budget_D[d]:g}",
                where="budget",
                fix=f"The smallest feasible budget is {least:.12g}",
                minimum_budget=least,
            )
    if question.max_networks is not None:
        alone = replace(question, budget_D=(), max_networks=None)
        least = _least(table, alone, [], np.ones(len(table[0])))
        if least is not None:
            return InfeasibleError(
                f"{question.max_networks} networks cannot serve every task",
                where="max_networks",
                fix=f"At least {least:g} are needed"
                + (f"; the budgets of {readable(question.budget_D)} may not allow them" if question.budget_D else ""),
            )
    if question.budget_D:
        return InfeasibleError(f"the budgets of {readable(question.budget_D)} exclude each other", where="budget")
    return InfeasibleError(
        "no grouping satisfies the constraints together",
        where="partition" if question.partition else "together",
        fix="Add networks (single-task ones, say), or drop a constraint",
    )


def _least(table: Table, question: Question, kept: list[int], price_C: FloatArray) -> float | None:
    """The smallest sum of prices at which every task is served; None where that is impossible."""
    losses_CT, cost_CD, members_CT = table
    problem = formulate(losses_CT, cost_CD[:, kept], members_CT, question)
    flat_TC = np.where(np.isfinite(problem.value_TC), 0.0, np.inf)
    price_C = price_C[problem.index_C]
    found = minimise(replace(problem, value_TC=flat_TC, open_C=price_C, charge_C=price_C), Run())
    return None if found.choice is None else math.fsum(price_C[list(found.choice.rows)].tolist())
