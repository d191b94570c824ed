"""The phases of a run, with the trainings that each is expected to take and takes at most.

A training is one network with one seed, however far it is trained; an average of several copies is one too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grouping.estimators.halving import fewest_survivors
from search.decision.foreseen import confirmed, fresh_random_groups, most_networks, stopped_early
from search.decision.plan import ROUNDS, Plan
from search.spec.sections import HalvingSpec
from search.trials import Trial

__all__ = ["SEARCHING", "PhaseCount", "phases_of", "search_trainings"]

SEARCHING = ("tuning", "settings", "kept", "policy", "search", "audit", "check")
"""Phases of the search proper: ``budget.training`` limits them. ``check`` trains choices that rest on estimates."""

_ROUNDS = 2
"""How often a choice that rests on estimates is expected to be trained and made again: three times at most in what
``results`` holds, and not wholly anew.
"""


@dataclass(frozen=True)
class PhaseCount:
    """Trainings of one phase.

    Args:
        phase: One of ``SEARCHING``, or of those that no budget of trainings limits, such as ``confirm``.
        label: The phase in words.
        trials: The trainings, as many as there are at most; of typical size where they are not known beforehand.
        foreseen: How many are expected; None: all of them.
        share: How far each is expected to be trained, on average.
        least: The cost in trainings of the standard network where halving drops all it can; None without halving.
    """

    phase: str
    label: str
    trials: tuple[Trial, ...]
    foreseen: int | None = None
    share: float = 1.0
    least: float | None = None

    @property
    def trainings(self) -> int:
        """Trainings at most."""
        return len(self.trials)

    @property
    def expected(self) -> int:
        """Trainings that are expected."""
        return self.trainings if self.foreseen is None else min(self.foreseen, self.trainings)

    @property
    def part(self) -> float:
        """What is expected of the time that the phase takes at most."""
        return self.share * self.expected / max(1, self.trainings)

    @property
    def standard_trainings(self) -> float:
        """What is expected in units of one training of the standard network."""
        return self.part * self.most

    @property
    def most(self) -> float:
        """What it takes at most in the same units: nothing is dropped, and nothing is there already."""
        return sum(trial.effort * trial.capacity for trial in self.trials)


def phases_of(plan: Plan) -> tuple[PhaseCount, ...]:
    """Every phase with the trainings it is expected to take and takes at most, over all repetitions of the split."""
    spec, seeds, splits = plan.spec, plan.spec.training.seeds, plan.spec.evidence.splits
    search = tuple(
        trial
        for split in range(splits)
        for trial in (*plan.search_trials(split), *plan.retrained_trials(split), *plan.joint_trials(split))
    )
    phases = [_halved(plan, PhaseCount("search", "groups of the search", search))]
    typical = plan.typical_group
    audited = plan.audit_groups + plan.audit_dropped
    if audited:
        audit = (typical,) * (audited * seeds * splits)
        phases.append(PhaseCount("audit", "random groups that audit the estimates", audit))
    if plan.explored_C.any():
        rounds = (typical,) * (plan.adaptive_trainings * splits)
        phases[0] = replace(phases[0], trials=search + rounds)
        left = max(0, plan.spare - plan.adaptive_trainings)
        checked = min(left, most_networks(plan) * seeds) * splits
        wanted = plan.networks * (seeds - 1) * splits
        phases.append(PhaseCount("check", "further seeds of what is chosen", (typical,) * checked, wanted))
    elif plan.guessed_C.any():
        checked = min(ROUNDS * most_networks(plan) * seeds, plan.spare - audited * seeds) * splits
        wanted = _ROUNDS * plan.networks * seeds * splits
        phases.append(PhaseCount("check", "choices that rest on estimates", (typical,) * checked, wanted))
    else:
        checked = 0
    if spec.evidence.best_of_random and plan.networks > 1 and plan.random_groups():
        drawn, fresh = fresh_random_groups(plan, checked // (seeds * splits))
        compare, fresh = (typical,) * (drawn * seeds * splits), fresh * seeds * splits
        phases.append(PhaseCount("compare", "as many random groups, for comparison", compare, fresh))
    again, fresh = confirmed(plan)
    times = spec.evidence.seeds * splits
    phases.append(PhaseCount("confirm", "confirmation on fresh seeds", again * times, fresh * times))
    if spec.affinity.controls:
        phases.append(PhaseCount("controls", "controls of the affinities", _controls(plan) * seeds))
    if spec.evidence.domination:
        everything = tuple(task.name for task in plan.tasks)
        joint = (Trial(everything, plan.plain_capacity, spec.training.seed),) * (5 * seeds)
        phases.append(PhaseCount("domination", "who dominates one network of all tasks", joint))
    if plan.searches:
        policies = tuple(trial for split in range(splits) for trial in plan.policy_trials(split))
        phases.insert(0, PhaseCount("policy", "searches of policies", policies))
    asked = spec.search
    if asked is not None:
        everything = tuple(task.name for task in plan.tasks)
        tried = (Trial(everything, plan.plain_capacity, spec.training.seed),) * plan.configuration_trainings
        share = stopped_early(asked.fractions, asked.reduction)
        phases.insert(0, PhaseCount("settings", "configurations of the search", tried, share=share))
        phases.insert(1, PhaseCount("kept", "what is kept, in every group", (typical,) * plan.kept_trainings))
    if plan.tuned_rates:
        phases.insert(0, PhaseCount("tuning", "learning rates of every way to share", plan.tuning_trials()))
    return tuple(phases)


def search_trainings(plan: Plan) -> int:
    """Trainings of the search proper: the ones that ``budget.training`` limits."""
    return sum(p.trainings for p in phases_of(plan) if p.phase in SEARCHING)


def _controls(plan: Plan) -> tuple[Trial, ...]:
    """Trainings of one seed: alone, pairs, two noisy partners, a copy, a wider network; the first two thrice."""
    n_tasks = len(plan.tasks)
    pairs = n_tasks * (n_tasks - 1) // 2
    return (plan.typical_group,) * (3 * (n_tasks + pairs) + n_tasks * (min(2, n_tasks - 1) + 2))


def _halved(plan: Plan, search: PhaseCount) -> PhaseCount:
    """The search, expected midway between nothing dropped and all that may be; as it is without halving."""
    if plan.spec.candidates.halving is None or not search.most:
        return search
    least = search.most - _spared(plan, plan.spec.candidates.halving)
    return replace(search, least=least, share=(least + search.most) / (2 * search.most))


def _spared(plan: Plan, halving: HalvingSpec) -> float:
    """Standard trainings that halving spares, over all splits, where every rung drops as many groups as it can."""
    halved_C, stretches = plan.halved_C, np.diff([0.0, *plan.rungs, 1.0])
    spared = 0.0
    for capacity in np.unique(plan.capacity_C[halved_C]).tolist():
        compared_C = plan.shared_C & (plan.capacity_C == capacity)
        members_CT, kept_C = plan.candidates.members_CT[compared_C], ~halved_C[compared_C]
        left = [len(members_CT), *fewest_survivors(members_CT, kept_C, halving.keep, len(halving.rungs))]
        spared += capacity * (len(members_CT) - float(stretches @ np.array(left)))
    return spared * plan.spec.training.seeds * plan.spec.evidence.splits
