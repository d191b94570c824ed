"""How probable variance components are, given measured losses: the marginal likelihood times a log-normal prior.

Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, section 5.4.1, for the likelihood and its
slope. The prior makes a handful of trainings enough.

Axes: ``N`` observations, ``Q`` components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray

__all__ = ["Likelihood"]

_REACH = 8.0
"""Logarithm of the factor by which a component may differ from what was expected."""
_JITTER = 1e-8


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Of variance components.

    Args:
        parts_QNN: Covariance of the observations for each component of variance 1.
        value_N: Observations, about 0.
        prior_Q: Components that are expected before anything is seen.
        spread_Q: Standard deviations of their logarithms then.
    """

    parts_QNN: FloatArray
    value_N: FloatArray
    prior_Q: FloatArray
    spread_Q: FloatArray

    def loss(self, log_Q: FloatArray) -> tuple[float, FloatArray]:
        """Negative logarithm of the density at logarithms of components, but for a constant, and its slope."""
        from scipy.linalg import cho_factor, cho_solve  # 0.2 s that the import of this module need not cost

        part_Q = np.exp(log_Q)
        cover_NN = np.tensordot(part_Q, self.parts_QNN, 1)
        cover_NN[np.diag_indices_from(cover_NN)] += _JITTER
        lower = cho_factor(cover_NN, lower=True)
        weight_N = cho_solve(lower, self.value_N)
        inner_NN = cho_solve(lower, np.eye(len(self.value_N))) - np.outer(weight_N, weight_N)
        slope_Q = self.parts_QNN.reshape(len(part_Q), -1) @ inner_NN.ravel()
        away_Q = (log_Q - np.log(self.prior_Q)) / self.spread_Q
        value = 0.5 * self.value_N @ weight_N + np.log(np.diag(lower[0])).sum() + 0.5 * away_Q @ away_Q
        return float(value), 0.5 * slope_Q * part_Q + away_Q / self.spread_Q

    def most_probable(self, first_Q: FloatArray | None = None) -> FloatArray:
        """The most probable components; ``first_Q`` is where to begin to look."""
        from scipy.optimize import minimize  # 0.2 s that the import of this module need not cost

        low_Q, high_Q = np.log(self.prior_Q) - _REACH, np.log(self.prior_Q) + _REACH
        first_Q = self.prior_Q if first_Q is None else np.maximum(first_Q, 1e-12)
        bounds = list(zip(low_Q, high_Q, strict=True))
        start_Q = np.clip(np.log(first_Q), low_Q, high_Q)
        found = minimize(self.loss, start_Q, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 30})
        return np.asarray(np.exp(found.x))
