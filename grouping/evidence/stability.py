"""How often this grouping would have been chosen: the choice is repeated on resampled search losses.

Called selection *frequency*, not probability: it says how much the choice hangs on the seeds that happened to be
drawn, not how likely it is to be best.

Axes: ``R`` replicates (seeds), ``C`` candidates, ``T`` tasks, ``G`` chosen networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grouping.candidates import BoolArray, Candidates, FloatArray, network_name
from grouping.errors import InputError
from grouping.evidence.draws import ResidualBootstrap
from grouping.losses import LossTable
from grouping.solver.solution import Solution
from grouping.solver.solve import solve

__all__ = ["SelectionFrequency", "bootstrap", "frequency", "grouping_name", "selection_frequency"]


@dataclass(frozen=True)
class SelectionFrequency:
    """What was chosen over ``draws`` re-solves.

    A grouping is known by the sorted names of its networks, that is by who trains with whom; capacities and routing
    of tasks that two networks could serve are not told apart.

    Args:
        grouping: The grouping chosen on the measured losses.
        frequency: How often it was chosen again.
        draws: Number of re-solves.
        groupings: Frequency of every grouping chosen at least once, most frequent first.
        pairs: Frequency with which two tasks, in task order, were trained in one network that serves at least one of
            them; pairs that never were are left out.
    """

    grouping: tuple[str, ...]
    frequency: float
    draws: int
    groupings: Mapping[tuple[str, ...], float]
    pairs: Mapping[tuple[str, str], float]


def selection_frequency(
    table: LossTable, choose: Callable[[LossTable], Solution], draws: int, rng: np.random.Generator
) -> SelectionFrequency:
    """Repeat the choice on tables drawn by ``ResidualBootstrap``.

    The single-task networks are candidates like any other, so a ``choose`` that works with relative losses computes
    its reference anew in every draw.

    Args:
        table: Measured losses of the search.
        choose: The whole way from a table to a solution, estimation included; called ``draws + 1`` times.
        draws: Number of resampled tables.
        rng: Source of the draws.

    Raises:
        InputError: no draw was asked for, or no cell of the table has two replicates.
    """
    if draws < 1:
        raise InputError(f"{draws} draws were asked for", fix="Ask for 1 or more")
    chosen = choose(table)
    resample = ResidualBootstrap(table)
    return frequency(chosen, (choose(resample(rng)) for _ in range(draws)), table.tasks)


def frequency(chosen: Solution, solutions: Iterable[Solution], tasks: tuple[str, ...]) -> SelectionFrequency:
    """Count what was chosen.

    Args:
        chosen: The grouping whose frequency is asked for.
        solutions: What was chosen in each draw, at least one.
        tasks: Names of the tasks.
    """
    grouping = grouping_name(chosen, tasks)
    groupings: Counter[tuple[str, ...]] = Counter()
    pairs_TT = np.zeros((len(tasks),) * 2)
    for solution in solutions:
        groupings[grouping_name(solution, tasks)] += 1
        pairs_TT += _together(solution)
    draws = groupings.total()
    return SelectionFrequency(
        grouping=grouping,
        frequency=groupings[grouping] / draws,
        draws=draws,
        groupings={
            name: count / draws for name, count in sorted(groupings.items(), key=lambda item: (-item[1], item[0]))
        },
        pairs={(tasks[t], tasks[u]): float(pairs_TT[t, u]) / draws for t, u in np.argwhere(np.triu(pairs_TT, 1))},
    )


def bootstrap(
    losses_RCT: FloatArray,
    cost_C: FloatArray,
    *,
    budget: float,
    weights_T: Sequence[float] | None = None,
    max_networks: int | None = None,
    partition: bool = False,
    draws: int = 200,
    rng: np.random.Generator | None = None,
) -> SelectionFrequency:
    """Selection frequencies for plain arrays; tasks are called by their index.

    Args:
        losses_RCT: Loss per replicate, NaN where a candidate does not serve a task, [R, C, T].
        cost_C: Cost of each candidate, [C].
        budget: Limit of the summed cost.
        weights_T: Weights of the tasks, [T]; default: equal.
        max_networks: At most that many networks.
        partition: Each task in exactly one network.
        draws: Number of re-solves.
        rng: Source of the draws; default: always the same ones.

    Raises:
        InputError: as ``LossTable`` and ``selection_frequency``.
        InfeasibleError: no grouping fits the budget.
    """
    losses_RCT = np.asarray(losses_RCT, dtype=float)
    if losses_RCT.ndim != 3:
        raise InputError(f"losses have shape {losses_RCT.shape}, expected (seeds, candidates, tasks)")
    seeds, count, n_tasks = losses_RCT.shape
    candidates = Candidates(
        tuple(map(str, range(n_tasks))),
        np.asarray((~np.isnan(losses_RCT)).any(axis=0)),
        np.asarray(cost_C, dtype=float),
        tuple(map(str, range(count))),
    )

    def choose(table: LossTable) -> Solution:
        return solve(
            table.mean_CT, cost_C, budget=budget, weights_T=weights_T, max_networks=max_networks, partition=partition
        )

    table = LossTable(candidates, losses_RCT, tuple(map(str, range(seeds))))
    return selection_frequency(table, choose, draws, rng or np.random.default_rng(0))


def grouping_name(solution: Solution, tasks: tuple[str, ...]) -> tuple[str, ...]:
    """What a grouping is known by: the sorted names of its networks."""
    return tuple(sorted(network_name(tasks, members_T) for members_T in solution.members_GT))


def _together(solution: Solution) -> BoolArray:
    """Who trains with whom in a network that serves one of the two, [T, T]."""
    members_GT = solution.members_GT
    serves_GT = solution.serves_T == np.arange(len(members_GT))[:, None]
    helped_TT = serves_GT.T.astype(int) @ members_GT.astype(int) > 0
    return np.asarray(helped_TT | helped_TT.T)
