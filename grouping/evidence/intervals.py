"""How sure a difference between groupings is: 95 % intervals over seeds and test rows at once.

The statistic is always the same, and free of units: the weighted mean over the main tasks of
``test loss / test loss of the task's single-task network``. Its error has two sources that a user would meet again:
another training (seeds) and other data (rows, drawn in clusters: weeks, scaffolds, groups). Each is measured by a
delete-one jackknife of the *whole* statistic, reference included, so the reference's own error is carried along.

Axes: ``R`` replicates (fresh seeds), ``T`` tasks, ``M`` the main ones among them, ``G`` clusters of test rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from grouping.candidates import FloatArray, IntArray, frozen
from grouping.errors import InputError
from grouping.moderation import Variance, moderated

__all__ = ["CONFIDENCE", "Interval", "TestLosses", "compare", "compare_with_random", "relative_loss"]

CONFIDENCE = 0.95
"""Two-sided confidence of every interval that is shown."""

_POWER = 0.8
"""Chance of finding a difference that numbers of seeds are stated for."""

_ROUNDING = 1e-9
"""Relative losses that differ by less are equal."""

_Statistic: TypeAlias = Callable[[Sequence[FloatArray]], FloatArray]


@dataclass(frozen=True)
class Interval:
    """An estimate with its t interval.

    Args:
        mean: The estimate.
        error: Its standard error; infinite where one seed or one cluster of rows says nothing about it.
        df: Degrees of freedom of the standard error.
        n: Seeds behind it.
        confidence: Two-sided, between 0 and 1.
        of_seeds: Share of the squared error that seeds are to blame for, and more of them would lessen; the rest is due
            to test rows, and to having drawn some random groupings only.
    """

    mean: float
    error: float
    df: float
    n: int
    confidence: float = CONFIDENCE
    of_seeds: float = 1.0

    @property
    def low(self) -> float:
        """Lower end; ``-inf`` where the error is unknown."""
        return self.mean - self._half_width

    @property
    def high(self) -> float:
        """Upper end; ``inf`` where the error is unknown."""
        return self.mean + self._half_width

    @property
    def below(self) -> bool:
        """Negative beyond the interval: for a difference of losses, the first one is better."""
        return self.high < -_ROUNDING

    @property
    def above(self) -> bool:
        """Positive beyond the interval: the first one is worse."""
        return self.low > _ROUNDING

    @property
    def bounded(self) -> bool:
        """Whether seeds and clusters were enough to say anything about the error."""
        return math.isfinite(self.error)

    def at(self, confidence: float) -> Interval:
        """The same estimate with another confidence."""
        return replace(self, confidence=confidence)

    def seeds_to_find(self) -> int | None:
        """Seeds that would show a difference as large as this one in 8 of 10 cases; None where no number of them would.

        At this confidence, for a normal error: seeds are many then. What looks large by chance needs more.
        """
        from scipy.special import ndtri  # 0.2 s, which whoever asks for no interval need not wait for

        if not self.bounded or self.error == 0 or self.mean == 0:
            return None
        allowed = (self.mean / float(ndtri((1 + self.confidence) / 2) + ndtri(_POWER))) ** 2
        left = allowed - (1 - self.of_seeds) * self.error**2
        return math.ceil(self.n * self.of_seeds * self.error**2 / left) if left > 0 else None

    @property
    def _half_width(self) -> float:
        from scipy.special import stdtrit  # 0.2 s, which whoever asks for no interval need not wait for

        if self.error == 0 or not self.bounded:
            return self.error
        return float(stdtrit(self.df, (1 + self.confidence) / 2)) * self.error


@dataclass(frozen=True, eq=False)
class TestLosses:
    """Row losses of one grouping on the test part, summed: one number per seed, task and cluster of rows.

    A grouping is a routing of tasks to trained networks: the numbers of a task come from the network that serves it.

    Args:
        sums_RTG: Summed row losses; NaN for tasks that are not served (auxiliary ones).
        counts_TG: Rows with a label, per task and cluster; zero where a cluster has none.
        by_rows: Whether clusters are known, so that the error of having other rows can be told. Without, one number a
            task is all there is, and intervals are over seeds alone.

    Raises:
        InputError: shapes that disagree, negative counts, or an infinite sum.
    """

    __test__ = False  # not a pytest class

    sums_RTG: FloatArray
    counts_TG: FloatArray
    by_rows: bool = True

    def __post_init__(self) -> None:
        sums_RTG = np.asarray(self.sums_RTG, dtype=float)
        counts_TG = np.asarray(self.counts_TG, dtype=float)
        if sums_RTG.ndim != 3 or sums_RTG.shape[1:] != counts_TG.shape or not sums_RTG.size:
            raise InputError(
                f"test losses have shape {sums_RTG.shape} and counts {counts_TG.shape}, "
                "expected (seeds, tasks, clusters) and (tasks, clusters), none of them empty"
            )
        if np.isinf(sums_RTG).any() or not (np.isfinite(counts_TG) & (counts_TG >= 0)).all():
            raise InputError("test losses must not be infinite, and counts of rows are 0 or more")
        object.__setattr__(self, "sums_RTG", frozen(sums_RTG))
        object.__setattr__(self, "counts_TG", frozen(counts_TG))

    @property
    def seeds(self) -> int:
        return len(self.sums_RTG)

    @property
    def mean_T(self) -> FloatArray:
        """Mean row loss per task over all seeds and labelled rows, [T]; NaN without rows."""
        rows_T = self.seeds * self.counts_TG.sum(axis=1)
        sums_T = self.sums_RTG.sum(axis=(0, 2))
        mean_T: FloatArray = np.divide(sums_T, rows_T, out=np.full(sums_T.shape, np.nan), where=rows_T > 0)
        return mean_T


def relative_loss(losses: TestLosses, reference: TestLosses, weights_T: FloatArray) -> Interval:
    """Weighted mean over tasks of loss relative to the reference; 1.0 is as good as one network per task.

    Args:
        losses: The grouping.
        reference: The single-task networks, trained with the same seeds and scored on the same rows.
        weights_T: Weights of the tasks, [T]; 0 leaves a task (an auxiliary one) out.

    Raises:
        InputError: shapes or rows that disagree, no weight, a task without test rows, a reference loss of 0 or less.
    """
    tasks_M, weights_M = _main_tasks(weights_T, reference, (losses,))
    return _jackknife(lambda means: (means[0] / means[1]) @ weights_M, (losses, reference), tasks_M)


def compare(a: TestLosses, b: TestLosses, reference: TestLosses, weights_T: FloatArray) -> Interval:
    """Relative loss of ``a`` minus that of ``b``, paired over seeds and rows; negative: ``a`` is better.

    The variance is the sum of two delete-one jackknives, over seeds and over clusters of rows: an upper estimate, since
    their interaction is counted twice (unbiased versions subtract it, gain 5 % of width and lose stability at 3 seeds).
    Degrees of freedom follow Satterthwaite (1946). Coverage on planted tables: see ``verdict``.

    Args:
        a: First grouping.
        b: Second grouping, trained with the same seeds in the same order.
        reference: The single-task networks (see ``relative_loss``).
        weights_T: Weights of the tasks, [T].

    Raises:
        InputError: as ``relative_loss``.
    """
    tasks_M, weights_M = _main_tasks(weights_T, reference, (a, b))
    return _jackknife(_difference(weights_M), (a, b, reference), tasks_M)


def compare_with_random(
    a: TestLosses,
    randoms: Sequence[TestLosses],
    reference: TestLosses,
    weights_T: FloatArray,
    *,
    possible: int | None = None,
) -> Interval:
    """Relative loss of ``a`` minus the mean over random groupings; negative: ``a`` is better than a random one.

    To the variance of ``compare`` comes that of having drawn only some groupings, ``s^2 / draws`` with ``draws - 1``
    degrees of freedom, times the finite population correction ``1 - draws / possible`` where few groupings exist.

    How much seeds matter is known better than from the choice alone: each random grouping, compared with the mean of
    the others, has a variance over seeds of the same kind. The choice's is moderated by theirs (``moderated``).

    Args:
        a: The chosen grouping.
        randoms: Distinct random groupings of the same cost.
        reference: The single-task networks.
        weights_T: Weights of the tasks, [T].
        possible: How many groupings could have been drawn (``baselines.partition_count``); default: infinitely many.

    Raises:
        InputError: no random grouping, or as ``relative_loss``.
    """
    if not randoms:
        raise InputError("there is no random grouping to compare with", fix="Give at least one")
    tasks_M, weights_M = _main_tasks(weights_T, reference, (a, *randoms))
    values = np.array([(r.mean_T[tasks_M] / reference.mean_T[tasks_M]) @ weights_M for r in randoms])
    draws = len(values)
    undrawn = 1.0 if possible is None else max(0.0, 1.0 - draws / possible)
    if undrawn == 0:
        drawing = Variance(0.0, 1.0)
    elif draws == 1:
        drawing = Variance(math.inf, 1.0)
    else:
        drawing = Variance(undrawn * float(values.var(ddof=1)) / draws, draws - 1.0)
    total_RTG = np.sum([r.sums_RTG for r in randoms], axis=0)

    def against(one: TestLosses, others_RTG: FloatArray) -> tuple[TestLosses, TestLosses, TestLosses]:
        return one, TestLosses(others_RTG, one.counts_TG, one.by_rows), reference

    peers = [
        _over_seeds(_difference(weights_M), against(r, (total_RTG - r.sums_RTG) / (draws - 1)), tasks_M)._replace(
            df=a.seeds - 1.0  # on average; what few seeds say of the shape of their own distribution is mostly noise
        )
        for r in (randoms if draws > 1 else ())
    ]
    parts = against(a, total_RTG / draws)
    return _jackknife(_difference(weights_M), parts, tasks_M, drawing, peers=peers)


def _difference(weights_M: FloatArray) -> _Statistic:
    return lambda means: ((means[0] - means[1]) / means[2]) @ weights_M


def _main_tasks(
    weights_T: FloatArray, reference: TestLosses, others: Sequence[TestLosses]
) -> tuple[IntArray, FloatArray]:
    """Indices of the tasks that count and their weights, which sum to 1, once everything is known to be comparable."""
    weights_T = np.asarray(weights_T, dtype=float)
    counts_TG = reference.counts_TG
    for part in others:
        if part.sums_RTG.shape != reference.sums_RTG.shape:
            raise InputError(
                f"test losses of shapes {part.sums_RTG.shape} and {reference.sums_RTG.shape} cannot be paired",
                fix="Use the same seeds, tasks and clusters of rows for every grouping",
            )
        if not np.array_equal(part.counts_TG, counts_TG):
            raise InputError("test losses were counted on different rows", fix="Score every grouping on the same rows")
    if weights_T.shape != counts_TG.shape[:1] or not (np.isfinite(weights_T) & (weights_T >= 0)).all():
        raise InputError(f"the weights {weights_T} are not {len(counts_TG)} finite numbers of 0 or more")
    tasks_M = np.flatnonzero(weights_T > 0)
    if not len(tasks_M):
        raise InputError("no task has a weight above 0", fix="Give at least one main task")
    for t in tasks_M:
        if not counts_TG[t].any():
            raise InputError(f"task {t} has no labelled row in the test part", fix="Split again or drop the task")
        if any(np.isnan(part.sums_RTG[:, t]).any() for part in (reference, *others)):
            raise InputError(f"task {t} is not served by every grouping that is compared", fix="Give it weight 0")
        if not reference.mean_T[t] > 0:
            raise InputError(
                f"the single-task network of task {t} has the test loss {reference.mean_T[t]:g}, "
                "so no loss can be relative to it",
                fix="Use a positive loss (an error, a cross-entropy)",
            )
    return tasks_M, weights_T[tasks_M] / weights_T[tasks_M].sum()


def _jackknife(
    statistic: _Statistic,
    parts: Sequence[TestLosses],
    tasks_M: IntArray,
    *further: Variance,
    peers: Sequence[Variance] = (),
) -> Interval:
    """The statistic of the parts' mean losses with the variance of both jackknives and any further source of error.

    ``peers`` are variances over seeds of other groupings, which that of the parts is moderated by.
    """
    sums_M, rows_MG, rows_M = _totals(parts, tasks_M)
    seeds = parts[0].seeds
    estimate = float(statistic([total_M / (seeds * rows_M) for total_M in sums_M]))
    clusters_GM = [part.sums_RTG[:, tasks_M].sum(axis=0).T for part in parts]
    over_seeds = moderated(_over_seeds(statistic, parts, tasks_M), peers)
    sources = [*further, over_seeds]
    if all(part.by_rows for part in parts):
        sources.append(_without(statistic, sums_M, clusters_GM, seeds * (rows_M - rows_MG.T)))
    variance = sum(source.value for source in sources)
    if not 0 < variance < math.inf:
        return Interval(estimate, math.sqrt(variance), 1.0, seeds)
    df = variance**2 / sum(source.value**2 / source.df for source in sources)
    return Interval(estimate, math.sqrt(variance), df, seeds, of_seeds=over_seeds.value / variance)


def _over_seeds(statistic: _Statistic, parts: Sequence[TestLosses], tasks_M: IntArray) -> Variance:
    """Jackknife variance over seeds."""
    sums_M, _, rows_M = _totals(parts, tasks_M)
    seeds_RM = [part.sums_RTG[:, tasks_M].sum(axis=2) for part in parts]
    return _without(statistic, sums_M, seeds_RM, (parts[0].seeds - 1) * rows_M)


def _totals(parts: Sequence[TestLosses], tasks_M: IntArray) -> tuple[list[FloatArray], FloatArray, FloatArray]:
    """Summed losses of each part, [M], rows by cluster, [M, G], and rows, [M]."""
    rows_MG = parts[0].counts_TG[tasks_M]
    return [part.sums_RTG[:, tasks_M].sum(axis=(0, 2)) for part in parts], rows_MG, rows_MG.sum(axis=1)


def _without(
    statistic: _Statistic, sums_M: Sequence[FloatArray], dropped_KM: Sequence[FloatArray], left: FloatArray
) -> Variance:
    """Jackknife variance from what remains when one of K units is left out; ``left`` are the rows that remain."""
    with np.errstate(divide="ignore", invalid="ignore"):  # one seed or cluster: nothing is left, its variance unknown
        means = [(total_M - part_KM) / left for total_M, part_KM in zip(sums_M, dropped_KM, strict=True)]
        return _variance(statistic(means))


def _variance(without_K: FloatArray) -> Variance:
    """Jackknife variance from the K values that remain when one unit is left out.

    Its degrees of freedom are those of a variance with the observed fourth moment,
    ``2 / (sum d^4 / (sum d^2)^2 - 1/K)``, and K - 1 at most: few clusters often carry most of the variance, since
    they are unequal in size and their losses are skewed.
    """
    units = len(without_K)
    if units < 2 or not np.isfinite(without_K).all():
        return Variance(math.inf, 1.0)
    deviation_K = without_K - without_K.mean()
    squares = float(deviation_K @ deviation_K)
    if squares == 0:
        return Variance(0.0, 1.0)
    excess = float((deviation_K**4).sum()) / squares**2 - 1 / units
    df = units - 1.0 if excess * (units - 1) <= 2 else max(1.0, 2 / excess)
    return Variance((units - 1) / units * squares, df)
