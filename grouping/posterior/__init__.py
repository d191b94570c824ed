"""What a loss table with gaps says about every candidate: a Gaussian process over cells (group, task)."""

from grouping.posterior.belief import Belief, Believed
from grouping.posterior.model import CellModel, Observations, Posterior, Variances
from grouping.posterior.smoothing import Smoothing

__all__ = ["Belief", "Believed", "CellModel", "Observations", "Posterior", "Smoothing", "Variances"]
