"""Thompson sampling: draw a table that may be true, choose in it, train what the choice needs.

Thompson, *On the likelihood that one unknown probability exceeds another*, 1933; here the arm is a whole grouping.
"""

from __future__ import annotations

import numpy as np

from grouping.acquisition.strategy import Believer, Situation, filled

__all__ = ["Thompson"]

_TRIES = 6
"""Draws that may propose nothing new before groups are taken at random."""


class Thompson(Believer):
    """Draws one table for one of the budgets at a time, until enough new groups were chosen."""

    def propose(self, situation: Situation, count: int, rng: np.random.Generator) -> list[int]:
        """As ``Strategy.propose``."""
        goals = situation.goals
        believed = self.believed(situation)
        usable_C, chosen = situation.trained_C | situation.trainable_C, list[int]()
        for _ in range(_TRIES):
            drawn_CT = believed.draws(1, rng)[0]
            if situation.exact:
                drawn_CT = np.where(situation.trained_C[:, None], situation.measured.mean_CT, drawn_CT)
            solution = goals.best(drawn_CT, goals.limit_K[rng.integers(len(goals.limit_K))], usable_C)
            if solution is not None:
                wanted = rng.permutation(solution.chosen).tolist()
                chosen += [c for c in wanted if situation.trainable_C[c] and c not in chosen]
            if len(chosen) >= count:
                break
        return filled(chosen, situation, count, rng)
