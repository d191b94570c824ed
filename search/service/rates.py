"""How often somebody may ask: a token bucket for each asker, filled again as time passes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Rates"]

_MOST_ASKERS = 20_000


class Rates:
    """Buckets by asker.

    Args:
        per_second: What flows into a bucket.
        burst: What a bucket holds, and so how many requests may come at once.
        clock: Monotonic seconds.
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = max(1.0, burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, asker: str) -> float:
        """Take one request out of the asker's bucket; returns 0, or the seconds until there is one again."""
        now = self._clock()
        level, at = self._buckets.pop(asker, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._per_second)
        wait = 0.0 if level >= 1 else (1 - level) / self._per_second
        # A refused request takes nothing, or whoever asks on and on would never be served again.
        self._buckets[asker] = (level if wait else level - 1, now)
        if len(self._buckets) > _MOST_ASKERS:
            self._buckets.popitem(last=False)
        return wait
