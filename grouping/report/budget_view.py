"""Loss against budget: the best grouping at every cost, its knee, and what was measured."""

from __future__ import annotations

from grouping.recommendation import Recommendation
from grouping.report.blocks import Block, Folded, picture
from grouping.report.labels import Figure
from grouping.report.tables import frontier

__all__ = ["budget_blocks"]


def budget_blocks(recommendation: Recommendation, figures: dict[str, Figure]) -> tuple[Block, ...]:
    """The section."""
    caption = (
        "The line is what the choice was made on (selection losses); filled marks were measured on fresh seeds and "
        "test data, with 95 % intervals, so the two sets lie on different data. The tinted part lies beyond the budget."
    )
    if len(recommendation.frontier) > 2:
        caption += " The ring is the knee: most of what sharing less can win, for the least cost."
    return (
        *picture(figures, "frontier", "Mean loss against serving cost", caption),
        Folded(frontier(recommendation)),
    )
