"""Methods by name."""

from __future__ import annotations

from collections.abc import Callable

from search.balancing import GRADIENT_METHODS, Balancing, BalancingName
from search.training.balancing import weights
from search.training.balancing.agreement import Agreement
from search.training.balancing.balancer import Balancer, Setting
from search.training.balancing.feature_mgda import FeatureMgda
from search.training.balancing.gradients import Aggregated

__all__ = ["METHODS", "make_balancer"]

METHODS: dict[BalancingName, Callable[[Balancing, Setting], Balancer]] = {
    "equal": weights.Equal,
    "uncertainty": weights.Uncertainty,
    "dwa": weights.MovingAverage,
    "gradnorm": weights.GradNorm,
    "random": weights.RandomWeights,
    "geometric-mean": weights.GeometricMean,
    "imtl-l": weights.ImtlL,
    "famo": weights.Famo,
    **dict.fromkeys(GRADIENT_METHODS, Aggregated),
    "agreement": Agreement,
}
"""The built-in ways to balance."""


def make_balancer(balancing: Balancing, setting: Setting) -> Balancer:
    """A method for one network, at its start."""
    if balancing.name == "mgda" and balancing.by == "features":
        return FeatureMgda(balancing, setting)
    return METHODS[balancing.name](balancing, setting)
