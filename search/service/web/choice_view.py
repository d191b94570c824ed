"""Another budget for a finished run: the exact solver on the run's own losses, at once.

Nothing here was confirmed on fresh seeds; the page says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from grouping.budget import BudgetUnit
from grouping.candidates import Candidates, FloatArray
from grouping.errors import GroupingError, InfeasibleError, InputError
from grouping.files import read_losses
from grouping.losses import LossTable, single_task_losses
from grouping.recommendation import Recommendation
from grouping.recommendation.recommend import selection_record
from grouping.recommendation.records import Selection
from grouping.report.blocks import Card
from grouping.report.palette import GROUP_ROLES
from grouping.report.wording import change, cost, count
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from search.spec import Spec

__all__ = ["Choice", "Choices", "Stop", "read_choices"]

_MOST_STOPS = 8
_SECONDS = 2.0
"""Longest a slider waits; what was found by then is shown with its bound."""


@dataclass(frozen=True)
class Stop:
    """A cost at which a better grouping becomes affordable."""

    cost: float
    text: str
    change: str


@dataclass(frozen=True)
class Choice:
    """The best grouping within one budget, ready to be shown.

    Args:
        selection: The solver's answer; None where nothing fits.
        cards: One for each network.
        headline: What it is, in one sentence.
        proof: What is proven about it.
        against: How it compares with the run's own choice; empty where it is that choice.
        problem: Why there is no answer; empty where there is one.
        stops: Where a better grouping becomes affordable; empty where the number of networks is limited, too.
        milliseconds: Time the solver took.
    """

    budget: float
    selection: Selection | None
    cards: tuple[Card, ...]
    headline: str
    proof: str
    against: str
    problem: str
    milliseconds: float
    stops: str


@dataclass(frozen=True, eq=False)
class Choices:
    """A run's losses as the solver takes them, with the rules of its spec.

    Args:
        table: Losses relative to the single-task networks.
        charged_C: Costs in the budget's unit.
        unit: That unit.
        weights_T: Weight of each task.
        auxiliary: Tasks that need not be served.
        chosen: What the run itself recommends.
        stops: Every cost at which the best grouping changes.
    """

    table: LossTable
    charged_C: FloatArray
    unit: BudgetUnit
    weights_T: tuple[float, ...]
    auxiliary: tuple[int, ...]
    chosen: Selection
    limit: float
    max_networks: int | None
    stops: tuple[Stop, ...]

    @property
    def least(self) -> float:
        return self.stops[0].cost

    @property
    def most(self) -> float:
        """The right end of the slider: the run's own budget is always within."""
        return max(self.stops[-1].cost, self.limit)

    def at(self, budget: float, max_networks: int | None) -> Choice:
        """The best grouping within a budget and, if asked for, a number of networks."""
        began = time.perf_counter()
        try:
            found = self._solve(budget, max_networks)
        except InfeasibleError as error:
            least = error.minimum_budget
            problem = f"No grouping fits {cost(budget, self.unit)}." if least is not None else f"{error.what}."
            problem += f" The smallest budget that works is {cost(least, self.unit)}." if least is not None else ""
            spent = 1000 * (time.perf_counter() - began)
            return Choice(budget, None, (), "", "", "", problem, spent, self._stops_text(max_networks))
        milliseconds = 1000 * (time.perf_counter() - began)
        proven = "Proven on the search's losses" if found.proven_optimal else "Not proven yet: a better one may exist"
        selection = selection_record(self.table.candidates, self.charged_C, found, "the search's losses")
        networks = count(len(selection.networks), "network")
        headline = f"{networks} at {cost(selection.cost, self.unit)}, mean loss {change(selection.objective)}"
        return Choice(
            budget,
            selection,
            _cards(selection, self.unit),
            headline,
            proven,
            self._against(selection),
            "",
            milliseconds,
            self._stops_text(max_networks),
        )

    def _stops_text(self, max_networks: int | None) -> str:
        """Costs at which more can be had; they are those of any number of networks, and of no smaller one."""
        if max_networks is not None or len(self.stops) < 2:
            return ""
        shown = ", ".join(stop.text for stop in self.stops[1 : 1 + _MOST_STOPS])
        more = f" and {len(self.stops) - 1 - _MOST_STOPS} more" if len(self.stops) > 1 + _MOST_STOPS else ""
        return f"A better grouping becomes affordable at {shown}{more}."

    def _solve(self, budget: float, max_networks: int | None) -> Solution:
        return solve(
            self.table.mean_CT,
            self.charged_C,
            budget=budget,
            weights_T=self.weights_T,
            max_networks=max_networks,
            auxiliary=self.auxiliary,
            members_CT=self.table.candidates.members_CT,
            tasks=self.table.tasks,
            time_limit=_SECONDS,
        )

    def _against(self, selection: Selection) -> str:
        if {n.tasks for n in selection.networks} == {n.tasks for n in self.chosen.networks}:
            return "This is the grouping that the run recommends."
        gained = selection.objective - self.chosen.objective
        spent = selection.cost - self.chosen.cost
        than = "less" if gained < 0 else "more"
        spends = (
            f"{cost(abs(spent), self.unit)} {'more' if spent > 0 else 'less'} to serve" if spent else "the same cost"
        )
        return f"{change(1 + abs(gained)).lstrip('+')} {than} loss than the recommended grouping, for {spends}."


