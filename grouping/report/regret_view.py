"""The regret of the choice in plain words."""

from __future__ import annotations

from grouping.recommendation import Regret
from grouping.report.wording import count, difference, share

__all__ = ["regret_text"]


def regret_text(regret: Regret) -> str:
    """What another grouping may be better by, and how likely none is."""
    others = "trained or not, " if regret.untrained else ""
    chance = f"The chance that none is better is {share(regret.best)}."
    if regret.high <= 0:
        return f"No grouping of {count(regret.rivals, 'network')}, {others}is expected to be better. {chance}"
    return (
        f"If all losses were known exactly, the best grouping of {count(regret.rivals, 'network')}, {others}would be "
        f"better than this one by {_loss(regret.expected)} on average, and by {_loss(regret.low)} to "
        f"{_loss(regret.high)} with 90 % certainty (validation loss). {chance}"
    )


def _loss(value: float) -> str:
    return difference(value).lstrip("+")
