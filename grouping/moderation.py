"""A variance from few seeds, moderated by those of its like: what a seed does differs little between groupings.

Smyth, *Linear models and empirical Bayes methods for assessing differential expression in microarray experiments*,
2004, section 6: variances of many alike quantities are draws about a common value; how far they spread beyond what
their degrees of freedom explain says how much the common value counts.

Axes: ``J`` peers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["FEWEST_PEERS", "Variance", "moderated"]

FEWEST_PEERS = 3
"""Peers that a common value is learnt from."""
_COUNTED = 0.5
"""Share of the peers' degrees of freedom that the common value counts with at most: it was learnt from them, and they
are not independent, as each was compared with the mean of the others, or all with the same network."""


class Variance(NamedTuple):
    """One source of error: its share of the variance, and how many degrees of freedom that is known with."""

    value: float
    df: float


def moderated(own: Variance, peers: Sequence[Variance]) -> Variance:
    """The variance as its own and those of its peers have it together.

    Args:
        own: What was found for the quantity itself.
        peers: Variances of quantities of the same kind; with fewer than three, or one of 0, nothing is learnt.
    """
    value_J, df_J = np.array([peer.value for peer in peers]), np.array([peer.df for peer in peers])
    if len(peers) < FEWEST_PEERS or not (np.isfinite(value_J) & (value_J > 0)).all() or not 0 < own.value < math.inf:
        return own
    from scipy.special import polygamma, psi  # 0.2 s, which whoever asks for no interval need not wait for

    log_J = np.log(value_J) - psi(df_J / 2) + np.log(df_J / 2)
    beyond = float(log_J.var(ddof=1) - polygamma(1, df_J / 2).mean())
    most = _COUNTED * float(df_J.sum())
    df = min(most, 2 * _inverse_trigamma(beyond)) if beyond > 0 else most
    common = math.exp(float(log_J.mean()) + (float(psi(df / 2)) - math.log(df / 2) if beyond > 0 else 0.0))
    return Variance((df * common + own.df * own.value) / (df + own.df), df + own.df)


def _inverse_trigamma(value: float) -> float:
    """Where the trigamma function has a value above 0: Newton's method on its reciprocal, which is almost linear."""
    from scipy.special import polygamma  # as above

    if value < 1e-6:
        return 1 / value
    found = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, found))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, found))
        found += step
        if abs(step) < 1e-10 * found:
            break
    return found
