"""The Gaussian process itself: variances by evidence, means, deviations and joint draws of every cell.

Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, sections 2.2 and 5.4.1; the variances maximise
the marginal likelihood times a log-normal prior, so that a handful of trainings is enough.

Axes: ``A`` cells, ``N`` observed ones among them, ``P`` parts of the kernel, ``C`` candidates, ``T`` tasks, ``D``
draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.errors import InputError
from grouping.posterior.kernel import PRIOR_VARIANCE_P, Cells, likeness, self_likeness

__all__ = ["CellModel", "Observations", "Posterior", "Variances"]

_PRIOR_SPREAD = 3.0
"""Standard deviation of the logarithm of a variance before anything is seen; small ones make intervals too wide."""
_NOISE = 0.1
"""What a single training's noise is expected to explain, relative to the variance of the measured cells."""
_MOST_FITTED = 500
"""Cells that variances are fitted to; of more, as many at even distances."""
_JITTER = 1e-8
_REMEMBERED = 1_500
"""Cells up to which the likeness of all of them is kept (160 MB)."""
_AT_ONCE = 2_000
_MOST_DRAWN = 6_000
"""Cells that can be drawn together: their covariance takes 290 MB."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Measured cells.

    Args:
        cell_N: Which cells.
        mean_N: Mean loss over the replicates of each.
        count_N: How many replicates; a mean of several is that much less noisy.
    """

    cell_N: IntArray
    mean_N: FloatArray
    count_N: FloatArray


@dataclass(frozen=True, eq=False)
class Variances:
    """What the evidence says.

    Args:
        part_P: Variance of each part of the kernel, in squared units of the losses.
        noise: Variance of one training.
    """

    part_P: FloatArray
    noise: float


