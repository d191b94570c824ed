"""How much longer a run takes: what was predicted before its long part began, corrected by how it goes since."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Forecast", "about"]

_WEIGHT = 20
"""Trainings that the prediction counts for: the first packs to end say more about packs than about the run."""


@dataclass(frozen=True)
class Forecast:
    """A prediction, made when workers and engine were known.

    Args:
        trainings: How many were expected to follow.
        seconds: Wall seconds that they were predicted to take.
        done: Trainings that the run had behind it by then.
        worked: Seconds that it had worked by then: starting workers and timing engines is not repeated.
    """

    trainings: int
    seconds: float
    done: int = 0
    worked: float = 0.0

    def left(self, planned: int, done: int, worked: float) -> float:
        """Seconds until ``planned`` trainings are done, of which ``done`` are, after ``worked`` seconds of work."""
        since, trained = max(0.0, worked - self.worked), max(0, done - self.done)
        if not trained:
            return max(0.0, self.seconds - since)
        predicted = self.seconds / max(1, self.trainings)
        return max(0, planned - done) * (since + _WEIGHT * predicted) / (trained + _WEIGHT)


def about(seconds: float) -> str:
    """A time that is not known well, as people say it: "about 40 s", "about 4 min", "about 3 h 20 min"."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s" if seconds < 10 else f"about {round(seconds / 5) * 5} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min"
    hours, minutes = divmod(round(minutes / 10) * 10, 60)
    return f"about {hours} h {minutes} min" if minutes else f"about {hours} h"
