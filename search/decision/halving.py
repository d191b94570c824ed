"""The trainings of the search, with or without halving: rung by rung, and what was dropped where.

Decisions follow from the readings in the store alone, so packing, workers and interruptions change none of them; but
a training that failed is tried again when a run is resumed, and what it then gives counts at its rungs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import BoolArray
from grouping.estimators.halving import at_rung, dropped, hopeless
from search.decision.measurement import Measurement
from search.decision.plan import Plan
from search.decision.selection import curves_of, reference_losses
from search.training.experiment import Experiment
from search.trials import Identity, Trial, TrialResult

__all__ = [
    "EARLY",
    "Rung",
    "Searched",
    "audit_sample",
    "dropped_by",
    "early_warning",
    "saved",
    "search",
    "survivors_CT",
]

EARLY = 0.25
"""Share of training; ranks read before are near chance."""


@dataclass(frozen=True, eq=False)
class Rung:
    """One comparison.

    Args:
        fraction: Share of training that was done.
        compared: Candidates that were compared, ascending.
        dropped: Those of them that were trained no further.
        hopeless_CT: For which of its tasks each of the plan's candidates was hopeless; False where not compared.
    """

    fraction: float
    compared: tuple[int, ...]
    dropped: tuple[int, ...]
    hopeless_CT: BoolArray


@dataclass(frozen=True, eq=False)
class Searched:
    """What the search trained.

    Args:
        results: By trial; a candidate that was compared on the way has trials of several fractions.
        rungs: One for each comparison; empty without halving.
    """

    results: dict[Trial, TrialResult]
    rungs: tuple[Rung, ...] = ()


def search(plan: Plan, experiment: Experiment, measurement: Measurement, split: int = 0) -> Searched:
    """Train the candidates of the search, some of them not to the end if the spec asks for halving.

    Raises:
        NoResultError: a task that cannot be trained alone.
        InputError: a task that is perfect alone.
    """
    halving = plan.spec.candidates.halving
    if halving is None:
        return Searched(measurement.measure(experiment, "search", "search", plan.search_trials(split)))
    # Who is never dropped is trained in the same stretches: packs stay full, and the single tasks are read in time.
    going = plan.search_trials(split)
    results: dict[Trial, TrialResult] = {}
    rungs: list[Rung] = []
    for fraction in (*plan.rungs, 1.0):
        asked = [replace(trial, fraction=fraction) for trial in going]
        label = f"search, to {fraction:.0%} of training"
        going_on = asked if fraction < 1 else ()
        results |= measurement.measure(experiment, "search", label, asked, keep_states=going_on)
        # Whoever fails on the way would only fail again, and is known no better than if it had failed at once.
        lost = {replace(trial, fraction=1.0) for trial in asked if trial not in results}
        results = {trial: result for trial, result in results.items() if replace(trial, fraction=1.0) not in lost}
        if fraction < 1:
            rungs.append(_compare(plan, results, measurement.failures, fraction, halving.keep, dropped_by(rungs)))
            out = {plan.key(c) for c in rungs[-1].dropped}
            going = tuple(t for t in going if t not in lost and t.identity not in out)
    return Searched(results, tuple(rungs))


def dropped_by(rungs: Sequence[Rung]) -> tuple[int, ...]:
    """Candidates that some rung dropped, ascending."""
    return tuple(sorted(c for rung in rungs for c in rung.dropped))


def audit_sample(plan: Plan, rungs: Sequence[Rung], rng: np.random.Generator) -> tuple[int, ...]:
    """Random dropped candidates that are trained to the end all the same."""
    pool = dropped_by(rungs)
    count = min(plan.audit_dropped, len(pool))
    return tuple(sorted(int(c) for c in rng.choice(pool, size=count, replace=False))) if count else ()


def survivors_CT(plan: Plan, rungs: Sequence[Rung]) -> BoolArray:
    """Which compared candidates were not hopeless for which of their tasks at the last rung, [C, T]."""
    last = rungs[-1]
    compared_C = np.isin(np.arange(len(plan.candidates)), last.compared)
    return np.asarray(plan.candidates.members_CT & compared_C[:, None] & ~last.hopeless_CT)


def saved(plan: Plan, searched: Collection[Trial]) -> float:
    """Share of the search's network-epochs that was not trained, audits and checks of dropped candidates included."""
    if plan.spec.candidates.halving is None:
        return 0.0
    reached: dict[tuple[Identity, int], float] = {}
    trained = {plan.key(c) for c in np.flatnonzero(plan.trained_C).tolist()}
    for trial in searched:
        if trial.identity in trained:
            key = trial.identity, trial.seed
            reached[key] = max(trial.fraction, reached.get(key, 0.0))
    return 1 - sum(reached.values()) / len(reached)


def early_warning(plan: Plan) -> tuple[str, ...]:
    """A sentence where groups are compared so early that ranks say next to nothing."""
    if not plan.rungs or plan.rungs[0] >= EARLY:
        return ()
    warning = (
        f"halving compares groups after {plan.rungs[0]:.0%} of training: before {EARLY:.0%} ranks are near chance, "
        "so good groups may have been dropped"
    )
    return (warning,)


def _compare(
    plan: Plan,
    results: Mapping[Trial, TrialResult],
    failures: Mapping[Trial, str],
    fraction: float,
    keep: float,
    gone: Collection[int],
) -> Rung:
    """Compare the groups that are still in, each relative to the single tasks at the same moment."""
    curves = curves_of(plan, results)
    reference_losses(plan, curves, failures)  # says what is wrong where a task has nothing to be relative to
    inside_C = plan.shared_C & ~np.isin(np.arange(len(plan.candidates)), list(gone))
    relative_CT = np.where(inside_C[:, None], at_rung(curves, len(curves.steps_S) - 1, plan.single_T).mean_CT, np.nan)
    compared = relative_CT, plan.candidates.members_CT, plan.capacity_C, keep
    out_C = dropped(*compared) & plan.halved_C
    read_C = inside_C & ~np.isnan(relative_CT).all(axis=1)
    inside, out = (tuple(np.flatnonzero(which_C).tolist()) for which_C in (read_C, out_C))
    return Rung(fraction, inside, out, hopeless(*compared))
