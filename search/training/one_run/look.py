"""Trials that are looked at, as workers train them: one network of all tasks, and what was seen of it as arrays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from grouping.candidates import FloatArray
from grouping.estimators.linearised import Expansion, Linearisation
from search.execution.executor import this_worker
from search.networks.latency import one_thread
from search.training.experiment import Experiment
from search.training.one_run.joint_run import JointRun
from search.training.one_run.linearise import linearise
from search.training.one_run.pair_scores import pair_scores
from search.training.packs import OneByOne
from search.trials import Trial, TrialResult

__all__ = ["as_linearisation", "look_at", "train_looked_at"]


def look_at(experiment: Experiment, trial: Trial) -> TrialResult:
    """Train a ``gradients`` or ``linearise`` trial with the plain loop, whichever engine trains the run.

    Raises:
        TrialError: a loss that is not finite or has exploded.
    """
    began = time.process_time()
    with one_thread():
        run = JointRun(experiment, trial)
        seen = asdict(pair_scores(run)) if trial.phase == "gradients" else _as_arrays(linearise(run))
    return TrialResult(run.plan.steps_S, run.curve_TS, time.process_time() - began, this_worker(), seen={**seen})


train_looked_at = OneByOne(look_at)
"""The same for packs."""


def _as_arrays(model: Linearisation) -> dict[str, FloatArray]:
    parts = {"training": model.training, "validation": model.validation}
    return {f"{part} {name}": values for part, found in parts.items() for name, values in vars(found).items()}


def as_linearisation(seen: Mapping[str, FloatArray]) -> Linearisation:
    """What ``look_at`` saw of a ``linearise`` trial."""
    names = Expansion.__dataclass_fields__
    training, validation = (
        Expansion(**{name: np.asarray(seen[f"{part} {name}"]) for name in names}) for part in ("training", "validation")
    )
    return Linearisation(training, validation)
