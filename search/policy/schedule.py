"""When what is learnt: warm-up, then weights and policy in turn, units opened from the last one on.

The schedule of AdaShare (Sun et al., NeurIPS 2020): weights on one part of the training rows, the policy on another,
the temperature lower after each turn of the policy. Everything follows from the number of steps done, so a search goes
on wherever it was stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

__all__ = ["Phase", "Place", "Schedule"]

Phase = Literal["warm-up", "weights", "policy"]


class Place(NamedTuple):
    """Where a step is.

    Args:
        phase: What it learns.
        round: Turns of the policy that are over.
        n_open: Units whose policy is sampled, the last ones; the others are shared by all.
        temperature: Of the samples.
    """

    phase: Phase
    round: int
    n_open: int
    temperature: float


@dataclass(frozen=True)
class Schedule:
    """Numbers of steps.

    Args:
        warm_up: Steps with every unit shared.
        rounds: Turns of weights and policy.
        weight_steps: Of a turn.
        policy_steps: Of a turn.
        n_units: Units, L.
        curriculum: Turns of the policy after which one more unit is opened; 0: all are open from the start.
        hottest: Temperature of the first turn.
        floor: Temperature that it never falls below.
        decay: What the temperature is multiplied by after each turn of the policy.
    """

    warm_up: int
    rounds: int
    weight_steps: int
    policy_steps: int
    n_units: int
    curriculum: int = 1
    hottest: float = 5.0
    floor: float = 0.3
    decay: float = 0.965

    @staticmethod
    def like_a_training(epochs: int, rows: int, batch_size: int, n_units: int) -> Schedule:
        """As many steps on weights as a training of that many epochs; units open in the first half.

        A fifth of the rows are the policy's, but no turn of it is shorter than five steps. The temperature comes to
        its floor when four fifths of the turns are over.
        """
        per_epoch = ceil(rows / batch_size)
        warm_up = max(1, epochs // 5) * per_epoch
        weight_steps = max(1, ceil(0.8 * per_epoch))
        rounds = max(10, ceil((epochs * per_epoch - warm_up) / weight_steps))
        return Schedule(
            warm_up,
            rounds,
            weight_steps,
            max(5, ceil(0.2 * per_epoch)),
            n_units,
            max(1, rounds // (2 * n_units)),
            decay=(0.3 / 5.0) ** (1 / (0.8 * rounds)),
        )

    @property
    def steps(self) -> int:
        """Of the whole search."""
        return self.warm_up + self.rounds * self._turn

    @property
    def _turn(self) -> int:
        return max(1, self.weight_steps + self.policy_steps)

    @property
    def policy_rate(self) -> float:
        """Step size with which a logit can travel far in the policy's steps: Adam's steps are all of one size."""
        return min(0.3, max(0.02, 8.0 / max(1, self.rounds * self.policy_steps)))

    def place(self, step: int) -> Place:
        """Of the step that comes after so many."""
        if step < self.warm_up:
            return Place("warm-up", 0, 0, self.hottest)
        turn, within = divmod(step - self.warm_up, self._turn)
        phase: Phase = "weights" if within < self.weight_steps else "policy"
        n_open = self.n_units if self.curriculum == 0 else min(self.n_units, turn // self.curriculum + 1)
        return Place(phase, turn, n_open, max(self.floor, self.hottest * self.decay**turn))

    def done(self, step: int) -> tuple[int, int, int]:
        """Of so many steps, those of the warm-up, of the weights and of the policy."""
        warm = min(step, self.warm_up)
        turn, within = divmod(step - warm, self._turn)
        weights = turn * self.weight_steps + min(within, self.weight_steps)
        policy = turn * self.policy_steps + max(0, within - self.weight_steps)
        return warm, weights, policy
