"""Natural metrics, for people: errors in the target's own unit, ranking quality, hit rates. Nothing is trained on them.

Small functions on NumPy arrays, each tested against scikit-learn. A metric that the rows leave undefined (one class
only, a constant target) is left out of the answer instead of being invented.

Axes: ``N`` labelled rows of one task, ``K`` classes.
"""

from __future__ import annotations

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.tasks import TaskType

__all__ = ["area_under_roc", "average_precision", "natural_metrics"]


def natural_metrics(
    kind: TaskType, outputs_NK: FloatArray, target_N: FloatArray, mean: float = 0.0, scale: float = 1.0
) -> dict[str, float]:
    """Metrics of one task by name.

    Args:
        kind: Type of the task.
        outputs_NK: Raw network outputs for labelled rows: standardised predictions [N, 1], or logits [N, 1] or [N, K].
        target_N: Labels as the network sees them: standardised, 0/1, or class index.
        mean: What standardising subtracted (regression).
        scale: What it divided by (regression).

    Returns:
        ``RMSE`` (the target's unit) and ``R2``; ``AUC``, ``average precision``, ``accuracy``, ``log loss`` (nats) for
        binary; ``accuracy`` and ``log loss`` for multiclass. Undefined ones are missing.
    """
    outputs_NK = np.asarray(outputs_NK, dtype=np.float64)
    target_N = np.asarray(target_N, dtype=np.float64)
    if not len(target_N):
        return {}
    if kind == "regression":
        return _regression(outputs_NK[:, 0] * scale + mean, target_N * scale + mean)
    if kind == "binary":
        return _binary(outputs_NK[:, 0], target_N > 0.5)
    return _multiclass(outputs_NK, target_N.astype(np.int64))


def _regression(predicted_N: FloatArray, actual_N: FloatArray) -> dict[str, float]:
    squares = float(np.square(actual_N - predicted_N).sum())
    spread = float(np.square(actual_N - actual_N.mean()).sum())
    metrics = {"RMSE": float(np.sqrt(squares / len(actual_N)))}
    if np.ptp(actual_N) > 0:
        metrics["R2"] = 1 - squares / spread
    return metrics


def _binary(logit_N: FloatArray, positive_N: BoolArray) -> dict[str, float]:
    metrics: dict[str, float] = {}
    if 0 < positive_N.sum() < len(positive_N):
        metrics["AUC"] = area_under_roc(logit_N, positive_N)
    if positive_N.any():
        metrics["average precision"] = average_precision(logit_N, positive_N)
    metrics["accuracy"] = float(((logit_N > 0) == positive_N).mean())
    metrics["log loss"] = float((np.logaddexp(0, logit_N) - np.where(positive_N, logit_N, 0)).mean())
    return metrics


def _multiclass(logit_NK: FloatArray, class_N: IntArray) -> dict[str, float]:
    actual_N = np.take_along_axis(logit_NK, class_N[:, None], axis=1)[:, 0]
    return {
        "accuracy": float((logit_NK.argmax(axis=1) == class_N).mean()),
        "log loss": float((np.logaddexp.reduce(logit_NK, axis=1) - actual_N).mean()),
    }


def area_under_roc(score_N: FloatArray, positive_N: BoolArray) -> float:
    """Probability that a positive row scores above a negative one, ties counting half (Mann-Whitney U)."""
    _, inverse_N, count = np.unique(score_N, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(count) - (count - 1) / 2
    positives = int(positive_N.sum())
    above = mid_rank[inverse_N][positive_N].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(positive_N) - positives)))


def average_precision(score_N: FloatArray, positive_N: BoolArray) -> float:
    """Sum over distinct thresholds, from high to low, of (gain in recall) x precision; no interpolation."""
    order_N = np.argsort(-score_N, kind="stable")
    hits_N = np.cumsum(positive_N[order_N])
    ends = np.flatnonzero(np.append(np.diff(score_N[order_N]) != 0, True))
    gain = np.diff(hits_N[ends], prepend=0) / hits_N[-1]
    return float((gain * hits_N[ends] / (ends + 1)).sum())
