"""Losses of linear models of several tasks, their gradients by the weights, and their duals.

A task's loss is the mean over the rows that have its label, so a task counts as much with few labels as with many. Its
intercept costs no penalty and is always the best one for the weights: so a loss is a function of the weights alone, and
the residuals of a task add up to zero, as its dual demands.

Axes: ``N`` rows, ``F`` inputs, ``T`` tasks, ``P`` patterns of missing labels.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from grouping.candidates import FloatArray
from grouping.linear.labelled import Labelled

__all__ = ["LogisticLoss", "Loss", "SquaredLoss", "loss_of"]

_NEWTON = 100
"""More than halving needs from any bounds."""
_CLOSE = 1e-13


class Loss(Protocol):
    """Sum over the tasks of their mean losses, convex and smooth in the weights."""

    shape: tuple[int, int]
    """Of the weights: inputs, tasks."""
    smoothness: float
    """By how much the gradient changes at most, per change of the weights."""

    def at(self, weights_FT: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient [F, T]."""
        ...

    def dual(self, weights_FT: FloatArray, share: float) -> float:
        """The dual objective at this share (0 to 1) of the residuals that the weights leave."""
        ...

    def intercept_T(self, weights_FT: FloatArray) -> FloatArray:
        """The best intercepts for the weights, [T]."""
        ...


def loss_of(data: Labelled) -> Loss:
    """The loss that goes with the kind of the labels."""
    return SquaredLoss(data) if data.kind == "regression" else LogisticLoss(data)


class SquaredLoss:
    """Half the mean squared error of each task, by its inputs' covariances: rows are looked at once.

    Needs memory for one matrix [F, F] for each pattern of missing labels.
    """

    def __init__(self, data: Labelled) -> None:
        self.shape = data.inputs_NF.shape[1], len(data.tasks)
        self._centre_F = data.inputs_NF.mean(axis=0)
        inputs_NF = data.inputs_NF - self._centre_F  # so that sums below lose no digits to large means
        known_NT = ~np.isnan(data.targets_NT)
        patterns_NP, self._pattern_T = np.unique(known_NT, axis=1, return_inverse=True)
        self._pattern_T = self._pattern_T.reshape(-1)
        self.covariance_PFF = np.empty((patterns_NP.shape[1], inputs_NF.shape[1], inputs_NF.shape[1]))
        mean_FP = np.empty((inputs_NF.shape[1], patterns_NP.shape[1]))
        for p, rows_N in enumerate(patterns_NP.T):
            here_NF = inputs_NF[rows_N]
            mean_FP[:, p] = here_NF.mean(axis=0)
            here_NF = here_NF - mean_FP[:, p]
            self.covariance_PFF[p] = here_NF.T @ here_NF / len(here_NF)
        rows_T = known_NT.sum(axis=0)
        self._mean_FT = mean_FP[:, self._pattern_T]
        self._target_T = np.nansum(data.targets_NT, axis=0) / rows_T
        centred_NT = np.where(known_NT, data.targets_NT - self._target_T, 0.0)
        self.covariance_FT = inputs_NF.T @ centred_NT / rows_T
        self._half_T = (centred_NT**2).sum(axis=0) / (2 * rows_T)
        self.smoothness = max(float(np.linalg.eigvalsh(one_FF)[-1]) for one_FF in self.covariance_PFF)

    def at(self, weights_FT: FloatArray) -> tuple[float, FloatArray]:
        product_FT = self._product(weights_FT)
        value = (weights_FT * (product_FT / 2 - self.covariance_FT)).sum() + self._half_T.sum()
        return float(value), product_FT - self.covariance_FT

    def dual(self, weights_FT: FloatArray, share: float) -> float:
        along = 2 * self._half_T.sum() - (weights_FT * self.covariance_FT).sum()
        return float(share * along - share**2 * self.at(weights_FT)[0])

    def intercept_T(self, weights_FT: FloatArray) -> FloatArray:
        return np.asarray(self._target_T - ((self._centre_F[:, None] + self._mean_FT) * weights_FT).sum(axis=0))

    def _product(self, weights_FT: FloatArray) -> FloatArray:
        if len(self.covariance_PFF) == 1:
            return np.asarray(self.covariance_PFF[0] @ weights_FT)
        product_FT = np.empty_like(weights_FT)
        for p, covariance_FF in enumerate(self.covariance_PFF):
            product_FT[:, self._pattern_T == p] = covariance_FF @ weights_FT[:, self._pattern_T == p]
        return product_FT


