"""Adaptive search: after every round of trainings the next are those that are expected to improve the choice most.

A training is one candidate with one more seed, so a close call may be worth another seed of a known group more than a
new group. Whatever is proposed follows from losses in the store and the spec alone: neither workers nor interruptions
change it; but a training that failed is tried again when a run is resumed, and what it then gives counts.

Axes: ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from grouping.acquisition import Goals, Situation
from grouping.acquisition.expected_improvement import improvement_C, most_promising
from grouping.candidates import FloatArray
from grouping.posterior import Belief, Believed
from grouping.recommendation import Outlook
from search.decision.measurement import Measurement
from search.decision.plan import Plan
from search.decision.regret import outlook
from search.decision.selection import curves_of, finished, reference_losses
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult, stream_seed

__all__ = ["LEAST_TRAININGS", "UNLIKELY", "Proposal", "Round", "adaptive_search"]

UNLIKELY = 0.2
"""Chance of a worthwhile gain below which the search stops."""
LEAST_TRAININGS = 2
"""For each task, before the search may stop: a belief from fewer is more certain than it should be."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """One training and why it was wanted.

    Args:
        trial: The training.
        candidate: Its candidate.
        gain: Expected gain of the objective, in relative loss; 0 where it was drawn at random.
        mean_T: What was expected of each task, relative; NaN off the members.
        sd_T: How far from that a training was expected to be.
    """

    trial: Trial
    candidate: int
    gain: float
    mean_T: FloatArray
    sd_T: FloatArray


@dataclass(frozen=True, eq=False)
class Round:
    """Trainings that were decided on together.

    Args:
        proposals: The trainings.
        objective: Of the best grouping of trained networks before the round; infinite where none fitted.
        outlook: What the search might gain from here on; None where nothing trained serves every task.
    """

    proposals: tuple[Proposal, ...]
    objective: float
    outlook: Outlook | None


def adaptive_search(
    plan: Plan,
    experiment: Experiment,
    measurement: Measurement,
    results: Mapping[Trial, TrialResult],
    split: int = 0,
) -> tuple[dict[Trial, TrialResult], tuple[Round, ...], Outlook | None]:
    """Spend what the training budget leaves, but for what the final choice needs to have every seed.

    It ends earlier once another grouping is unlikely to be better by what is worth while. That looks at search seeds
    only; the verdict is taken once, on fresh seeds, so however often is looked, no false verdict becomes more likely.

    Args:
        plan: Candidates and the budget of trainings.
        experiment: What all trainings have in common.
        measurement: Trains and remembers.
        results: What was trained beforehand: single tasks and all-in-one.
        split: Which repetition of the data split.

    Returns:
        All results, the rounds in their order, and what was to be expected where the search stopped early.
    """
    results, rounds = dict(results), list[Round]()
    rng = np.random.default_rng(stream_seed(plan.spec.training.seed, "adaptive", split))
    rng_outlook = np.random.default_rng(stream_seed(plan.spec.training.seed, "outlook", split))
    goals = Goals(
        plan.candidates,
        (plan.spec.budget.inference,),
        plan.charged_C,
        plan.rules,
    )
    belief = Belief(plan.candidates.members_CT[plan.plain_C])
    left = plan.adaptive_trainings
    while left > 0:
        situation = _situation(plan, goals, results, measurement.failures, split)
        ahead = outlook(plan, situation.measured, left, rng_outlook)
        known = plan.adaptive_trainings - left >= LEAST_TRAININGS * len(plan.tasks)
        if known and ahead is not None and ahead.worthwhile > 0 and ahead.chance <= UNLIKELY:
            return results, tuple(rounds), ahead
        count = min(plan.round_size, left)
        proposals = _proposals(plan, situation, belief, count, rng, split)
        if not proposals:
            break
        best = goals.best(situation.measured.mean_CT, plan.spec.budget.inference, situation.trained_C)
        if best is not None:
            measurement.chosen(best.objective, split)
        rounds.append(Round(proposals, np.inf if best is None else best.objective, ahead))
        left -= len(proposals)
        label = f"round {len(rounds)} of about {len(rounds) + -(-left // plan.round_size)}"
        results |= measurement.measure(experiment, "search", label, [proposal.trial for proposal in proposals])
    return results, tuple(rounds), None


def _situation(
    plan: Plan, goals: Goals, results: Mapping[Trial, TrialResult], failures: Mapping[Trial, str], split: int
) -> Situation:
    curves = curves_of(plan, results)
    reference_T = reference_losses(plan, curves, failures)
    measured = finished(curves, reference_T).scaled(reference_T)
    usable_CT = np.where(plan.choosable_C[:, None], measured.losses_RCT, np.nan)
    failed = {trial.identity for trial in failures if trial.split == split}
    open_C = plan.explored_C & (measured.replicates_CT.max(axis=1) < len(plan.search_seeds))
    for c in np.flatnonzero(open_C).tolist() if failed else ():
        open_C[c] = plan.key(c) not in failed
    return Situation(goals, replace(measured, losses_RCT=usable_CT), open_C, plan.capacity_C)


def _proposals(
    plan: Plan, situation: Situation, belief: Belief, count: int, rng: np.random.Generator, split: int
) -> tuple[Proposal, ...]:
    believed = _believed(plan, situation, belief)
    gain_C = improvement_C(situation, believed)
    sd_CT = np.hypot(believed.sd_CT, believed.noise_CT)
    measured = situation.measured.replicates_CT.max(axis=1)
    return tuple(
        Proposal(
            plan.trials([c], split)[int(measured[c])],
            c,
            float(gain_C[c]),
            believed.mean_CT[c],
            sd_CT[c],
        )
        for c in most_promising(situation, gain_C, count, rng)
    )


def _believed(plan: Plan, situation: Situation, belief: Belief) -> Believed:
    """The belief over all candidates; those of other capacities are what they were measured to be."""
    modelled_C, measured = plan.plain_C, situation.measured
    believed = belief.of(measured.select(modelled_C), exact=False)
    mean_CT, sd_CT, noise_CT = (full.copy() for full in (measured.mean_CT, *np.zeros((2, *measured.mean_CT.shape))))
    mean_CT[modelled_C], sd_CT[modelled_C] = believed.mean_CT, np.nan_to_num(believed.sd_CT)
    noise_CT[modelled_C] = np.nan_to_num(believed.noise_CT)
    return replace(believed, mean_CT=mean_CT, sd_CT=sd_CT, noise_CT=noise_CT)
