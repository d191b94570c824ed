"""A trial function with a known truth, in place of training: losses follow from who shares with whom.

Tasks of one planted group help each other, all others harm; noise follows from the trial's identity, as in training.
"""

from __future__ import annotations

import numpy as np

from search.errors import TrialError
from search.training.experiment import Experiment
from search.trials import TestScores, Trial, TrialResult, stream_seed

GROUPS = (frozenset({"g0_0", "g0_1", "g0_2"}), frozenset({"g1_0", "g1_1", "g1_2"}))
READINGS = 8
STEPS_EACH = 10
CLUSTERS, ROWS = 24, 10


def true_loss(task: str, tasks: tuple[str, ...], capacity: float) -> float:
    """Relative loss: partners of the same group help by 6 %, others harm by 9 %, capacity helps a little."""
    friends = next(group for group in GROUPS if task in group)
    partners = [other for other in tasks if other != task]
    effect = np.mean([-0.06 if other in friends else 0.09 for other in partners]) if partners else 0.0
    return float((1 + effect) * capacity**-0.02)


def planted(experiment: Experiment, trial: Trial) -> TrialResult:
    """What ``train`` would return in that world; picklable."""
    return planted_with_noise(experiment, trial, 0.005)


def noise_only(experiment: Experiment, trial: Trial) -> TrialResult:
    """A world in which it does not matter who shares with whom, nor how large a network is."""
    return planted_with_noise(experiment, trial, 0.02, effects=False)


def diverging_pairs(experiment: Experiment, trial: Trial) -> TrialResult:
    """As ``planted``, but one pair cannot be trained."""
    if set(trial.tasks) == {"g0_0", "g0_1"}:
        raise TrialError("non-finite loss at step 7")
    return planted(experiment, trial)


def planted_with_noise(experiment: Experiment, trial: Trial, spread: float, *, effects: bool = True) -> TrialResult:
    readings = max(1, int(READINGS * trial.fraction + 1e-9))
    decay_S = 1 + 2.0 * np.exp(-1.5 * np.arange(1, READINGS + 1))
    rows, scores = [], []
    for task in trial.tasks:
        level = true_loss(task, trial.tasks, trial.capacity) if effects else 1.0
        random = np.random.default_rng(stream_seed(trial.seed, trial.network, task, trial.capacity, trial.phase))
        level *= float(np.exp(spread * random.standard_normal() / np.sqrt(trial.copies)))
        rows.append(level * decay_S[:readings])
        # Rows are as hard in every network; what a network adds is its level.
        hardness_G = np.random.default_rng(stream_seed(0, "rows", task)).gamma(4.0, 0.25, CLUSTERS) * ROWS
        scores.append(level * hardness_G)
    steps_S = np.arange(1, readings + 1, dtype=np.int64) * STEPS_EACH
    test = None
    if trial.phase == "confirm":
        counts = np.full((len(trial.tasks), CLUSTERS), float(ROWS))
        metrics = {
            task: {"RMSE": float(np.sqrt(sums.sum() / (CLUSTERS * ROWS)))}
            for task, sums in zip(trial.tasks, scores, strict=True)
        }
        test = TestScores(np.array(scores), counts, metrics)
    kept = readings - 1 if trial.phase == "confirm" else -1
    return TrialResult(steps_S, np.array(rows), 0.01, "planted:0", kept, test, b"weights" if test else b"")