def read_choices(folder: Path, recommendation: Recommendation, spec: Spec | None) -> Choices | None:
    """The run's losses, kept in memory between moves of a slider; None where they cannot be chosen from again.

    Args:
        folder: The run's.
        recommendation: What it recommends.
        spec: What was asked: networks of other sizes than these are references, and cannot be chosen. None where this
            version cannot read it.
    """
    if spec is None or spec.evidence.no_harm.constrain:  # who may serve whom is then not in the table of losses
        return None
    file = folder / "losses.csv"
    try:
        stamp = file.stat()
    except OSError:
        return None
    return _read(file, (stamp.st_mtime_ns, stamp.st_size), spec.network.capacities, _Key(recommendation))


class _Key:
    """A recommendation that counts as the same one whenever it was read: by the run it belongs to."""

    def __init__(self, recommendation: Recommendation) -> None:
        self.recommendation = recommendation

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.recommendation.run == other.recommendation.run

    def __hash__(self) -> int:
        return hash(self.recommendation.run)


@lru_cache(maxsize=16)
def _read(file: Path, _stamp: tuple[int, int], capacities: tuple[float, ...], key: _Key) -> Choices | None:
    recommendation = key.recommendation
    try:
        given = read_losses(file)
        table = _of_size(given.scaled(single_task_losses(given)), capacities)
    except InputError:
        return None
    candidates, unit = table.candidates, recommendation.unit
    if unit != "snt" and unit not in candidates.other_costs_C:
        return None
    charged_C = candidates.cost_C if unit == "snt" else candidates.other_costs_C[unit]
    by_name = {task.name: task for task in recommendation.tasks}
    if set(by_name) != set(table.tasks):
        return None
    tasks = [by_name[name] for name in table.tasks]
    total = sum(task.weight for task in tasks if task.role == "main")
    weights_T = tuple(task.weight / total for task in tasks)
    auxiliary = tuple(t for t, task in enumerate(tasks) if task.role == "auxiliary")
    try:
        points = solve_frontier(
            table.mean_CT,
            charged_C,
            weights_T=weights_T,
            auxiliary=auxiliary,
            members_CT=candidates.members_CT,
            time_limit=_SECONDS,
        )
    except GroupingError:  # no network of these sizes is in the table, or none serves some task
        return None
    return Choices(
        table,
        charged_C,
        unit,
        weights_T,
        auxiliary,
        recommendation.solution,
        recommendation.budget,
        recommendation.max_networks,
        _stops(points, unit),
    )


def _of_size(table: LossTable, capacities: tuple[float, ...]) -> LossTable:
    """The networks of the sizes that were asked for, and those in another way to share: none of them is a reference."""
    other_way_C = np.array([bool(label) for label in table.candidates.label_C])
    kept_C = np.isin(table.candidates.cost_C, capacities) | other_way_C
    if kept_C.all():
        return table
    all_of_them = table.candidates
    assert table.estimated_CT is not None
    candidates = Candidates(
        all_of_them.tasks,
        all_of_them.members_CT[kept_C],
        all_of_them.cost_C[kept_C],
        tuple(label for label, kept in zip(all_of_them.label_C, kept_C.tolist(), strict=True) if kept),
        {unit: cost_C[kept_C] for unit, cost_C in all_of_them.other_costs_C.items()},
    )
    return LossTable(candidates, table.losses_RCT[:, kept_C], table.seeds, table.estimated_CT[kept_C])


def _stops(points: Sequence[Solution], unit: BudgetUnit) -> tuple[Stop, ...]:
    return tuple(Stop(float(p.cost), cost(float(p.cost), unit), change(float(p.objective))) for p in points)


def _cards(selection: Selection, unit: BudgetUnit) -> tuple[Card, ...]:
    return tuple(
        Card(
            number=i + 1,
            role=GROUP_ROLES[i % len(GROUP_ROLES)],
            cost=cost(network.cost, unit) + (f", {network.candidate}" if network.candidate else ""),
            summary=f"{len(network.tasks)} trained, {len(network.serves)} served",
            served=tuple((task, change(selection.losses.get(task))) for task in network.serves),
            helpers=tuple(task for task in network.tasks if task not in network.serves),
            facts=(),
        )
        for i, network in enumerate(selection.networks)
    )
