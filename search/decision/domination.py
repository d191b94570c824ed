"""Who dominates one network of all tasks, and whether balancing cures it before separate networks are paid for.

Shares are of losses as they are trained on, times the tasks' weights. A task dominates that has twice its fair share of
the gradients in the shared trunk, surely more than its fair share (95 % interval over seeds). The cures are trained
with the same seeds, all by the plain engine.

Axes: ``R`` seeds, ``T`` tasks, ``L`` looks along training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.evidence import Interval
from grouping.recommendation import Conflict, Cure, Domination, TaskShare
from search.balancing import BalancingName
from search.decision.engine_choice import with_engine
from search.decision.measurement import Measurement
from search.decision.plan import Plan
from search.training.experiment import Experiment
from search.training.one_run.look import train_looked_at
from search.training.packs import train_plain
from search.trials import Trial, TrialResult

__all__ = ["CURES", "measure_domination"]

CURES: tuple[BalancingName, ...] = ("uncertainty", "dwa", "pcgrad")
"""One that learns weights, one that follows the losses, one that takes conflicts out of gradients."""
_DOMINANT = 2.0
_CONFLICTS = 5


def measure_domination(
    plan: Plan, experiment: Experiment, measurement: Measurement, reference_T: FloatArray
) -> Domination | None:
    """Look, and try the cures; None where the spec does not ask, or no training was to be looked at.

    Args:
        plan: Tasks and seeds.
        experiment: What all trainings have in common.
        measurement: Trains and remembers.
        reference_T: Validation loss of each task's own network.
    """
    names = [task.name for task in plan.tasks]
    if not plan.spec.evidence.domination or len(names) < 2:
        return None
    label = "one network of all tasks, looked at"
    joint = [Trial(tuple(names), plan.plain_capacity, seed, "gradients") for seed in plan.search_seeds]
    looked = list(measurement.measure(experiment, "domination", label, joint, train=train_looked_at).values())
    if not looked:
        return None
    weights_T = np.array(experiment.task_weights)
    loss_RLT, norm_RLT = (
        weights_T * np.stack([result.seen[name] for result in looked]) for name in ("loss_LT", "norm_LT")
    )
    gradient_RLT = _shares(norm_RLT)
    third = max(1, gradient_RLT.shape[1] // 3)
    tasks = tuple(
        TaskShare(
            name,
            _ends(np.nanmean(_shares(loss_RLT)[:, :, t], axis=1)),
            _ends(np.nanmean(gradient_RLT[:, :, t], axis=1)),
            float(np.nanmean(gradient_RLT[:, :third, t])),
            float(np.nanmean(gradient_RLT[:, -third:, t])),
        )
        for t, name in enumerate(names)
    )
    fair = 1 / len(names)
    dominant = tuple(
        one.task
        for one in tasks
        if one.gradient[1] is not None and (one.gradient[0] or 0) >= _DOMINANT * fair and one.gradient[1] > fair
    )
    conflict_TT = np.nanmean([result.seen["conflict_TT"] for result in looked], axis=0)
    pairs = [(float(conflict_TT[t, u]), names[t], names[u]) for t in range(len(names)) for u in range(t)]
    conflicts = tuple(Conflict(u, t, share) for share, t, u in sorted(pairs, reverse=True)[:_CONFLICTS])
    return Domination(tasks, dominant, conflicts, _cures(plan, experiment, measurement, reference_T, dominant))


def _cures(
    plan: Plan, experiment: Experiment, measurement: Measurement, reference_T: FloatArray, dominant: Sequence[str]
) -> tuple[Cure, ...]:
    """Of every way to balance, what it gains over equal weights."""
    plain = with_engine(experiment, "plain")
    names = tuple(task.name for task in plan.tasks)
    trials = [Trial(names, plan.plain_capacity, seed) for seed in plan.search_seeds]
    main = np.array(plan.main)
    others = np.array([t for t in plan.main if names[t] not in dominant], dtype=np.int64)

    def relative(balancing: str) -> dict[int, FloatArray]:
        """Relative validation losses of the kept state by seed, [T]."""
        training = plain.training.model_copy(update={"balancing": balancing})
        experiment = Experiment(plain.dataset, plain.network, training, state_files=plain.state_files)
        label = f"one network of all tasks, balanced by {balancing}"
        results = measurement.measure(experiment, "domination", label, trials, train=train_plain)
        return {trial.seed: _kept(result, reference_T, main) for trial, result in results.items()}

    equal, cures = relative("equal"), []
    for balancing in CURES:
        balanced = relative(balancing)
        seeds = [seed for seed in equal if seed in balanced]
        if seeds:
            gain_RT = np.array([equal[seed] - balanced[seed] for seed in seeds])
            rest = others if len(others) else main
            cures.append(Cure(balancing, _ends(gain_RT[:, main].mean(axis=1)), _ends(gain_RT[:, rest].mean(axis=1))))
    return tuple(cures)


def _kept(result: TrialResult, reference_T: FloatArray, main: IntArray) -> FloatArray:
    relative_TS = result.curve_TS / reference_T[:, None]
    return np.asarray(relative_TS[:, int(relative_TS[main].mean(axis=0).argmin())])


def _shares(sizes_RLT: FloatArray) -> FloatArray:
    """Shares of the sum over the tasks that were seen; NaN where a task had no label."""
    total_RL1 = np.nansum(sizes_RLT, axis=2, keepdims=True)
    nothing_RLT = np.full(sizes_RLT.shape, np.nan)
    return np.asarray(np.divide(sizes_RLT, total_RL1, out=nothing_RLT, where=total_RL1 > 0))


def _ends(values_R: FloatArray) -> tuple[float | None, float | None, float | None]:
    """Mean and 95 % t interval over seeds."""
    seeds = len(values_R)
    error = float(values_R.std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else float("inf")
    found = Interval(float(values_R.mean()), error, max(seeds - 1, 1), seeds)
    return (found.mean, found.low, found.high) if found.bounded else (found.mean, None, None)
