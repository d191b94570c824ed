"""The same number of learning rates for every way to share, so that none is compared at another one's best setting.

One network of all tasks is trained with each rate, on seeds that are used for nothing else, and the rate with the
lowest validation losses is kept. What was tried is charged; with the kept rate everything is trained again on the seeds
of the search before it enters the table.

Axes: ``R`` seeds, ``T`` tasks, ``S`` readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grouping.candidates import FloatArray
from grouping.recommendation import Tuning
from search.decision.measurement import Measurement
from search.decision.plan import Plan
from search.networks.sharing import HARD, Sharing
from search.policy.searched_trial import as_found, train_policies
from search.training.experiment import Experiment
from search.trials import Trial

__all__ = ["tune", "with_learning_rate"]


def with_learning_rate(experiment: Experiment, rate: float) -> Experiment:
    """The same experiment with another learning rate."""
    return replace(experiment, training=experiment.training.model_copy(update={"learning_rate": rate}))


def tune(plan: Plan, experiment: Experiment, measurement: Measurement) -> tuple[Tuning, ...]:
    """What was tried of each way to share, hard sharing first; nothing where the spec asks for a single rate.

    The others' rates are tried on top of the one that was kept for hard sharing, which trains whatever has one trunk.

    Args:
        plan: Tasks, ways and seeds.
        experiment: What all trainings have in common.
        measurement: Trains and remembers.
    """
    if not plan.tuned_rates:
        return ()
    hard = _tried(plan, experiment, measurement, Sharing(), None)
    if hard is None:
        return ()
    found, reference_T = hard
    kept = with_learning_rate(experiment, experiment.training.learning_rate * found.kept)
    tuned = [found]
    for way in map(Sharing.parse, plan.spec.architectures[1:]):
        network = _searched(plan, kept, measurement, way) if way.to_search else way
        tried = _tried(plan, kept, measurement, network, reference_T)
        if tried is not None:
            tuned.append(replace(tried[0], sharing=str(way)))
    base = found.losses[0][1]  # hard sharing with the first rate that could be trained
    return tuple(replace(one, losses=tuple((rate, loss / base) for rate, loss in one.losses)) for one in tuned)


def _tried(
    plan: Plan, experiment: Experiment, measurement: Measurement, way: Sharing, reference_T: FloatArray | None
) -> tuple[Tuning, FloatArray] | None:
    """Mean loss with each rate, relative to the given losses, else to those of the first; None if none could train."""
    everything = tuple(task.name for task in plan.tasks)
    curves: dict[float, Sequence[FloatArray]] = {}
    for rate in plan.tuned_rates:
        if way.kind == HARD:
            tuned, given = with_learning_rate(experiment, experiment.training.learning_rate * rate), way
        else:
            tuned, given = experiment, replace(way, rate=way.rate * rate)
        trials = [Trial(everything, plan.plain_capacity, seed, sharing=str(given)) for seed in plan.tuning_seeds]
        results = measurement.measure(tuned, "tuning", f"learning rates of {way.family}", trials)
        if len(results) == len(trials):
            curves[rate] = [result.curve_TS for result in results.values()]
    if not curves:
        return None
    main = list(plan.main)
    if reference_T is None:
        reference_T = np.mean([curve_TS.min(axis=1) for curve_TS in next(iter(curves.values()))], axis=0)
    losses = {
        rate: float(np.mean([(curve_TS / reference_T[:, None])[main].mean(axis=0).min() for curve_TS in seeds_R]))
        for rate, seeds_R in curves.items()
    }
    kept = min(losses, key=lambda rate: (losses[rate], abs(np.log(rate))))
    return Tuning(way.family, tuple(losses.items()), kept), reference_T


def _searched(plan: Plan, experiment: Experiment, measurement: Measurement, way: Sharing) -> Sharing:
    """What a search on all tasks finds; rates are tried on that."""
    everything = tuple(task.name for task in plan.tasks)
    trial = Trial(everything, plan.plain_capacity, plan.tuning_seeds[0], "policy", sharing=str(way))
    results = measurement.measure(experiment, "tuning", f"a policy for {way}", [trial], train=train_policies)
    policies = [as_found(result.seen).policy for result in results.values()]
    return way.found(policies[0]) if policies else Sharing()
