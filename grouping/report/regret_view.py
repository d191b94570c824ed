"""The regret of the choice in plain words."""

from __future__ import annotations

from grouping.recommendation import Regret
from grouping.report.wording import count, difference, share

__all__ = ["regret_text"]

_RARE = 0.01


def regret_text(regret: Regret) -> str:
    """What another grouping may be better by, and how likely none is."""
    rivals = count(regret.rivals, "network") + (", trained or not," if regret.untrained else "")
    chance = f"The chance that none is better is {_chance(regret.best)}."
    if regret.high <= 0:
        return f"No grouping of {rivals} is expected to be better than this one. {chance}"
    return (
        f"If all losses were known exactly, the best grouping of {rivals} would be better than this one by "
        f"{_loss(regret.expected)} on average, and by {_loss(regret.low)} to {_loss(regret.high)} within the "
        f"90 % interval (validation loss). {chance}"
    )


def _chance(value: float) -> str:
    """A share of some hundred draws: 0 of them do not make an impossibility."""
    if value < _RARE:
        return f"below {share(_RARE)}"
    return f"above {share(1 - _RARE)}" if value > 1 - _RARE else share(value)


def _loss(value: float) -> str:
    return difference(value).lstrip("+")
