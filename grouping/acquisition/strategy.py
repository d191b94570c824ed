"""What a strategy is told and what it answers; and the plainest one, which every other must beat.

Axes: ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from grouping.acquisition.goals import Goals
from grouping.candidates import BoolArray, FloatArray
from grouping.losses import LossTable
from grouping.posterior import Belief, Believed

__all__ = ["Believer", "RandomGroups", "Situation", "Strategy", "filled"]


@dataclass(frozen=True, eq=False)
class Situation:
    """How far a search is.

    Args:
        goals: What is to be decided.
        measured: Losses of what was trained, over all candidates; NaN elsewhere.
        trainable_C: Candidates that may be trained once more with another seed.
        seconds_C: What a training of each candidate takes; only ratios matter.
        exact: Whether a measured loss is taken for the truth; else trainings with another seed would give another.
    """

    goals: Goals
    measured: LossTable
    trainable_C: BoolArray
    seconds_C: FloatArray
    exact: bool = False

    @property
    def trained_C(self) -> BoolArray:
        """Candidates that were trained."""
        return np.asarray((self.measured.replicates_CT > 0).any(axis=1))

    @property
    def new_C(self) -> BoolArray:
        """Candidates that may be trained and were not."""
        return np.asarray(self.trainable_C & ~self.trained_C)


class Strategy(Protocol):
    """Proposes trainings. One instance serves one search; it may remember what it learnt."""

    def propose(self, situation: Situation, count: int, rng: np.random.Generator) -> list[int]:
        """Candidates to train next with one more seed each, the most promising first.

        Args:
            situation: How far the search is.
            count: How many are wanted; fewer come back only where no more can be trained.
            rng: Decides among equals.
        """

    def judged(self, situation: Situation) -> FloatArray:
        """Losses of the trained candidates that the final choice is made on, [C, T]; NaN elsewhere."""


class RandomGroups:
    """Groups drawn at random, each once: a hard baseline while trainings are few."""

    def propose(self, situation: Situation, count: int, rng: np.random.Generator) -> list[int]:
        """As ``Strategy.propose``."""
        return _some(np.flatnonzero(situation.new_C), count, rng)

    def judged(self, situation: Situation) -> FloatArray:
        """What was measured."""
        return situation.measured.mean_CT


class Believer:
    """What strategies with a model share: one belief that grows, and a final choice by expected losses."""

    def __init__(self) -> None:
        self._belief: Belief | None = None

    def believed(self, situation: Situation) -> Believed:
        """What is believed of every candidate now."""
        if self._belief is None:
            self._belief = Belief(situation.goals.candidates.members_CT)
        return self._belief.of(situation.measured, exact=situation.exact)

    def judged(self, situation: Situation) -> FloatArray:
        """Expected losses of what was trained: a lucky training is not a good network. Exact ones are as measured."""
        if situation.exact:
            return situation.measured.mean_CT
        return np.where(situation.trained_C[:, None], self.believed(situation).mean_CT, np.nan)


def _some(pool: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    return [int(c) for c in rng.permutation(pool)[:count]]


def filled(chosen: list[int], situation: Situation, count: int, rng: np.random.Generator) -> list[int]:
    """A proposal brought to its length with new groups at random."""
    left_C = situation.new_C.copy()
    left_C[chosen] = False
    return [*chosen[:count], *_some(np.flatnonzero(left_C), count - len(chosen[:count]), rng)]
