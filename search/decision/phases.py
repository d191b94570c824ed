"""The phases of a run with the most trainings that each can take: what ``taskgroup plan`` shows, and budgets limit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grouping.estimators.halving import fewest_survivors
from search.decision.plan import ROUNDS, STANDARD, Plan
from search.trials import Trial

__all__ = ["SEARCHING", "PhaseCount", "phases_of", "search_trainings"]

SEARCHING = ("tuning", "policy", "search", "audit", "check")
"""Phases of the search proper: ``budget.training`` limits them. ``check`` trains choices that rest on estimates."""


@dataclass(frozen=True)
class PhaseCount:
    """Trainings of one phase.

    Args:
        phase: One of ``SEARCHING``, or of those that no budget of trainings limits, such as ``confirm``.
        label: The phase in words.
        trials: The trainings, as many as there are at most; of typical size where they are not known beforehand.
        least: The cost in trainings of the standard network where halving drops all it can; None without halving.
    """

    phase: str
    label: str
    trials: tuple[Trial, ...]
    least: float | None = None

    @property
    def trainings(self) -> int:
        """Networks trained, at most; an ensemble counts every copy."""
        return sum(trial.copies for trial in self.trials)

    @property
    def standard_trainings(self) -> float:
        """The same in units of one training of the standard network."""
        return sum(trial.effort * trial.capacity for trial in self.trials)


def phases_of(plan: Plan) -> tuple[PhaseCount, ...]:
    """Every phase with the most trainings it can take, over all repetitions of the split."""
    spec, seeds, splits = plan.spec, plan.spec.training.seeds, plan.spec.evidence.splits
    search = tuple(
        trial
        for split in range(splits)
        for trial in (*plan.search_trials(split), *plan.retrained_trials(split), *plan.joint_trials(split))
    )
    phases = [PhaseCount("search", "groups of the search", search, _least(plan))]
    typical = plan.typical_group
    audited = plan.audit_groups + plan.audit_dropped
    if audited:
        audit = (typical,) * (audited * seeds * splits)
        phases.append(PhaseCount("audit", "random groups that audit the estimates", audit))
    if plan.explored_C.any():
        rounds = (typical,) * (plan.adaptive_trainings * splits)
        phases[0] = replace(phases[0], trials=search + rounds)
        left = plan.spare - plan.adaptive_trainings
        check = (typical,) * (max(0, min(left, plan.networks * seeds)) * splits)
        phases.append(PhaseCount("check", "further seeds of what is chosen, at most", check))
    elif plan.guessed_C.any():
        most = min(ROUNDS * plan.networks * seeds, plan.spare - audited * seeds)
        phases.append(PhaseCount("check", "choices that rest on estimates, at most", (typical,) * (most * splits)))
    if spec.evidence.best_of_random and plan.networks > 1 and plan.random_groups():
        compare = (typical,) * (plan.random_groups() * seeds * splits)
        phases.append(PhaseCount("compare", "as many random groups, at most", compare))
    confirm = _confirmed(plan) * (spec.evidence.seeds * splits)
    phases.append(PhaseCount("confirm", "confirmation on fresh seeds, at most", confirm))
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
        tried = (Trial(everything, plan.plain_capacity, spec.training.seed),) * (asked.configurations * asked.seeds)
        phases.insert(0, PhaseCount("settings", "configurations of the search, at most", tried))
        groups = {plan.group(int(c)) for c in np.flatnonzero(plan.trained_C)}
        again = (typical,) * (asked.keep * max(1, len(asked.brackets)) * len(groups) * seeds)
        phases.insert(1, PhaseCount("kept", "what is kept, in every group, at most", again))
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


def _least(plan: Plan) -> float | None:
    """Standard trainings of the search, over all splits, where every rung drops as many groups as it can."""
    halving, halved_C = plan.spec.candidates.halving, plan.halved_C
    if halving is None:
        return None
    stretches = np.diff([0.0, *plan.rungs, 1.0])
    least = float(plan.capacity_C[plan.trained_C & ~halved_C].sum())
    for capacity in np.unique(plan.capacity_C[halved_C]).tolist():
        compared_C = plan.shared_C & (plan.capacity_C == capacity)
        spared_C = ~halved_C[compared_C]
        members_CT = plan.candidates.members_CT[compared_C]
        left = [len(members_CT), *fewest_survivors(members_CT, spared_C, halving.keep, len(halving.rungs))]
        least += capacity * float(stretches @ (np.array(left) - spared_C.sum()))
    return least * plan.spec.training.seeds * plan.spec.evidence.splits


def _confirmed(plan: Plan) -> tuple[Trial, ...]:
    """Trainings of one fresh seed: choice, runner-up, best of random, clustering, random groupings, references."""
    seed, everything = plan.spec.training.seed, tuple(task.name for task in plan.tasks)
    groupings = 4 + plan.spec.evidence.random_groupings if plan.networks > 1 else 1
    singles = tuple(Trial(everything[:1], STANDARD, seed) for _ in plan.main)
    wide = plan.spec.budget.inference / plan.cheapest(STANDARD) * STANDARD
    small = tuple(Trial(everything[:1], wide / len(plan.main), seed) for _ in plan.main)
    whole = Trial(everything, STANDARD, seed)
    ensemble = Trial(everything, STANDARD, seed, copies=max(1, plan.networks))
    grouped = (plan.typical_group,) * (groupings * plan.networks)
    trainer = plan.spec.trainer
    sizes = (*small, Trial(everything, wide, seed)) if trainer is None or "capacity" in trainer.hears else ()
    averaged = (ensemble,) if trainer is None or "copies" in trainer.hears else ()
    return (*grouped, *singles, *sizes, whole, *averaged)
