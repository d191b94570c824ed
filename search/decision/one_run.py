"""Trainings of all tasks that one-run estimators look at: which, and what was seen of them."""

from __future__ import annotations

from collections.abc import Mapping

from grouping.candidates import FloatArray
from grouping.estimators.linearised import subset_ratios
from grouping.estimators.one_run import ONE_RUN
from search.decision.measurement import Measurement
from search.decision.plan import Plan
from search.training.experiment import Experiment
from search.training.one_run.look import as_linearisation, train_looked_at

__all__ = ["look"]


def look(plan: Plan, experiment: Experiment, measurement: Measurement, split: int = 0) -> Mapping[str, FloatArray]:
    """What was seen, by seed, as ``from_runs`` wants it: nothing for other estimators, and of trainings that failed."""
    estimator = plan.spec.affinity.estimator
    if estimator not in ONE_RUN:
        return {}
    trials = plan.joint_trials(split)
    results = measurement.measure(experiment, "search", "all tasks, looked at", trials, train=train_looked_at)
    if estimator == "linearised":
        members_CT = plan.candidates.members_CT
        return {str(trial.seed): subset_ratios(as_linearisation(r.seen), members_CT) for trial, r in results.items()}
    return {str(trial.seed): result.seen[f"{estimator.replace('-', '_')}_TT"] for trial, result in results.items()}
