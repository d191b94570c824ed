"""When losses were read, on one scale: networks with batch sizes of their own take other numbers of steps.

Readings come at the same shares of a training whatever its batches are, so a share is what makes steps comparable.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grouping.candidates import FloatArray, IntArray
from search.networks.sharing import HARD, Sharing
from search.spec import TrainingSpec
from search.trials import Trial, TrialResult

__all__ = ["steps_on_one_scale"]


def steps_on_one_scale(training: TrainingSpec, results: Mapping[Trial, TrialResult]) -> dict[Trial, IntArray]:
    """Steps of every trial's readings, counted in batches of the spec's own size.

    Args:
        training: The spec's, with the batch size that counts.
        results: What was trained; unchanged where nothing has a batch size of its own.
    """
    steps = {trial: result.steps_S for trial, result in results.items()}
    size = {trial: _batch_size(trial, training) for trial in results}
    known = [trial for trial in results if size[trial] == training.batch_size]
    if not known or len(known) == len(results):
        return steps
    shares = {trial: _shares(trial, len(steps[trial]), training) for trial in results}
    furthest = max(known, key=lambda trial: shares[trial][-1])
    whole = round(steps[furthest][-1] / shares[furthest][-1])
    for trial in results:
        if size[trial] != training.batch_size:
            steps[trial] = np.ceil(shares[trial] * whole - 1e-6).astype(np.int64)
    return steps


def _batch_size(trial: Trial, training: TrainingSpec) -> int:
    own = None if trial.sharing == HARD else Sharing.parse(trial.sharing).settings.batch_size
    return training.batch_size if own is None else own


def _shares(trial: Trial, readings: int, training: TrainingSpec) -> FloatArray:
    """Shares of the whole training at which a trial was read, [S]."""
    whole = training.epochs * training.readings_per_epoch
    count_S = np.arange(1, readings + 1)
    if readings == max(1, int(trial.fraction * whole + 1e-9)):
        return count_S / whole
    return count_S * trial.fraction / readings  # batches so large that an epoch has fewer steps than readings
