"""The grouping problem as arrays: a user's question about a loss table, validated and put into the one standard form.

Standard form: candidates ``C``, requirements ``T`` (the tasks to serve, then one for each pair that must share), limits
``D`` (budgets, then the number of networks). With ``y_c`` = candidate c is chosen and ``x_tc`` = it serves t::

    minimise   sum_c open_c y_c + sum_tc value_tc x_tc
    such that  sum_c x_tc = 1,  x_tc <= y_c,  sum_c cost_dc y_c <= limit_d

The opening price ``open`` is zero for a question about losses and the cost for a question about the smallest budget.
Inside the solver the task axis comes first (``value_TC``), because every sum over tasks then runs along memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.errors import GroupingError, InfeasibleError, InputError

__all__ = ["COST_SLACK", "Problem", "Question", "formulate", "readable"]

COST_SLACK = 1e-11
"""Budgets are compared with this relative tolerance: 0.1 + 0.2 fits into 0.3."""

_FEW_PRICES, _FEW_SUMS = 8, 4096


@dataclass(frozen=True)
class Question:
    """What is asked about a table; see ``solve``. Everything is by index; ``tasks`` are names for messages."""

    budget_D: tuple[float, ...] = ()
    weights_T: tuple[float, ...] = ()
    max_networks: int | None = None
    max_size: int | None = None
    partition: bool = False
    together: tuple[tuple[int, int], ...] = ()
    apart: tuple[tuple[int, int], ...] = ()
    at_most: Mapping[int, float] = field(default_factory=dict)
    deployed: tuple[int, ...] = ()
    auxiliary: tuple[int, ...] = ()
    tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for limit in self.budget_D:
            if not (math.isfinite(limit) and limit >= 0):
                raise InputError(f"the budget {limit} is not a finite number of 0 or more", where="budget")
        for name, count in (("max_networks", self.max_networks), ("max_size", self.max_size)):
            if count is not None and count < 1:
                raise InputError(f"{name} is {count}", where=name, fix="Give 1 or more, or leave it out")

    def check_against(self, n_candidates: int, n_tasks: int) -> None:
        """Refuse indices and weights that do not fit the table.

        Raises:
            InputError: naming the offending value.
        """
        if len(self.tasks) != n_tasks:
            raise InputError(f"{len(self.tasks)} task names for {n_tasks} tasks", where="tasks")
        if len(self.weights_T) != n_tasks:
            raise InputError(f"{len(self.weights_T)} weights for {n_tasks} tasks", where="weights")
        for t, weight in enumerate(self.weights_T):
            if t not in self.auxiliary and not (math.isfinite(weight) and weight > 0):
                raise InputError(
                    f"the weight {weight} of task '{self.tasks[t]}' is not a positive finite number",
                    where="weights",
                    fix="A task that need not be served is auxiliary",
                )
        tasks = [*self.auxiliary, *self.at_most, *(t for pair in (*self.together, *self.apart) for t in pair)]
        for t in tasks:
            if not 0 <= t < n_tasks:
                raise InputError(f"there is no task {t}; the table has tasks 0 to {n_tasks - 1}")
        for c in self.deployed:
            if not 0 <= c < n_candidates:
                raise InputError(f"there is no candidate {c}; the table has 0 to {n_candidates - 1}", where="deployed")
        for a, b in (*self.together, *self.apart):
            if a == b:
                raise InputError(f"task '{self.tasks[a]}' cannot be constrained against itself")
        for t, limit in self.at_most.items():
            if math.isnan(limit):
                raise InputError(f"the largest loss of task '{self.tasks[t]}' is not a number", where="at_most")
        if len(set(self.auxiliary)) >= n_tasks:
            raise InputError("every task is auxiliary, so nothing is left to serve", where="auxiliary")


@dataclass(frozen=True, eq=False)
class Problem:
    """The standard form. All arrays are the solver's own and never written to.

    Args:
        value_TC: Weighted loss of requirement t in candidate c; +inf where c cannot serve it.
        open_C: Price of choosing c, beside the losses.
        cost_DC: What c takes of each limit, divided by the limit where that is positive.
        limit_D: 1 (or 0), plus the tolerance ``COST_SLACK``.
        charge_C: The cost that ties are broken by, in the user's unit.
        members_CT: Who is trained in c, for the last tie-break.
        index_C: Position of c in the user's table.
        partition: Whether every requirement is met by exactly one chosen candidate.
        constant: Opening prices that are paid already.
        spendable: What of each limit can be spent at all, in the user's unit; see ``_spendable``.
    """

    value_TC: FloatArray
    open_C: FloatArray
    cost_DC: FloatArray
    limit_D: FloatArray
    charge_C: FloatArray
    members_CT: BoolArray
    index_C: IntArray
    partition: bool = False
    constant: float = 0.0
    spendable: tuple[float, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of requirements."""
        return len(self.value_TC)

    def keep(self, rows_C: BoolArray | IntArray) -> Problem:
        """The same problem with some of the candidates only."""
        return replace(
            self,
            value_TC=self.value_TC[:, rows_C],
            open_C=self.open_C[rows_C],
            cost_DC=self.cost_DC[:, rows_C],
            charge_C=self.charge_C[rows_C],
            members_CT=self.members_CT[rows_C],
            index_C=self.index_C[rows_C],
        )

    def between(self, above_T: FloatArray, up_to_T: FloatArray) -> Problem:
        """Only solutions in which the value of every requirement lies in ``(above, up_to]``.

        A candidate with a value at or below ``above`` would serve that requirement, so it goes altogether; a value
        beyond ``up_to`` only forbids that one service.
        """
        value_TC = self.value_TC
        kept_C: BoolArray = np.logical_not((value_TC <= above_T[:, None]).any(axis=0))
        beyond_TC = value_TC > up_to_T[:, None]
        if self.partition:
            kept_C &= ~(beyond_TC & np.isfinite(value_TC)).any(axis=0)
            return self.keep(kept_C)
        narrowed = replace(self, value_TC=np.where(beyond_TC, np.inf, value_TC))
        return narrowed.keep(kept_C & ~beyond_TC.all(axis=0))

    def flat(self, price_C: FloatArray) -> Problem:
        """The covering problem: the same services at no loss, every candidate at a price."""
        return replace(
            self, value_TC=np.where(np.isfinite(self.value_TC), 0.0, np.inf), open_C=price_C, charge_C=price_C
        )

    def paid(self, row: int) -> Problem:
        """The same problem where one candidate is paid for, whether it is used or not."""
        cost_DC, open_C = self.cost_DC.copy(), self.open_C.copy()
        constant = self.constant + float(open_C[row])
        limit_D = self.limit_D - cost_DC[:, row]
        cost_DC[:, row] = open_C[row] = 0.0
        paid = replace(self, cost_DC=cost_DC, open_C=open_C, limit_D=limit_D, constant=constant)
        return paid.keep(np.logical_and.reduce(cost_DC <= limit_D[:, None], axis=0))

    def key(self, row: int) -> tuple[object, ...]:
        """What orders equally good candidates: sorted members, then cost, then the values themselves."""
        members = tuple(np.flatnonzero(self.members_CT[row]).tolist())
        return (members, float(self.charge_C[row]), tuple(self.value_TC[:, row].tolist()), int(self.index_C[row]))


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
    weight_T = np.array([question.weights_T[t] for t in served])
    allowed_C = np.ones(len(losses_CT), dtype=bool)
    if question.max_size is not None:
        allowed_C &= members_CT.sum(axis=1) <= question.max_size
    for a, b in question.apart:
        allowed_C &= ~(members_CT[:, a] & members_CT[:, b])
    value_TC = np.ascontiguousarray(losses_CT[:, served].T)
    unable_TC = np.isnan(value_TC)
    if question.partition:
        # A network serves all its members or cannot be part of a partition.
        allowed_C &= ~(unable_TC & members_CT[:, served].T).any(axis=0)
    for t, limit in question.at_most.items():
        if t in served:
            too_bad_C = value_TC[served.index(t)] > limit
            unable_TC[served.index(t)] |= too_bad_C
            if question.partition:
                allowed_C &= ~too_bad_C
    value_TC = np.where(unable_TC | ~allowed_C, np.inf, value_TC * weight_T[:, None])
    for t, value_C in zip(served, value_TC, strict=True):
        if not np.isfinite(value_C).any():
            raise _nobody_serves(t, losses_CT, allowed_C, question)
    if question.together:
        shared_C = [
            members_CT[:, a] & members_CT[:, b] & np.isfinite(value_TC).any(axis=0) for a, b in question.together
        ]
        for (a, b), sharing_C in zip(question.together, shared_C, strict=True):
            if not sharing_C.any():
                raise InfeasibleError(
                    f"no allowed network trains '{question.tasks[a]}' together with '{question.tasks[b]}'",
                    where="together",
                    fix="Drop this constraint or add such a network",
                )
        value_TC = np.vstack([value_TC, *(np.where(sharing_C, 0.0, np.inf) for sharing_C in shared_C)])
    charge_CD = cost_CD.copy()
    charge_CD[list(question.deployed)] = 0.0
    limits = [*question.budget_D]
    costs = [*charge_CD.T[: len(limits)]]
    if question.max_networks is not None:
        limits.append(float(question.max_networks))
        costs.append(np.ones(len(cost_CD)))
    limits = [_spendable(limit, cost_C, len(value_TC)) for limit, cost_C in zip(limits, costs, strict=True)]
    scale_D = np.array([limit if limit > 0 else 1.0 for limit in limits])
    limit_D = np.array([1.0 if limit > 0 else 0.0 for limit in limits]) + COST_SLACK
    problem = Problem(
        value_TC=value_TC,
        open_C=np.zeros(len(cost_CD)),
        cost_DC=np.array(costs).reshape(len(limits), len(cost_CD)) / scale_D[:, None],
        limit_D=limit_D,
        charge_C=charge_CD[:, 0] if charge_CD.shape[1] else np.zeros(len(cost_CD)),
        members_CT=members_CT,
        index_C=np.arange(len(cost_CD)),
        partition=question.partition,
        spendable=tuple(limits),
    )
    affordable_C = (problem.cost_DC <= limit_D[:, None]).all(axis=0)
    useful_C = allowed_C & np.isfinite(value_TC[: len(served)]).any(axis=0) & affordable_C
    return problem if useful_C.all() else problem.keep(useful_C)


