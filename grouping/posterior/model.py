"""The Gaussian process itself: variances by evidence, means, deviations and joint draws of every cell.

Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, section 2.2. An observation is the true mean
loss of a cell plus the luck of the trainings it is the mean of; luck is shared by trainings with one seed.

Axes: ``A`` cells, ``N`` observations, ``R`` seeds, ``P`` parts of the kernel, ``L`` parts of the luck, ``C``
candidates, ``T`` tasks, ``D`` draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.errors import InputError
from grouping.posterior.kernel import LUCK_L, PRIOR_LUCK_L, PRIOR_VARIANCE_P, Cells, likeness, self_likeness
from grouping.posterior.likelihood import Likelihood

__all__ = ["CellModel", "Observations", "Posterior", "Variances"]

_PRIOR_SPREAD = 3.0
"""Standard deviation of the logarithm of a variance before anything is seen; small ones make intervals too wide."""
_LUCK_SPREAD_L = np.array([3.0, 1.0, 1.0, 1.0, 1.0])
"""That of luck is known better: with one seed nothing else tells it from what is true. What a seed does to all
candidates of a task alike may be anything; it cancels in every comparison."""
_MOST_FITTED = 300
"""Observations that variances are fitted to; of more, those of cells at even distances."""
_JITTER = 1e-8
_REMEMBERED = 1_500
"""Cells up to which the likeness of all of them is kept (160 MB)."""
_AT_ONCE = 2_000
_MOST_DRAWN = 6_000
"""Cells that can be drawn together: their covariance takes 290 MB."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Measured losses: each the mean of a cell's trainings with some seeds.

    Args:
        cell_N: Which cells.
        value_N: Mean losses.
        seeds_RN: Which seeds each is the mean of; None where a measured cell is the truth.
    """

    cell_N: IntArray
    value_N: FloatArray
    seeds_RN: BoolArray | None

    @staticmethod
    def of(losses_RA: FloatArray, *, exact: bool) -> Observations:
        """All measured cells of a table, NaN where there is none: means where all have the same seeds, else singly."""
        known_RA = ~np.isnan(losses_RA)
        cell_N = np.flatnonzero(known_RA.any(axis=0))
        if exact or (known_RA[:, cell_N] == known_RA[:, cell_N[:1]]).all():
            return Observations(
                cell_N, np.nanmean(losses_RA[:, cell_N], axis=0), None if exact else known_RA[:, cell_N]
            )
        return Observations.singly(losses_RA)

    @staticmethod
    def singly(losses_RA: FloatArray) -> Observations:
        """Every training by itself, cell by cell."""
        cell_N, seed_N = np.nonzero(~np.isnan(losses_RA).T)
        return Observations(cell_N, losses_RA[seed_N, cell_N], np.arange(len(losses_RA))[:, None] == seed_N)

    @property
    def shared_NN(self) -> FloatArray:
        """What the lucks of two observations have in common, where that of one training is 1."""
        if self.seeds_RN is None:
            return np.zeros((len(self.cell_N), len(self.cell_N)))
        weight_RN = self.seeds_RN / self.seeds_RN.sum(axis=0)
        return np.asarray(weight_RN.T @ weight_RN)


@dataclass(frozen=True, eq=False)
class Variances:
    """What the evidence says.

    Args:
        part_P: Variance of each part of the kernel, in squared units of the losses.
        luck_L: Variance of each part of the luck of one training.
    """

    part_P: FloatArray
    luck_L: FloatArray


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

    def covariance(self, part_P: FloatArray, one_A: IntArray, other_A: IntArray) -> FloatArray:
        """Covariance of cells, given the variance of each part of the kernel, [A, B]."""
        if len(one_A) * len(other_A) <= _AT_ONCE**2:
            return np.tensordot(part_P, self._likeness(one_A, other_A), 1)
        pieces = np.array_split(other_A, -(-len(one_A) * len(other_A) // _AT_ONCE**2))
        return np.hstack([np.tensordot(part_P, self._likeness(one_A, piece), 1) for piece in pieces])

    def cell_of(self, values_CT: FloatArray) -> FloatArray:
        """The members' values as a vector over cells, [..., A]."""
        return np.asarray(values_CT[..., self.members_CT])

    def table_of(self, values_A: FloatArray) -> FloatArray:
        """The inverse, [..., C, T]; NaN off the members."""
        values_CT = np.full((*values_A.shape[:-1], *self.members_CT.shape), np.nan)
        values_CT[..., self.members_CT] = values_A
        return values_CT

    def fit(self, losses_RA: FloatArray, *, exact: bool, start: Variances | None = None) -> Variances:
        """Variances of largest posterior density.

        Args:
            losses_RA: Losses of every seed and cell, NaN where there is none; at least two cells.
            exact: Whether a measured cell is the truth, so that there is no luck.
            start: Where to begin to look.
        """
        likelihood, scale = self._likelihood(losses_RA, exact=exact)
        first_Q = None if start is None else np.append(start.part_P, [] if exact else start.luck_L) / scale
        return _variances(likelihood.most_probable(first_Q) * scale)

    def _likelihood(self, losses_RA: FloatArray, *, exact: bool) -> tuple[Likelihood, float]:
        """Of the variances relative to that of the measured losses, and that variance."""
        seen_A = np.flatnonzero(~np.isnan(losses_RA).all(axis=0))
        trainings = int((~np.isnan(losses_RA)).sum())
        fitted = max(2, len(seen_A) * _MOST_FITTED // max(trainings, _MOST_FITTED))
        which_A = seen_A[np.unique(np.linspace(0, len(seen_A) - 1, fitted).round().astype(int))]
        some_RA = np.full_like(losses_RA, np.nan)
        some_RA[:, which_A] = losses_RA[:, which_A]
        seen = Observations.of(some_RA, exact=True) if exact else Observations.singly(some_RA)
        centred_N = seen.value_N - seen.value_N.mean()
        scale = max(float(centred_N.var()), 1e-300)
        parts_QNN, prior_Q = self._likeness(seen.cell_N, seen.cell_N), PRIOR_VARIANCE_P
        if not exact:
            parts_QNN = np.concatenate([parts_QNN, parts_QNN[LUCK_L] * seen.shared_NN])
            prior_Q = np.append(prior_Q, PRIOR_LUCK_L)
        spread_Q = np.append(np.full(len(PRIOR_VARIANCE_P), _PRIOR_SPREAD), [] if exact else _LUCK_SPREAD_L)
        return Likelihood(parts_QNN, centred_N / np.sqrt(scale), prior_Q, spread_Q), scale

    def condition(self, seen: Observations, variances: Variances) -> Posterior:
        """What the observations say of every cell, given the variances."""
        from scipy.linalg import solve_triangular  # 0.2 s that the import of this module need not cost

        lower = self._factor(seen, variances)
        known_2N = np.stack([np.ones(len(seen.cell_N)), seen.value_N])
        ones_N, value_N = np.asarray(solve_triangular(lower, known_2N.T, lower=True)).T
        centre = float(ones_N @ value_N / (ones_N @ ones_N))  # the level, by generalised least squares
        white_N = value_N - centre * ones_N
        prior_A = variances.part_P @ self_likeness(self.cells)
        half_NA = solve_triangular(
            lower, self.covariance(variances.part_P, seen.cell_N, np.arange(len(self.cells))), lower=True
        )
        variance_A = np.maximum(prior_A - (half_NA**2).sum(axis=0), 0.0)
        return Posterior(self, centre + half_NA.T @ white_N, variance_A, variances, half_NA)

    def weights(self, seen: Observations, variances: Variances) -> FloatArray:
        """What every observation counts in the mean of every observed cell, [N, N]: rows sum to 1.

        They do not depend on the values, so that one pass serves any number of tables with numbers in the same places.
        """
        from scipy.linalg import cho_solve  # 0.2 s that the import of this module need not cost

        lower = self._factor(seen, variances)
        shared_NN = self.covariance(variances.part_P, seen.cell_N, seen.cell_N)
        gain_NN = cho_solve((lower, True), shared_NN).T
        level_N = cho_solve((lower, True), np.ones(len(lower)))
        return np.asarray(gain_NN + np.outer(1 - gain_NN.sum(axis=1), level_N / level_N.sum()))

    def _factor(self, seen: Observations, variances: Variances) -> FloatArray:
        """The lower Cholesky factor of the covariance of observations, [N, N]."""
        cover_NN = self.covariance(variances.part_P, seen.cell_N, seen.cell_N)
        if seen.seeds_RN is not None:
            cover_NN += self.covariance(_luck_P(variances), seen.cell_N, seen.cell_N) * seen.shared_NN
        cover_NN[np.diag_indices_from(cover_NN)] += _JITTER * float(variances.part_P.sum() + variances.luck_L.sum())
        return np.asarray(np.linalg.cholesky(cover_NN), float)


def _variances(part_Q: FloatArray) -> Variances:
    n_parts = len(PRIOR_VARIANCE_P)
    return Variances(part_Q[:n_parts], part_Q[n_parts:] if len(part_Q) > n_parts else np.zeros(len(LUCK_L)))


def _luck_P(variances: Variances) -> FloatArray:
    luck_P = np.zeros(len(PRIOR_VARIANCE_P))
    luck_P[LUCK_L] = variances.luck_L
    return luck_P


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

    @cached_property
    def noise_CT(self) -> FloatArray:
        """Standard deviation of one training but for what its seed does to all of a task alike; NaN off the members."""
        luck_P = _luck_P(self.variances)
        luck_P[0] = 0.0
        return self.model.table_of(np.sqrt(luck_P @ self_likeness(self.model.cells)))

    def draws(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Tables that may be true, [D, C, T]: joint draws of all cells.

        Raises:
            InputError: more cells than can be drawn together.
        """
        every_A = self._every_cell()
        cover_AA = self.model.covariance(self.variances.part_P, every_A, every_A) - self.half_NA.T @ self.half_NA
        return self.model.table_of(self.mean_A + _normal_draws(cover_AA, count, rng))

    def luck_draws(self, count: int, rng: np.random.Generator) -> FloatArray:
        """What one seed may do to every cell, [D, C, T].

        Raises:
            InputError: more cells than can be drawn together.
        """
        every_A = self._every_cell()
        cover_AA = self.model.covariance(_luck_P(self.variances), every_A, every_A)
        return self.model.table_of(_normal_draws(cover_AA, count, rng))

    def _every_cell(self) -> IntArray:
        n_cells = len(self.mean_A)
        if n_cells > _MOST_DRAWN:
            raise InputError(
                f"{n_cells:,} cells (group, task) cannot be drawn together",
                fix=f"Draw for fewer candidates, of at most {_MOST_DRAWN:,} members in all",
            )
        return np.arange(n_cells)


def _normal_draws(cover_AA: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Draws of mean 0 with a covariance that rounding may have made slightly indefinite, [D, A]."""
    value_A, vector_AA = np.linalg.eigh(cover_AA)
    root_AA = vector_AA * np.sqrt(np.maximum(value_A, 0.0))
    return np.asarray(rng.standard_normal((count, len(cover_AA))) @ root_AA.T)
