"""Searched policies as the records that are reported.

Axes: ``L`` units, ``T`` tasks, ``M`` modes, ``R`` turns of the policy.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from grouping import recommendation
from grouping.errors import InputError
from grouping.policy import Policy
from search.decision.costs import Costs
from search.decision.decide import Decision
from search.decision.policies import SearchedPolicy
from search.networks.shape import TrunkShape
from search.networks.sharing import SEARCHED, Sharing
from search.networks.sharing_cost import policy_cost, unit_costs

__all__ = ["policy_records"]

_MOST_TURNS = 8


def policy_records(decision: Decision, n_inputs: int) -> tuple[recommendation.SearchedPolicy, ...]:
    """One record a search, larger groups first."""
    standard = decision.plan.spec.network.shape(n_inputs)
    searched = sorted(decision.policies, key=lambda one: -len(one.trial.tasks))
    return tuple(_record(decision, one, standard) for one in searched)


def _record(decision: Decision, one: SearchedPolicy, shape: TrunkShape) -> recommendation.SearchedPolicy:
    trial, found = one.trial, one.found
    modes = SEARCHED[Sharing.parse(trial.sharing).kind]
    turns = len(found.history_RLTM)
    noted = sorted({round(turn) for turn in np.linspace(0, turns - 1, min(turns, _MOST_TURNS))})
    main = {decision.plan.tasks[t].name for t in decision.plan.main}
    served = [t for t, task in enumerate(trial.tasks) if task in main] or list(range(len(trial.tasks)))
    relative_T = found.losses_DT[found.chosen, served] / found.hard_T[served]
    units = tuple(f"unit {level + 1}" for level in range(found.policy.n_units))
    layers = unit_costs(shape)
    hard = Policy.all_shared(len(trial.tasks), found.policy.n_units)
    return recommendation.SearchedPolicy(
        tasks=trial.tasks,
        sharing=trial.sharing,
        candidate=one.sharing,
        capacity=trial.capacity,
        units=units,
        fixed=tuple(unit for unit, can in zip(units, found.can_skip_L, strict=True) if "skip" in modes and not can),
        modes=modes,
        chosen=found.policy.modes_TL,
        turns=tuple(turn + 1 for turn in noted),
        probability=tuple(
            tuple(tuple(tuple(round(float(p), 3) for p in p_M) for p_M in p_TM) for p_TM in found.history_RLTM[turn])
            for turn in noted
        ),
        together=tuple(
            (trial.tasks[i], trial.tasks[j], found.policy.shared_with(i, j))
            for i, j in combinations(range(len(trial.tasks)), 2)
        ),
        draws=len(found.policies),
        gain=1 - float(relative_T.mean()),
        flops=policy_cost(found.policy, layers).flops / policy_cost(hard, layers).flops,
        seconds=one.seconds,
        size=_size(decision, one),
    )


def _size(decision: Decision, one: SearchedPolicy) -> recommendation.PolicySize | None:
    tasks, capacity, sharing = one.trial.tasks, one.trial.capacity, Sharing.parse(one.sharing)
    costs = decision.plan.costs
    assert isinstance(costs, Costs), "policies are of networks that the built-in trainer makes"
    try:
        cost = costs.network(tasks, capacity, sharing)
    except InputError:  # the report names it among what was left out
        return None
    return recommendation.PolicySize(cost.trunk_flops, cost.head_flops, cost.trunk_parameters, cost.head_parameters)
