"""A variance from few seeds learns from others of its kind, as far as they agree, and from nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import polygamma

from grouping.moderation import Variance, _inverse_trigamma, moderated


def drawn(values: np.ndarray, df: int, rng: np.random.Generator) -> list[Variance]:
    """Estimates with so many degrees of freedom of some true variances."""
    return [Variance(float(value * rng.chisquare(df) / df), float(df)) for value in values]


def test_peers_that_agree_count_for_as_much_as_they_may() -> None:
    rng = np.random.default_rng(0)
    found = [moderated(own, peers) for own, *peers in (drawn(np.full(11, 2.0), 4, rng) for _ in range(300))]
    assert np.mean([one.value for one in found]) == pytest.approx(2.0, rel=0.05)
    assert np.std([one.value for one in found]) < 0.45 * 2.0 * math.sqrt(2 / 4)  # of what four degrees of freedom leave
    assert max(one.df for one in found) == 24.0  # its own four, and half of the peers' forty


def test_peers_that_disagree_count_for_little() -> None:
    rng = np.random.default_rng(1)
    found = [moderated(Variance(1.0, 4.0), drawn(np.exp(3 * rng.standard_normal(10)), 4, rng)) for _ in range(100)]
    assert np.median([one.df for one in found]) < 6.0
    assert np.median([abs(math.log(one.value)) for one in found]) < 0.5


def test_t_intervals_with_a_moderated_variance_cover_as_often_as_they_say() -> None:
    from scipy.stats import t as student

    rng = np.random.default_rng(2)
    inside, narrower = [], []
    for _ in range(2000):
        true = np.exp(0.3 * rng.standard_normal(11))  # variances that differ a little, as those of groupings do
        own, *peers = drawn(true, 4, rng)
        mean = math.sqrt(true[0] / 5) * rng.standard_normal()
        one = moderated(own, peers)
        half = student.ppf(0.95, one.df) * math.sqrt(one.value / 5)
        inside.append(abs(mean) <= half)
        narrower.append(half < student.ppf(0.95, own.df) * math.sqrt(own.value / 5))
    assert 0.88 <= np.mean(inside) <= 0.925
    assert np.mean(narrower) > 0.6


@pytest.mark.parametrize(
    ("own", "peers"),
    [
        (Variance(1.0, 4.0), [Variance(2.0, 4.0)] * 2),
        (Variance(1.0, 4.0), [Variance(2.0, 4.0), Variance(0.0, 4.0), Variance(2.0, 4.0)]),
        (Variance(1.0, 4.0), [Variance(math.inf, 1.0)] * 5),
        (Variance(0.0, 1.0), [Variance(2.0, 4.0)] * 5),
        (Variance(math.inf, 1.0), [Variance(2.0, 4.0)] * 5),
    ],
)
def test_nothing_is_learnt_from_too_few_or_from_what_is_not_known(own: Variance, peers: list[Variance]) -> None:
    assert moderated(own, peers) == own


@pytest.mark.parametrize("value", [1e-9, 1e-3, 0.3, 1.0, 20.0, 1e6])
def test_the_inverse_of_the_trigamma_function(value: float) -> None:
    assert float(polygamma(1, _inverse_trigamma(value))) == pytest.approx(value, rel=1e-6)
