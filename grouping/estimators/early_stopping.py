"""ESA: losses read early in training stand for the final ones.

Early-stopping approximation, Standley et al., ICML 2020: every group is trained for a fraction of the steps, the
grouping is chosen by those losses, and only the chosen networks are trained to the end. Early losses are on another
scale than final ones: their order counts, and an objective made of them is no forecast.
"""

from __future__ import annotations

from dataclasses import replace

from grouping.losses import LossTable

__all__ = ["early_stopping"]


def early_stopping(early: LossTable) -> LossTable:
    """The early losses, marked as estimates.

    Args:
        early: Losses after a fraction of training: from ``CurveTable.at_fraction``, or a table of them.
    """
    return replace(early, estimated_CT=early.candidates.members_CT)
