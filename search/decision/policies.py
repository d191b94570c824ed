"""Policies that are searched first and are candidates from then on, like any other way to share.

A search costs what it costs and is charged to the run; what it finds is trained again on every search seed, from fresh
values at the cost that other networks have, or from the weights of the search at the cost of the policy, and enters the
table as one more row. The solver decides whether it wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from grouping.candidates import Candidates
from grouping.errors import InputError
from search.decision.costs import fits_somewhere
from search.decision.measurement import Measurement
from search.decision.plan import Plan
from search.networks.sharing import FRESH, HARD, Sharing
from search.policy.searched_trial import FoundPolicy, as_found, train_policies
from search.training.checkpoint import sha256
from search.training.experiment import Experiment
from search.trials import Trial

__all__ = ["SearchedPolicy", "with_policies"]

_DIGITS = 12


@dataclass(frozen=True, eq=False)
class SearchedPolicy:
    """One search and what came of it.

    Args:
        trial: What was searched: tasks, capacity, way to share.
        found: The policy, and how it was found.
        seconds: Process time of the search.
        weights: What its network goes on from, as a checkpoint; empty where it is trained from fresh values.
    """

    trial: Trial
    found: FoundPolicy
    seconds: float
    weights: bytes = b""

    @property
    def start(self) -> str:
        """What these weights are called."""
        return sha256(self.weights)[:_DIGITS] if self.weights else FRESH

    @property
    def sharing(self) -> str:
        """What its network's tasks share; one trunk if that is what was found."""
        if self.found.policy.is_hard:
            return HARD
        return str(Sharing.parse(self.trial.sharing).found(self.found.policy, self.start))


def with_policies(
    plan: Plan, experiment: Experiment, measurement: Measurement, split: int = 0
) -> tuple[Plan, Experiment, tuple[SearchedPolicy, ...]]:
    """The plan with what its searches found among the candidates, the experiment with the weights that some of them go
    on from, and the searches that ended well.

    Where a search finds hard sharing there is nothing to add: that is a candidate already.
    """
    trials = plan.policy_trials(split)
    if not trials:
        return plan, experiment, ()
    results = measurement.measure(experiment, "policy", "search policies", trials, train=train_policies)
    searched = tuple(
        SearchedPolicy(
            trial,
            as_found(result.seen),
            result.seconds,
            b"" if Sharing.parse(trial.sharing).start == FRESH else measurement.weights(experiment, trial),
        )
        for trial, result in results.items()
    )
    notes = list(plan.left_out)
    if len(results) < len(trials):
        notes.append(f"left out: {len(trials) - len(results)} of {len(trials)} searches of policies failed")
    new: dict[tuple[tuple[str, ...], float, str], None] = {}
    for one in searched:
        if one.sharing == HARD:
            continue
        try:
            plan.costs.of(one.trial.tasks, one.trial.capacity, Sharing.parse(one.sharing))
        except InputError as error:
            notes.append(f"left out: {one.trial.network}, because {error.what}")
        else:
            new[one.trial.tasks, one.trial.capacity, one.sharing] = None
    effort = sum(ceil(trial.effort) for trial in trials)
    extended = _extended(plan, list(new))
    starts = {one.start: one.weights for one in searched if one.weights}
    return (
        replace(extended, left_out=tuple(notes), searches=(), searched=plan.searched + effort),
        replace(experiment, starts={**experiment.starts, **starts}),
        searched,
    )


def _extended(plan: Plan, new: Sequence[tuple[tuple[str, ...], float, str]]) -> Plan:
    """The plan with more candidates, those that may be served; the search trains them."""
    if not new:
        return plan
    names = [task.name for task in plan.tasks]
    members_CT = np.array([[name in group for name in names] for group, _, _ in new])
    costs = [plan.costs.of(group, capacity, Sharing.parse(sharing)) for group, capacity, sharing in new]
    charged_C = np.array([cost[plan.spec.budget.unit] for cost in costs])
    covers_C = np.asarray(members_CT[:, list(plan.main)].all(axis=1))
    fits_C = fits_somewhere(charged_C, covers_C, float(plan.charged_C.min()), plan.spec.budget)
    kept = np.flatnonzero(fits_C).tolist()
    before = plan.candidates
    candidates = Candidates(
        before.tasks,
        np.concatenate([before.members_CT, members_CT[kept]]),
        np.concatenate([before.cost_C, [new[c][1] for c in kept]]),
        (*before.label_C, *(new[c][2] for c in kept)),
        {
            unit: np.concatenate([cost_C, [costs[c][unit] for c in kept]])
            for unit, cost_C in before.other_costs_C.items()
        },
    )
    more = np.ones(len(kept), dtype=bool)
    return replace(
        plan,
        candidates=candidates,
        charged_C=np.concatenate([plan.charged_C, charged_C[kept]]),
        trained_C=np.concatenate([plan.trained_C, more]),
        choosable_C=np.concatenate([plan.choosable_C, more]),
    )
