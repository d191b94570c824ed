"""From a loss table and a budget to a recommendation, without any training: nothing in it is confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from grouping.affinity import Affinity, pair_affinity
from grouping.budget import Budget, BudgetUnit
from grouping.candidates import Candidates, FloatArray
from grouping.errors import InputError
from grouping.evidence import ExpectedLosses, SelectionFrequency, selection_frequency
from grouping.losses import LossTable, single_task_losses
from grouping.recommendation.records import (
    AffinityEntry,
    FrontierPoint,
    GroupingFrequency,
    Network,
    PairFrequency,
    Recommendation,
    Selection,
    Stability,
)
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from grouping.tasks import Task

__all__ = ["affinity_entries", "frontier_records", "recommend", "selection_record", "stability_record"]

_DRAWS = 200


def recommend(
    table: LossTable,
    budget: Budget,
    *,
    weights: Mapping[str, float] | None = None,
    name: str = "table",
    rng: np.random.Generator | None = None,
) -> Recommendation:
    """The best grouping of a table under a budget, in losses relative to the single-task networks of cost 1.

    Where networks were trained with several seeds, their expected losses are chosen from: the best of many noisy
    numbers is a lucky one (``ExpectedLosses``).

    Args:
        table: Losses, measured or estimated; single-task networks of cost 1 must be among them.
        budget: The limit; its unit must be among the table's costs.
        weights: Weight of each task in the objective; default: equal.
        name: What the recommendation is called.
        rng: For the selection frequency; default: always the same draws.

    Returns:
        A recommendation with selection, runner-up, frontier, affinity and selection frequency. Its verdict is
        ``unsure``: only fresh seeds on test rows can say more.

    Raises:
        InputError: no single-task network of cost 1, an unknown cost, or a weight that is not positive.
        InfeasibleError: no grouping fits the budget.
    """
    charged_C = _charged(table, budget)
    weights_T = _weights(table, weights)

    expected = _expected(table)

    def chosen_from(drawn: LossTable) -> FloatArray:
        relative = drawn.scaled(single_task_losses(drawn))
        expected_CT = np.nan if expected is None else expected.of(relative.without_estimates)
        return np.where(np.isnan(expected_CT), relative.mean_CT, expected_CT)

    def choose(drawn: LossTable, top: int = 1) -> Solution:
        return solve(
            chosen_from(drawn),
            charged_C,
            budget=budget.limit,
            weights_T=weights_T.tolist(),
            max_networks=budget.max_networks,
            max_size=budget.max_size,
            top=top,
            members_CT=table.candidates.members_CT,
        )

    solution = choose(table, top=2)
    points = solve_frontier(
        chosen_from(table), charged_C, weights_T=weights_T.tolist(), members_CT=table.candidates.members_CT
    )
    frequency = None
    if (table.replicates_CT > 1).any():
        frequency = selection_frequency(table, choose, _DRAWS, rng or np.random.default_rng(0))
    optimal_for = "measured losses" if expected is None else "expected losses, given all measured ones"
    optimal_for = optimal_for if _estimator(table) == "measured" else f"estimates and {optimal_for}"
    second = None
    if solution.alternatives:
        second = selection_record(table.candidates, charged_C, solution.alternatives[0], optimal_for)
    return Recommendation(
        name=name,
        run="",
        created="",
        verdict="unsure",
        verdict_text="Unsure: this is the best grouping of the table as it stands; no fresh seed has confirmed it.",
        tasks=tuple(
            Task(task, weight=float(weight))
            for task, weight in zip(table.tasks, weights_T * len(weights_T), strict=True)
        ),
        budget=budget.limit,
        unit=budget.unit,
        max_networks=budget.max_networks,
        solution=selection_record(table.candidates, charged_C, solution, optimal_for),
        runner_up=second,
        frontier=frontier_records(table.candidates, charged_C, points),
        estimator=_estimator(table),
        estimates=(),
        audit=None,
        affinity=affinity_entries(pair_affinity(table)),
        affinity_measured_at={"seeds": len(table.seeds)},
        sharing_cost=(),
        confirmed=(),
        baselines=(),
        random=None,
        paired=(),
        stability=stability_record(frequency),
        training_cost=(),
        wall_seconds=0.0,
        next_steps=("Train the chosen networks and their alternatives on fresh seeds: taskgroup recommend.",),
    )


def affinity_entries(affinity: Affinity) -> tuple[AffinityEntry, ...]:
    """Every directed pair that was trained, row by row."""
    entries = []
    for t, task in enumerate(affinity.tasks):
        for u, partner in enumerate(affinity.tasks):
            if t != u and np.isfinite(affinity.gain_TT[t, u]):
                ends = (affinity.low_TT[t, u], affinity.high_TT[t, u])
                low, high = (float(end) if np.isfinite(end) else None for end in ends)
                gain, significant = float(affinity.gain_TT[t, u]), bool(affinity.significant_TT[t, u])
                entries.append(AffinityEntry(task, partner, gain, low, high, significant))
    return tuple(entries)


def stability_record(found: SelectionFrequency | None) -> Stability | None:
    """Selection frequencies as a record; None where nothing was repeated."""
    if found is None:
        return None
    return Stability(
        found.frequency,
        found.draws,
        tuple(GroupingFrequency(names, frequency) for names, frequency in found.groupings.items()),
        tuple(PairFrequency(a, b, frequency) for (a, b), frequency in found.pairs.items()),
    )


def _charged(table: LossTable, budget: Budget) -> FloatArray:
    if budget.unit == "snt":
        return table.candidates.cost_C
    if budget.unit not in table.candidates.other_costs_C:
        raise InputError(
            f"the table has no costs in {budget.unit}",
            where="budget",
            fix=f"Add a column cost_{budget.unit}, or give the budget in snt",
        )
    return table.candidates.other_costs_C[budget.unit]


def _weights(table: LossTable, weights: Mapping[str, float] | None) -> FloatArray:
    unknown = sorted(set(weights or {}) - set(table.tasks))
    if unknown:
        raise InputError(f"there is no task '{unknown[0]}' to weigh", where="weights")
    weights_T = np.array([(weights or {}).get(task, 1.0) for task in table.tasks])
    if not (np.isfinite(weights_T) & (weights_T > 0)).all():
        raise InputError(f"the weights {weights_T.tolist()} are not all positive", where="weights")
    return np.asarray(weights_T / weights_T.sum())


def _expected(table: LossTable) -> ExpectedLosses | None:
    """What the seeds of a table say of luck and truth; None where no network was trained twice."""
    measured = table.scaled(single_task_losses(table)).without_estimates
    if not (measured.replicates_CT > 1).any():
        return None
    return ExpectedLosses(measured, np.ones(len(measured.candidates), dtype=bool))


def _estimator(table: LossTable) -> str:
    assert table.estimated_CT is not None
    return "estimated" if table.estimated_CT.any() else "measured"


def selection_record(candidates: Candidates, charged_C: FloatArray, solution: Solution, optimal_for: str) -> Selection:
    """A solver's answer as a record; ``charged_C`` are costs in the budget's unit."""
    return Selection(
        budget=solution.budget,
        cost=solution.cost,
        objective=solution.objective,
        bound=solution.bound,
        gap=solution.gap,
        proven_optimal=solution.proven_optimal,
        optimal_for=optimal_for,
        networks=network_records(candidates, charged_C, solution),
        losses={candidates.tasks[t]: float(solution.losses_T[t]) for t in np.flatnonzero(solution.serves_T >= 0)},
    )


def network_records(candidates: Candidates, charged_C: FloatArray, solution: Solution) -> tuple[Network, ...]:
    """The chosen networks: who is trained in them, whom they serve, what they cost in every known unit."""
    costs_C = candidates.other_costs_C

    def cost(unit: BudgetUnit, candidate: int) -> float | None:
        return float(costs_C[unit][candidate]) if unit in costs_C else None

    return tuple(
        Network(
            network=candidates.name(c),
            cost=float(charged_C[c]),
            candidate=candidates.label_C[c],
            tasks=tuple(candidates.tasks[t] for t in np.flatnonzero(candidates.members_CT[c])),
            serves=tuple(candidates.tasks[t] for t in np.flatnonzero(solution.serves_T == g)),
            flops=cost("flops", c),
            parameters=cost("parameters", c),
            latency_ms=cost("latency_ms", c),
        )
        for g, c in enumerate(solution.chosen.tolist())
    )


def frontier_records(
    candidates: Candidates, charged_C: FloatArray, points: Sequence[Solution]
) -> tuple[FrontierPoint, ...]:
    """Points of a frontier as records."""
    return tuple(
        FrontierPoint(p.cost, p.objective, network_records(candidates, charged_C, p), p.proven_optimal) for p in points
    )
