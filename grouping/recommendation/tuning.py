"""Which learning rates were tried for a way to share, as a record."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tuning"]


@dataclass(frozen=True)
class Tuning:
    """Rates that were tried of one way to share.

    Args:
        sharing: The way.
        losses: Of each rate, as a multiple of the one that it was tried on top of, the mean validation loss of one
            network of all tasks, relative to hard sharing at the spec's rate.
        kept: The multiple that was kept.
    """

    sharing: str
    losses: tuple[tuple[float, float], ...]
    kept: float
