"""From a table and a question to the standard form of ``problem``, refusing what nobody can answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.errors import GroupingError, InfeasibleError, InputError
from grouping.solver.problem import COST_SLACK, Problem, blocks
from grouping.solver.question import Question

__all__ = ["Prices", "formulate", "prices", "spendable", "what_is_left", "within"]

Prices = tuple[FloatArray, FloatArray, FloatArray, BoolArray]
"""What candidates cost [C, D], what is spent in any case [D], optional shared parts [K, D] and who uses them [K, C]."""

_FEW_PRICES, _FEW_SUMS = 8, 4096


def formulate(losses_CT: FloatArray, cost_CD: FloatArray, members_CT: BoolArray, question: Question) -> Problem:
    """Put a question into standard form.

    Args:
        losses_CT: Losses; NaN where a candidate cannot serve a task.
        cost_CD: Costs in each budget's unit.
        members_CT: Who is trained in each candidate.
        question: Checked against the table.

    Raises:
        InputError: a task that nobody serves.
        InfeasibleError: a task that nobody can serve, or a pair that nobody shares, under these constraints.
    """
    served = [t for t in range(losses_CT.shape[1]) if t not in question.auxiliary]
    value_TC, allowed_C = _values(losses_CT, members_CT, question, served)
    for t, value_C in zip(served, value_TC, strict=True):
        if value_C.min(initial=np.inf) == np.inf:
            raise _nobody_serves(t, losses_CT, allowed_C, question)
    useful_C = allowed_C & (value_TC.min(axis=0) < np.inf)
    value_TC = np.vstack([value_TC, *_pairs(members_CT, useful_C, question)]) if question.together else value_TC
    charge_CD, spent_D, shared_KD, uses_KC = prices(cost_CD, question)
    n_budgets = len(question.budget_D)
    limits = [what_is_left(limit, spent) for limit, spent in zip(question.budget_D, spent_D.tolist(), strict=False)]
    costs, parts = [*charge_CD.T[:n_budgets]], [*shared_KD.T[:n_budgets]]
    if question.max_networks is not None:
        limits.append(float(question.max_networks))
        costs.append(np.ones(len(cost_CD)))
        parts.append(np.zeros(len(shared_KD)))
    limits = [
        limit if part_K.any() else spendable(limit, cost_C, len(value_TC))
        for limit, cost_C, part_K in zip(limits, costs, parts, strict=True)
    ]
    scale_D1 = np.array([limit if limit > 0 else 1.0 for limit in limits])[:, None]
    limit_D = np.sign(limits) + COST_SLACK
    problem = Problem(
        value_TC=value_TC,
        open_C=np.zeros(len(cost_CD)),
        cost_DC=np.array(costs).reshape(len(limits), len(cost_CD)) / scale_D1,
        limit_D=limit_D,
        charge_C=charge_CD[:, 0] if charge_CD.shape[1] else np.zeros(len(cost_CD)),
        members_CT=members_CT,
        index_C=np.arange(len(cost_CD)),
        partition=question.partition,
        spendable=tuple(limits),
        uses_KC=uses_KC,
        shared_DK=np.array(parts).reshape(len(limits), len(shared_KD)) / scale_D1,
        shared_open_K=np.zeros(len(shared_KD)),
        shared_charge_K=shared_KD[:, 0] if shared_KD.shape[1] else np.zeros(len(shared_KD)),
    )
    whole_DC = problem.cost_DC + problem.shared_DK @ uses_KC
    useful_C &= (whole_DC <= limit_D[:, None]).all(axis=0)
    return problem if useful_C.all() else problem.keep(useful_C)


def within(problem: Problem, budget: float) -> Problem:
    """The same problem where what candidates and shared parts charge may sum up to a smaller first budget."""
    parts_K = problem.shared_charge_K
    limit = budget if parts_K.any() else spendable(budget, problem.charge_C, problem.n_rows)
    scale = limit if limit > 0 else 1.0
    cost_DC, shared_DK, limit_D = problem.cost_DC.copy(), problem.shared_DK.copy(), problem.limit_D.copy()
    cost_DC[0], shared_DK[0] = problem.charge_C / scale, parts_K / scale
    limit_D[0] = np.sign(limit) + COST_SLACK
    narrower = replace(
        problem,
        cost_DC=cost_DC,
        shared_DK=shared_DK,
        limit_D=limit_D,
        spendable=(limit, *problem.spendable[1:]),
    )
    affordable_C = cost_DC[0] + shared_DK[0] @ problem.uses_KC <= limit_D[0]
    return narrower if affordable_C.all() else narrower.keep(affordable_C)


def prices(cost_CD: FloatArray, question: Question) -> Prices:
    """What is left to pay for each candidate and shared part, once deployed and sunk networks are seen to.

    What every candidate shares, or a sunk one, is spent in any case; what a deployed network shares is paid for.
    """
    charge_CD = cost_CD.astype(float)
    spent_D = np.array(question.spent_D) if question.spent_D else np.zeros(cost_CD.shape[1])
    spent_D = spent_D + cost_CD[list(question.sunk)].sum(axis=0)
    charge_CD[[*question.deployed, *question.sunk]] = 0.0
    optional: list[tuple[tuple[float, ...], BoolArray]] = []
    for part in question.shared:
        uses_C = np.ones(len(cost_CD), dtype=bool)
        if part.candidates is not None:
            uses_C[:] = False
            uses_C[list(part.candidates)] = True
        if uses_C[list(question.deployed)].any():
            continue
        if uses_C.all() or uses_C[list(question.sunk)].any():
            spent_D = spent_D + np.array(part.cost_D)
        else:
            optional.append((part.cost_D, uses_C))
    shared_KD = np.array([cost_D for cost_D, _ in optional]).reshape(len(optional), cost_CD.shape[1])
    uses_KC = np.array([uses_C for _, uses_C in optional], dtype=bool).reshape(len(optional), len(cost_CD))
    return charge_CD, spent_D, shared_KD, uses_KC


def _values(
    losses_CT: FloatArray, members_CT: BoolArray, question: Question, served: list[int]
) -> tuple[FloatArray, BoolArray]:
    """Weighted losses of the served tasks, tasks first, +inf where a service is not allowed; allowed candidates."""
    allowed_C = np.ones(len(losses_CT), dtype=bool)
    if question.max_size is not None:
        allowed_C &= members_CT.sum(axis=1) <= question.max_size
    for a, b in question.apart:
        allowed_C &= ~(members_CT[:, a] & members_CT[:, b])
    value_TC = np.empty((len(served), len(losses_CT)))
    for block in blocks(len(losses_CT)):
        np.fmin(losses_CT[block].T[served], np.inf, out=value_TC[:, block])  # a NaN is no number, so +inf is taken
    for row, t in enumerate(served):
        if t in question.at_most:
            value_TC[row, value_TC[row] > question.at_most[t]] = np.inf
        if question.partition:  # a network serves all its members or cannot be part of a partition
            allowed_C &= ~(members_CT[:, t] & (value_TC[row] == np.inf))
        if question.weights_T[t] != 1:
            value_TC[row] *= question.weights_T[t]
    if not allowed_C.all():
        value_TC[:, ~allowed_C] = np.inf
    return value_TC, allowed_C


def _never_together(members_CT: BoolArray, question: Question, pair: tuple[int, int]) -> InfeasibleError:
    """Name the constraints that leave a pair without a network that trains both; or there is none in the table."""

    def named(a: int, b: int) -> str:
        return f"{question.tasks[a]}+{question.tasks[b]}"

    both_CT = members_CT[members_CT[:, pair[0]] & members_CT[:, pair[1]]]
    if not len(both_CT):
        return InfeasibleError(
            f"together {named(*pair)}: no network of the table trains both",
            where="together",
            fix=f"Drop together {named(*pair)}, or add a network that trains both",
        )
    # Networks that each rule forbids; a rule that the others can do without is not named.
    forbids = {f"apart {named(*other)}": both_CT[:, list(other)].all(axis=1) for other in question.apart}
    if question.max_size is not None:
        forbids[f"max_size {question.max_size}"] = both_CT.sum(axis=1) > question.max_size
    for rule in sorted(forbids, key=lambda rule: int(forbids[rule].sum())):
        others = [mask_C for name, mask_C in forbids.items() if name != rule]
        if np.any(others, axis=0).all() if others else False:
            del forbids[rule]
    against = [rule for rule, mask_C in forbids.items() if mask_C.any()]
    if question.partition and not np.any(list(forbids.values()), axis=0).all():
        against.append("partition")
    rules = " and ".join(against) or "the other constraints"
    return InfeasibleError(
        f"together {named(*pair)} and {rules} contradict each other: they leave no network that trains both",
        where="together",
        fix=f"Drop together {named(*pair)}, or {against[0] if len(against) == 1 else 'one of the others'}",
    )


def _pairs(members_CT: BoolArray, useful_C: BoolArray, question: Question) -> list[FloatArray]:
    """A row of values for each pair that must share: nothing where it does, +inf elsewhere.

    Two auxiliary tasks may share several networks of a partition, where rows are met once: they have no row.
    """
    rows = []
    for a, b in question.together:
        sharing_C = members_CT[:, a] & members_CT[:, b] & useful_C
        if not sharing_C.any():
            raise _never_together(members_CT, question, (a, b))
        if not (question.partition and {a, b} <= set(question.auxiliary)):
            rows.append(np.where(sharing_C, 0.0, np.inf))
    return rows


def what_is_left(limit: float, spent: float) -> float:
    """A limit without what is spent; a difference that is rounding only is none."""
    return 0.0 if abs(limit - spent) <= COST_SLACK * limit else limit - spent


def spendable(limit: float, cost_C: FloatArray, most: int) -> float:
    """The largest sum of at most ``most`` costs within the limit, where there are few sums; else the limit.

    A budget of 2.5 for networks of cost 1 is a budget of 2: saying so makes the relaxation much tighter.
    """
    ceiling = limit * (1 + COST_SLACK)
    known: list[float] = []
    left_C = cost_C[(cost_C > 0) & (cost_C <= ceiling)]
    while len(left_C):
        if len(known) == _FEW_PRICES:
            return limit
        known.append(float(left_C[0]))
        left_C = left_C[left_C != left_C[0]]
    if not known:
        return limit
    limit = min(limit, most * max(known))  # beside an enormous budget, costs would be rounded to nothing
    sum_S = np.zeros(1)
    for _ in range(most):
        sum_S = np.unique(np.round(np.add.outer(sum_S, [0.0, *known]).ravel() / limit, 13)) * limit
        sum_S = sum_S[sum_S <= ceiling]
        if len(sum_S) > _FEW_SUMS:
            return limit
    return float(sum_S[-1])


def _nobody_serves(task: int, losses_CT: FloatArray, allowed_C: BoolArray, question: Question) -> GroupingError:
    """Name the constraint that leaves a task without any network."""
    name = question.tasks[task]
    if np.isnan(losses_CT[:, task]).all():
        return InputError(f"no network has a loss for task '{name}'", fix="Add one, or make the task auxiliary")
    best = float(np.nanmin(losses_CT[:, task]))
    limit = question.at_most.get(task, np.inf)
    if best > limit:
        return InfeasibleError(
            f"no network reaches a loss of {limit:g} on task '{name}'",
            where="at_most",
            fix=f"The smallest loss in the table is {best:g}",
        )
    given = {
        "max_size": question.max_size is not None,
        "apart": bool(question.apart),
        "partition": question.partition,
        "at_most": bool(question.at_most),
    }
    names = " and ".join(rule for rule, asked in given.items() if asked)
    return InfeasibleError(
        f"{names} together leave no network that serves task '{name}'",
        where=names.split()[0],
        fix="Relax one of them or add a network, the task's own for example",
    )