def _spendable(limit: float, cost_C: FloatArray, most: int) -> float:
    """The largest sum of at most ``most`` costs within the limit, where there are few sums; else the limit.

    A budget of 2.5 for networks of cost 1 is a budget of 2: saying so makes the relaxation much tighter.
    """
    ceiling = limit * (1 + COST_SLACK)
    prices: list[float] = []
    left_C = cost_C[(cost_C > 0) & (cost_C <= ceiling)]
    while len(left_C):
        if len(prices) == _FEW_PRICES:
            return limit
        prices.append(float(left_C[0]))
        left_C = left_C[left_C != left_C[0]]
    if not prices:
        return limit
    sum_S = np.zeros(1)
    for _ in range(most):
        sum_S = np.unique(np.round(np.add.outer(sum_S, [0.0, *prices]).ravel() / limit, 13)) * limit
        sum_S = sum_S[sum_S <= ceiling]
        if len(sum_S) > _FEW_SUMS:
            return limit
    return float(sum_S[-1])


def _nobody_serves(task: int, losses_CT: FloatArray, allowed_C: BoolArray, question: Question) -> GroupingError:
    """Name the constraint that leaves a task without any network."""
    name = question.tasks[task]
    if np.isnan(losses_CT[:, task]).all():
        return InputError(f"no network has a loss for task '{name}'", fix="Add one, or make the task auxiliary")
    if task in question.at_most and not (losses_CT[allowed_C, task] <= question.at_most[task]).any():
        best = np.nanmin(losses_CT[:, task])
        return InfeasibleError(
            f"no allowed network reaches a loss of {question.at_most[task]:g} on task '{name}'",
            where="at_most",
            fix=f"The smallest loss in the table is {best:g}",
        )
    return InfeasibleError(
        f"max_size, apart and partition leave no network that serves task '{name}'",
        fix="Relax one of them or add a smaller network",
    )


def readable(values: Sequence[float]) -> str:
    """Budgets for a message: '3', or '3, 1.5e+09' for several."""
    return ", ".join(f"{value:g}" for value in values)
