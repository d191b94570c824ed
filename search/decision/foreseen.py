"""How many trainings are to be expected where that depends on what is found: by trying it with groupings at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grouping.solver.baselines import Grouping, partition_count, random_groupings
from search.decision.plan import STANDARD, Plan
from search.trials import Trial

__all__ = ["confirmed", "fresh_random_groups", "most_networks", "stopped_early"]

_DRAWS = 8


def most_networks(plan: Plan) -> int:
    """Networks that a choice has at most: as many of the cheapest as the budget holds."""
    held = int(plan.spec.budget.inference / float(plan.charged_C[plan.choosable_C].min()) + 1e-9)
    limit = plan.spec.budget.max_networks
    return max(plan.networks, min(held, len(plan.main), held if limit is None else limit))


def fresh_random_groups(plan: Plan, checked: int) -> tuple[int, int]:
    """Random groups that are drawn for comparison at most, and how many of them the search is not expected to have.

    Args:
        plan: The plan.
        checked: Groups that choices make the search train beside what is planned, at most: random search gets as many.
    """
    sizes_C, known_C = plan.candidates.size_C, plan.trained_C & ~plan.halved_C
    pool_C = plan.choosable_C & plan.plain_C & (sizes_C > 1) & (sizes_C < len(plan.tasks))
    pool = int(pool_C.sum())
    early = plan.spec.affinity.estimator == "early-stopping"
    known = plan.audit_groups + (0 if early else int((pool_C & known_C).sum()))
    drawn = min(plan.random_groups(), pool)
    fresh = round(drawn * max(0.0, 1 - known / pool)) if pool else 0
    return min(pool, drawn + checked), fresh


def confirmed(plan: Plan) -> tuple[tuple[Trial, ...], int]:
    """Trainings of one fresh seed at most, and how many are expected: groupings have networks in common.

    The choice, the runner-up, the best of random groups, clusters of labels, the user's own, random groupings, and
    references without groups.
    """
    seed, everything = plan.spec.training.seed, tuple(task.name for task in plan.tasks)
    main, trainer, capacity = [everything[t] for t in plan.main], plan.spec.trainer, plan.plain_capacity
    wide = plan.spec.budget.inference / plan.cheapest(STANDARD) * STANDARD
    always = {Trial((task,), STANDARD, seed): None for task in main} | {Trial(everything, STANDARD, seed): None}
    if trainer is None or "capacity" in trainer.hears:
        always |= {Trial((task,), wide / len(main), seed): None for task in main}
        always[Trial(everything, wide, seed)] = None
    if plan.networks > 1 and (trainer is None or "copies" in trainer.hears):
        always[Trial(everything, STANDARD, seed, copies=plan.networks)] = None
    drawn = [_grouped(plan, np.random.default_rng(draw)) for draw in range(_DRAWS)]
    trials = [{Trial(tuple(main[t] for t in group), capacity, seed) for group in groups} for groups in drawn]
    expected = round(sum(len(grouped.union(always)) for grouped in trials) / _DRAWS)
    groupings = 4 + (plan.spec.evidence.grouping is not None) + _rivals(plan)
    most = min(groupings * most_networks(plan), 2 ** min(30, len(everything)) * len(plan.spec.network.capacities))
    return (plan.typical_group,) * most + tuple(always), expected


def stopped_early(fractions: Sequence[float], reduction: float) -> float:
    """How far a configuration is trained on average where one in ``reduction`` goes on after each of the fractions."""
    stretches = np.diff([0.0, *fractions])
    return float(sum(stretch / reduction**rung for rung, stretch in enumerate(stretches)))


def _rivals(plan: Plan) -> int:
    """Random groupings beside a choice of as many networks as the budget holds."""
    if plan.networks < 2:
        return 0
    return min(plan.spec.evidence.random_groupings, partition_count(len(plan.main), plan.networks))


def _grouped(plan: Plan, rng: np.random.Generator) -> set[tuple[int, ...]]:
    """Groups of served tasks in a choice at random and the groupings that it is compared with."""
    n_tasks, networks = len(plan.main), plan.networks
    if n_tasks == 1 or networks == 1:
        return {tuple(range(n_tasks))}
    networks = min(networks, n_tasks - 1) if n_tasks > 2 else networks
    chosen, *others = random_groupings(n_tasks, networks, 3, rng)
    sizes = [len(group) for group in chosen]
    rivals = random_groupings(n_tasks, networks, plan.spec.evidence.random_groupings, rng, sizes=sizes)
    own: Grouping = tuple(
        tuple(t for t, task in enumerate(plan.main) if plan.tasks[task].name in group)
        for group in plan.spec.evidence.grouping or ()
    )
    others = others if plan.spec.evidence.best_of_random else others[:1]
    return {group for grouping in (chosen, _next(chosen), own, *others, *rivals) for group in grouping if group}


def _next(chosen: Grouping) -> Grouping:
    """A runner-up: one task of the largest group is served by the smallest."""
    small, *middle, large = sorted(chosen, key=len)
    return (tuple(sorted((*small, large[-1]))), *middle, large[:-1])