class LogisticLoss:
    """Mean logistic loss of each task in nats."""

    def __init__(self, data: Labelled) -> None:
        self.shape = data.inputs_NF.shape[1], len(data.tasks)
        self._inputs_NF = data.inputs_NF
        self._known_NT = ~np.isnan(data.targets_NT)
        self._rows_T = self._known_NT.sum(axis=0)
        self._targets_NT = np.where(self._known_NT, data.targets_NT, 0.0)
        share_T = self._targets_NT.sum(axis=0) / self._rows_T
        self._share_T, self._level_T = share_T, np.log(share_T / (1 - share_T))
        patterns_NP = np.unique(self._known_NT, axis=1)
        # Profiling out the intercept only flattens: the second derivative is that of centred inputs at most.
        self.smoothness = max(_largest(data.inputs_NF[rows_N]) / 4 for rows_N in patterns_NP.T)

    def at(self, weights_FT: FloatArray) -> tuple[float, FloatArray]:
        logits_NT = self._logits(weights_FT)
        losses_NT = np.where(self._known_NT, np.logaddexp(0.0, logits_NT) - self._targets_NT * logits_NT, 0.0)
        residual_NT = np.where(self._known_NT, _sigmoid(logits_NT) - self._targets_NT, 0.0) / self._rows_T
        return float((losses_NT.sum(axis=0) / self._rows_T).sum()), np.asarray(self._inputs_NF.T @ residual_NT)

    def dual(self, weights_FT: FloatArray, share: float) -> float:
        chance_NT = share * _sigmoid(self._logits(weights_FT)) + (1 - share) * self._targets_NT
        entropy_NT = -_x_log_x(chance_NT) - _x_log_x(1 - chance_NT)
        return float((np.where(self._known_NT, entropy_NT, 0.0).sum(axis=0) / self._rows_T).sum())

    def intercept_T(self, weights_FT: FloatArray) -> FloatArray:
        """By Newton's method between bounds that hold the root, halving where a step would leave them."""
        scores_NT = self._inputs_NF @ weights_FT
        low_T = self._level_T - np.where(self._known_NT, scores_NT, -np.inf).max(axis=0)
        high_T = self._level_T - np.where(self._known_NT, scores_NT, np.inf).min(axis=0)
        intercept_T = np.clip(self._level_T, low_T, high_T)
        for _ in range(_NEWTON):
            chance_NT = np.where(self._known_NT, _sigmoid(scores_NT + intercept_T), 0.0)
            excess_T = chance_NT.sum(axis=0) / self._rows_T - self._share_T
            if (np.abs(excess_T) <= _CLOSE).all():
                break
            low_T = np.where(excess_T < 0, intercept_T, low_T)
            high_T = np.where(excess_T > 0, intercept_T, high_T)
            slope_T = (chance_NT * (1 - chance_NT)).sum(axis=0) / self._rows_T
            step_T = intercept_T - excess_T / np.maximum(slope_T, 1e-300)
            inside_T = (step_T > low_T) & (step_T < high_T)
            intercept_T = np.where(excess_T == 0, intercept_T, np.where(inside_T, step_T, (low_T + high_T) / 2))
        return np.asarray(intercept_T)

    def _logits(self, weights_FT: FloatArray) -> FloatArray:
        return np.asarray(self._inputs_NF @ weights_FT + self.intercept_T(weights_FT))


def _largest(inputs_NF: FloatArray) -> float:
    """The largest eigenvalue of the inputs' covariance."""
    return float(np.linalg.norm(inputs_NF - inputs_NF.mean(axis=0), 2) ** 2 / len(inputs_NF))


def _sigmoid(logits: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)))


def _x_log_x(chance: FloatArray) -> FloatArray:
    return np.asarray(chance * np.log(np.where(chance > 0, chance, 1.0)))