class CellModel:
    """The model of a set of candidates; the likeness of their cells is computed once.

    Args:
        members_CT: Who shares.
    """

    def __init__(self, members_CT: BoolArray) -> None:
        self.members_CT = np.asarray(members_CT, dtype=bool)
        self.cells = Cells.of(self.members_CT)

    @cached_property
    def _all_PAA(self) -> FloatArray:
        return likeness(self.cells, self.cells)

    def _likeness(self, one_A: IntArray, other_A: IntArray) -> FloatArray:
        """Of every part between cells, [P, A, B]."""
        if len(self.cells) <= _REMEMBERED:
            return np.asarray(self._all_PAA[:, one_A[:, None], other_A])
        return likeness(self.cells[one_A], self.cells[other_A])

    def covariance(self, variances: Variances, one_A: IntArray, other_A: IntArray) -> FloatArray:
        """Covariance of the losses of cells before anything is measured, [A, B]."""
        if len(one_A) * len(other_A) <= _AT_ONCE**2:
            return np.tensordot(variances.part_P, self._likeness(one_A, other_A), 1)
        pieces = np.array_split(other_A, -(-len(one_A) * len(other_A) // _AT_ONCE**2))
        return np.hstack([np.tensordot(variances.part_P, self._likeness(one_A, piece), 1) for piece in pieces])

    def cell_of(self, values_CT: FloatArray) -> FloatArray:
        """The members' values as a vector over cells, [A]."""
        return np.asarray(values_CT[self.members_CT])

    def table_of(self, values_A: FloatArray) -> FloatArray:
        """The inverse, [C, T]; NaN off the members."""
        values_CT = np.full(self.members_CT.shape, np.nan)
        values_CT[self.members_CT] = values_A
        return values_CT

    def fit(self, seen: Observations, noise: float | None = None, start: Variances | None = None) -> Variances:
        """Variances of largest posterior density.

        Args:
            seen: At least two cells.
            noise: Variance of one training where it is known (0: a measured cell is the truth); None to learn it.
            start: Where to begin to look.
        """
        from scipy.linalg import cho_factor, cho_solve  # 0.2 s that the import of this module need not cost
        from scipy.optimize import minimize

        which = np.unique(np.linspace(0, len(seen.cell_N) - 1, min(_MOST_FITTED, len(seen.cell_N))).round().astype(int))
        cell_N, count_N = seen.cell_N[which], seen.count_N[which]
        parts_PNN = self._likeness(cell_N, cell_N)
        centred_N = seen.mean_N[which] - seen.mean_N.mean()
        scale = max(float(centred_N.var()), 1e-300)
        value_N = centred_N / np.sqrt(scale)
        given = None if noise is None else noise / scale
        prior_Q = np.log(np.append(PRIOR_VARIANCE_P, [] if given is not None else [_NOISE]))
        eye_NN = np.diag(1.0 / count_N)

        def loss(log_Q: FloatArray) -> tuple[float, FloatArray]:
            variance_Q = np.exp(log_Q)
            extra = given if given is not None else variance_Q[-1]
            cover_NN = np.tensordot(variance_Q[: len(PRIOR_VARIANCE_P)], parts_PNN, 1) + extra * eye_NN
            cover_NN[np.diag_indices_from(cover_NN)] += _JITTER
            lower = cho_factor(cover_NN, lower=True)
            weight_N = cho_solve(lower, value_N)
            inverse_NN = cho_solve(lower, np.eye(len(value_N)))
            inner_NN = inverse_NN - np.outer(weight_N, weight_N)
            slopes = list(np.einsum("pnm,nm->p", parts_PNN, inner_NN))
            if given is None:
                slopes.append(float((inner_NN * eye_NN).sum()))
            value = 0.5 * value_N @ weight_N + np.log(np.diag(lower[0])).sum()
            away_Q = (log_Q - prior_Q) / _PRIOR_SPREAD
            return (
                float(value + 0.5 * away_Q @ away_Q),
                0.5 * np.array(slopes) * variance_Q + away_Q / _PRIOR_SPREAD,
            )

        first_Q = prior_Q
        if start is not None:
            known = start.part_P if given is not None else np.append(start.part_P, start.noise)
            first_Q = np.clip(np.log(np.maximum(known / scale, 1e-12)), prior_Q - 8, prior_Q + 8)
        bounds = list(zip(prior_Q - 8, prior_Q + 8, strict=True))
        found = minimize(loss, first_Q, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 30})
        variance_Q = np.exp(found.x) * scale
        return Variances(variance_Q[: len(PRIOR_VARIANCE_P)], float(noise if noise is not None else variance_Q[-1]))

    def condition(self, seen: Observations, variances: Variances) -> Posterior:
        """What the observations say of every cell, given the variances."""
        from scipy.linalg import solve_triangular  # 0.2 s that the import of this module need not cost

        cover_NN = self.covariance(variances, seen.cell_N, seen.cell_N)
        jitter = _JITTER * float(variances.part_P.sum() + variances.noise)
        cover_NN[np.diag_indices_from(cover_NN)] += variances.noise / seen.count_N + jitter
        lower = np.asarray(np.linalg.cholesky(cover_NN), float)
        ones_N, value_N = solve_triangular(lower, np.stack([np.ones(len(lower)), seen.mean_N], axis=1), lower=True).T
        centre = float(ones_N @ value_N / (ones_N @ ones_N))  # the level, by generalised least squares
        white_N = value_N - centre * ones_N
        prior_A = variances.part_P @ self_likeness(self.cells)
        half_NA = solve_triangular(
            lower, self.covariance(variances, seen.cell_N, np.arange(len(self.cells))), lower=True
        )
        variance_A = np.maximum(prior_A - (half_NA**2).sum(axis=0), 0.0)
        return Posterior(self, centre + half_NA.T @ white_N, variance_A, variances, half_NA)


@dataclass(frozen=True, eq=False)
class Posterior:
    """What is known of the true mean loss of every cell: a normal distribution over the whole table.

    Args:
        model: The cells.
        mean_A: Means.
        variance_A: Variances.
        variances: What they rest on.
        half_NA: What the measurements take off the covariance: its own transpose times itself.
    """

    model: CellModel
    mean_A: FloatArray
    variance_A: FloatArray
    variances: Variances
    half_NA: FloatArray

    @cached_property
    def mean_CT(self) -> FloatArray:
        """Expected losses, [C, T]; NaN off the members."""
        return self.model.table_of(self.mean_A)

    @cached_property
    def sd_CT(self) -> FloatArray:
        """Standard deviations, [C, T]; NaN off the members."""
        return self.model.table_of(np.sqrt(self.variance_A))

    @property
    def noise(self) -> float:
        """Standard deviation of one training about its cell's true mean."""
        return float(np.sqrt(self.variances.noise))

    def draws(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Tables that may be true, [D, C, T]: joint draws of all cells.

        Raises:
            InputError: more cells than can be drawn together.
        """
        n_cells = len(self.mean_A)
        if n_cells > _MOST_DRAWN:
            raise InputError(
                f"{n_cells:,} cells (group, task) cannot be drawn together",
                fix=f"Draw for fewer candidates, of at most {_MOST_DRAWN:,} members in all",
            )
        every_A = np.arange(n_cells)
        cover_AA = self.model.covariance(self.variances, every_A, every_A) - self.half_NA.T @ self.half_NA
        value_A, vector_AA = np.linalg.eigh(cover_AA)
        root_AA = vector_AA * np.sqrt(np.maximum(value_A, 0.0))
        drawn_DA = self.mean_A + rng.standard_normal((count, n_cells)) @ root_AA.T
        drawn_DCT = np.full((count, *self.model.members_CT.shape), np.nan)
        drawn_DCT[:, self.model.members_CT] = drawn_DA
        return drawn_DCT
