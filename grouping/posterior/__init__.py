"""What a loss table with gaps says about every candidate: a Gaussian process over cells (group, task)."""

from grouping.posterior.model import CellModel, Observations, Posterior

__all__ = ["CellModel", "Observations", "Posterior"]
