"""All pairs first, then what HOA promises: trained, and chosen again, until nothing new is chosen.

Standley et al., ICML 2020, with the confirmation that the paper leaves out. Good where pairs are part of the best
grouping, wasteful where the best groups are large.
"""

from __future__ import annotations

import numpy as np

from grouping.acquisition.strategy import Situation, filled
from grouping.candidates import FloatArray
from grouping.estimators.higher_order import higher_order

__all__ = ["PairsFirst"]


class PairsFirst:
    """Costs n(n-1)/2 trainings before anything larger is trained."""

    def propose(self, situation: Situation, count: int, rng: np.random.Generator) -> list[int]:
        """As ``Strategy.propose``."""
        new_C, size_C = situation.new_C, situation.goals.candidates.size_C
        pairs = rng.permutation(np.flatnonzero(new_C & (size_C == 2)))
        if len(pairs):
            return filled([int(c) for c in pairs[:count]], situation, count, rng)
        estimated_CT = higher_order(situation.measured).mean_CT
        usable_C = situation.trained_C | situation.trainable_C
        chosen: list[int] = []
        for limit in situation.goals.limit_K:
            solution = situation.goals.best(estimated_CT, limit, usable_C)
            if solution is not None:
                chosen += [c for c in solution.chosen.tolist() if new_C[c] and c not in chosen]
        return filled(chosen, situation, count, rng)

    def judged(self, situation: Situation) -> FloatArray:
        """What was measured."""
        return situation.measured.mean_CT
