"""A question about a table in the user's own terms: names, signs and options, put to the solver.

Inside, lower is better and tasks are numbers; the table's sign, its single-task references and the estimator are
remembered here so that every answer goes back in the user's terms.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.errors import InfeasibleError, InputError, NoResultError
from grouping.estimators.early_stopping import early_stopping
from grouping.estimators.higher_order import complete
from grouping.estimators.linear_surrogate import complete_linear
from grouping.estimators.listing import count_groups, listable
from grouping.losses import LossTable, single_task_losses
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from grouping.tasks import SEPARATOR, nearest_name
from search.questions.loss_columns import LossColumns
from search.questions.option_values import budget, number

__all__ = ["InfeasibleBudget", "TableQuestion"]


@dataclass(frozen=True)
class InfeasibleBudget:
    """A budget of a sweep that no grouping fits."""

    budget: float
    minimum_budget: float | None

    def as_json(self) -> dict[str, Any]:
        """As it stands among the solutions of a frontier."""
        return {"budget": self.budget, "infeasible": True, "minimum_budget": self.minimum_budget}


@dataclass(frozen=True, eq=False)
class TableQuestion:
    """A table, its constraints, and where answers are scored.

    Args:
        table: What is chosen by; lower is better, relative if asked for.
        given: What that was made of: the table as it was read, lower is better.
        scored: The same networks on another part, or None.
        sign: -1 where the user's numbers are better when higher.
        reference_T: What losses were divided by; ones where they are raw.
        estimator: Its name.
        relative: Whether losses are relative.
        auxiliary: Indices of tasks that need not be served.
        limits: Budgets by unit; empty where there is none.
        options: Constraints as ``solve`` takes them.
    """

    table: LossTable
    given: LossTable
    scored: LossTable | None
    sign: float
    reference_T: FloatArray
    estimator: str
    relative: bool
    auxiliary: tuple[int, ...]
    limits: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        columns: LossColumns,
        *,
        where: Mapping[str, str],
        score_where: Mapping[str, str],
        estimator: str,
        estimate_where: Mapping[str, str],
        fraction: float | None,
        relative: bool,
        max_size: int | None,
        auxiliary: Sequence[str],
    ) -> TableQuestion:
        """Read, estimate and scale as the options say.

        Raises:
            TableError: the table.
            InputError: options that do not go together.
        """
        if estimator != "early-stopping" and (estimate_where or fraction is not None):
            raise InputError(
                "--estimate-where and --fraction belong to --estimator early-stopping",
                where="--estimator",
                fix="Add it, or leave them out",
            )
        if relative and columns.higher_is_better:
            raise InputError(
                "--relative divides losses by single-task losses, which gains are no use for",
                where="--relative",
                fix="Gains are relative already: leave it out",
            )
        if estimator == "early-stopping":
            table = early_stopping(columns.early(where, estimate_where, fraction))
        else:
            table = columns.table(where)
        given, reference_T = table, np.ones(len(table.tasks))
        helpers = tuple(_position(table, name, "--auxiliary") for name in auxiliary)
        if relative:
            reference_T = _reference(table, helpers)
            table = table.scaled(reference_T)
        if estimator == "higher-order" and listable(len(table.tasks), max_size):
            table = complete(table, keep_measured=False, max_size=max_size)
        if estimator == "linear-surrogate":
            table = complete_linear(table, max_size)
        scored = columns.table({**where, **score_where}) if score_where else None
        if scored is not None and relative:
            scored = scored.scaled(_reference(scored, [_position(scored, name, "--auxiliary") for name in auxiliary]))
        return cls(
            table=table.select(np.logical_or.reduce(~np.isnan(table.losses_RCT), axis=(0, 2))),
            given=given,
            scored=scored,
            sign=-1.0 if columns.higher_is_better else 1.0,
            reference_T=reference_T,
            estimator=estimator,
            relative=relative,
            auxiliary=helpers,
        )

    def constrained(
        self,
        *,
        weights: Mapping[str, float],
        at_most: Mapping[str, float],
        together: Sequence[str],
        apart: Sequence[str],
        deployed: Sequence[str],
        **others: Any,  # noqa: ANN401 - what ``solve`` takes by the same names
    ) -> TableQuestion:
        """The same question under constraints that name tasks and networks.

        Raises:
            InputError: an unknown task or network, or one that several networks match.
        """
        weight_T = [1.0] * len(self.table.tasks)
        for name, weight in weights.items():
            weight_T[_position(self.table, name, "--weights")] = weight
        limits = {_position(self.table, name, "--at-most"): limit for name, limit in at_most.items()}
        options = {
            **others,
            "weights_T": weight_T,
            "at_most": {t: self.sign * limit / float(self.reference_T[t]) for t, limit in limits.items()},
            "together": [self._pair(text, "--together") for text in together],
            "apart": [self._pair(text, "--apart") for text in apart],
            "deployed": [self.network(text, "--deployed") for text in deployed],
            "auxiliary": self.auxiliary,
            "members_CT": self.table.candidates.members_CT,
            "tasks": self.table.tasks,
        }
        return replace(self, options=options)

    @property
    def by_pairs(self) -> bool:
        """Whether the groups are too many to be listed."""
        return self.estimator == "higher-order" and not listable(len(self.table.tasks), self.options["max_size"])

    @property
    def considered(self) -> int:
        """How many networks are chosen among."""
        if self.by_pairs:
            return count_groups(len(self.table.tasks), self.options["max_size"])
        return len(self.table.candidates)

    @property
    def optimal_for(self) -> str:
        """Of what an answer is optimal."""
        assert self.table.estimated_CT is not None
        found_CT = self.table.estimated_CT
        given = "measured and estimated losses" if found_CT.any() else "measured losses"
        # Only groups of three or more are estimated from pairs: without one the losses are what the table holds.
        as_given = self.estimator == "measured" or (
            self.estimator == "higher-order" and not found_CT[self.table.candidates.size_C >= 3].any()
        )
        what = given if as_given else f"{self.estimator} estimates"
        if self.estimator == "linear-surrogate":
            what = f"{what} and measured losses" if found_CT.any() else given
        return f"{what} relative to single-task networks" if self.relative else what

    def within(self, budgets: Sequence[str]) -> TableQuestion:
        """The same question under budgets written as ``B`` or ``UNIT=B``.

        Raises:
            InputError: no number, or a unit given twice.
        """
        limits = dict(budget(text) for text in budgets)
        if len(limits) < len(budgets):
            raise InputError("two budgets have the same unit", where="--budget", fix="Give one for each unit")
        return replace(self, limits=limits)

    @property
    def units(self) -> list[str]:
        """Units of the budgets, the standard one where there is none."""
        return list(self.limits) or ["snt"]

    @property
    def cost_CD(self) -> FloatArray:
        """Costs in the units of the budgets, [C, D].

        Raises:
            InputError: a unit that the table has no costs in.
        """
        return np.stack([self._cost(unit) for unit in self.units], axis=1)

    @property
    def budget_D(self) -> list[float] | None:
        """The budgets, [D]; None where there is none."""
        return list(self.limits.values()) or None

    def solve(self, *, top: int, time_limit: float | None) -> Solution:
        """The answer."""
        return solve(self.table.mean_CT, self.cost_CD, self.budget_D, top=top, time_limit=time_limit, **self.options)

    def frontier(self, time_limit: float | None) -> list[Solution]:
        """The answer for every budget that buys a better one."""
        return solve_frontier(self.table.mean_CT, self.table.candidates.cost_C, time_limit=time_limit, **self.options)

    def sweep(
        self, budgets: Sequence[float], *, top: int, time_limit: float | None
    ) -> list[Solution | InfeasibleBudget]:
        """The answers for the given budgets, until one is stopped."""
        started = time.monotonic()
        points: list[Solution | InfeasibleBudget] = []
        for limit in budgets:
            left = None if time_limit is None else max(0.0, time_limit - (time.monotonic() - started))
            try:
                point = solve(
                    self.table.mean_CT,
                    self.table.candidates.cost_C,
                    limit,
                    top=top,
                    time_limit=left,
                    **self.options,
                )
            except InfeasibleError as error:
                if error.minimum_budget is None:
                    raise
                points.append(InfeasibleBudget(limit, error.minimum_budget))
                continue
            except NoResultError:
                break
            points.append(point)
            if point.stopped == "interrupted":
                break
        return points

    def score(self, solution: Solution) -> tuple[float, float, dict[str, float]] | None:
        """The answer on the other part: routed as chosen, by the best chosen network, and each task routed as chosen.

        Raises:
            InputError: the other part lacks a chosen network.
        """
        if self.scored is None:
            return None
        candidates, scored_CT = self.table.candidates, self.scored.mean_CT
        order = [_position(self.scored, task, "--score-where") for task in self.table.tasks]
        rows = []
        for c in solution.chosen.tolist():
            members = [task for task, member in zip(self.table.tasks, candidates.members_CT[c], strict=True) if member]
            found = self.scored.candidates.index(members, float(candidates.cost_C[c]), candidates.label_C[c])
            if found is None or np.isnan(scored_CT[found, order][self._served(solution, c)]).any():
                raise InputError(
                    f"the rows of --score-where do not hold network '{candidates.name(c)}' with cost "
                    f"{candidates.cost_C[c]:g}",
                    where="--score-where",
                    fix="Score on a part that holds every network chosen",
                )
            rows.append(scored_CT[found, order])
        loss_GT = np.array(rows)
        served = np.flatnonzero(solution.serves_T >= 0)
        routed_T = loss_GT[solution.serves_T[served], served]
        best_T = np.nanmin(loss_GT[:, served], axis=0)
        weight_T = np.array(self.options["weights_T"])[served]
        add = np.max if self.options["objective"] == "max" else np.sum
        losses = {self.table.tasks[t]: self.sign * float(loss) for t, loss in zip(served, routed_T, strict=True)}
        return self.sign * float(add(weight_T * routed_T)), self.sign * float(add(weight_T * best_T)), losses

    def _served(self, solution: Solution, candidate: int) -> IntArray:
        position = int(np.searchsorted(solution.chosen, candidate))
        served: IntArray = np.flatnonzero(solution.serves_T == position)
        return served

    def _cost(self, unit: str) -> FloatArray:
        candidates = self.table.candidates
        if unit == "snt":
            return candidates.cost_C
        if unit not in candidates.other_costs_C:
            known = ", ".join(["snt", *candidates.other_costs_C])
            raise InputError(
                f"there is no budget in {unit}: the table has no column 'cost_{unit}'",
                where="--budget",
                fix=f"Units of this table: {known}",
            )
        return {str(name): cost_C for name, cost_C in candidates.other_costs_C.items()}[unit]

    def _pair(self, text: str, option: str) -> tuple[int, int]:
        names = text.split(SEPARATOR)
        if len(names) != 2:
            raise InputError(f"'{text}' is not a pair of tasks", where=option, fix="Write A+B")
        return _position(self.table, names[0], option), _position(self.table, names[1], option)

    def network(self, text: str, option: str) -> int:
        """The candidate that an option calls NETWORK or NETWORK@COST.

        Raises:
            InputError: none, or several; or one that serves nobody.
        """
        name, _, cost = text.rpartition("@")
        if not name or number(cost) is None:
            name, cost = text, ""
        candidates = self.table.candidates
        members = {_position(self.table, task, option) for task in name.split(SEPARATOR)}
        member_T = np.isin(np.arange(len(self.table.tasks)), list(members))
        match_C = (candidates.members_CT == member_T).all(axis=1)
        if cost:
            match_C &= candidates.cost_C == float(cost)
        found = np.flatnonzero(match_C).tolist()
        if len(found) != 1:
            costs = ", ".join(f"{name}@{candidates.cost_C[c]:g}" for c in found)
            raise InputError(
                f"{'several networks are' if found else 'no network is'} called '{text}'",
                where=option,
                fix=f"Say which: {costs}" if found else "Name the tasks of a network in the table, joined by '+'",
            )
        if members <= set(self.auxiliary):
            raise InputError(
                f"the network '{text}' has auxiliary tasks only, which no network serves",
                where=option,
                fix=f"Leave out that {option}, or the --auxiliary of a task it serves",
            )
        return int(found[0])


def _reference(table: LossTable, helpers: Sequence[int]) -> FloatArray:
    """Single-task losses at cost 1, [T]; one for tasks that are never served."""
    main = [task for t, task in enumerate(table.tasks) if t not in helpers]
    reference_T = single_task_losses(table, tasks=main)
    return np.where(np.isin(np.arange(len(table.tasks)), list(helpers)), 1.0, reference_T)


def _position(table: LossTable, name: str, option: str) -> int:
    if name not in table.tasks:
        raise InputError(f"there is no task '{name}'", where=option, fix=nearest_name(name, table.tasks))
    return table.tasks.index(name)
