"""Train what is expected to improve the final choice most, per second of training.

For every budget two groupings are at hand: the best of what is believed of the trained networks, and the best if every
untrained network were as expected. A candidate may take the place of any one of their members. What it is expected to
gain is the mean, over its uncertain losses, of the better of two for every task: the candidate, or the rest of the
grouping (Jones, Schonlau and Welch, *Efficient global optimization*, 1998, for a grouping instead of one value). What
the second grouping promises over the first is added for its untrained members: promises want to be checked.

A network that fills a budget alone is left out of both groupings: nothing could take the place of a part of it, and as
long as it was the best, no group would seem worth a training.

Axes: ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from grouping.acquisition.strategy import Believer, Situation, filled
from grouping.candidates import FloatArray
from grouping.posterior import Believed

__all__ = ["ExpectedImprovement", "improvement_C", "most_promising"]


_ROUNDING = 1e-12
"""Expected gains up to this are none."""


class ExpectedImprovement(Believer):
    """What a search uses."""

    def propose(self, situation: Situation, count: int, rng: np.random.Generator) -> list[int]:
        """As ``Strategy.propose``; where nothing promises a gain, groups at random."""
        return most_promising(situation, improvement_C(situation, self.believed(situation)), count, rng)


def most_promising(situation: Situation, gain_C: FloatArray, count: int, rng: np.random.Generator) -> list[int]:
    """The candidates of largest gain per second; where too few promise any, new groups at random.

    Args:
        situation: How far the search is.
        gain_C: From ``improvement_C``.
        count: How many are wanted.
        rng: Decides among equals.
    """
    rate_C = gain_C / situation.seconds_C
    order = np.lexsort((rng.random(len(rate_C)), -rate_C))
    return filled([int(c) for c in order[:count] if gain_C[c] > _ROUNDING], situation, count, rng)


def improvement_C(situation: Situation, believed: Believed) -> FloatArray:
    """Expected gain of the objective from one more training of each candidate, summed over budgets, [C]."""
    goals, weights_T = situation.goals, situation.goals.weights_T
    trained_C = situation.trained_C
    mean_CT = np.where(trained_C[:, None] & situation.exact, situation.measured.mean_CT, believed.mean_CT)
    learnt_CT = _learnt(situation, believed)
    total_C = np.zeros(len(trained_C))
    for limit in goals.limit_K:
        company_C = goals.in_company(limit)
        present = goals.best(mean_CT, limit, trained_C & company_C)
        promised = goals.best(mean_CT, limit, (trained_C | situation.trainable_C) & company_C)
        if promised is None:
            continue
        if present is None:  # nothing trained fits: what does is worth all that there is to lose
            total_C[promised.chosen] += abs(promised.objective)
            continue
        gain_C = np.zeros(len(trained_C))
        bases = dict.fromkeys((tuple(present.chosen.tolist()), tuple(promised.chosen.tolist())))
        for base in bases:
            # A trained network earns nothing from untrained company: only what is new may lean on promises.
            counts_C = np.ones(len(trained_C), bool) if trained_C[list(base)].all() else ~trained_C
            for left_out in (*base, None):
                rest = [c for c in base if c != left_out]
                rest_T = np.min(mean_CT[rest], axis=0, initial=np.inf, where=~np.isnan(mean_CT[rest]))
                rest_T[weights_T == 0] = 0.0  # need not be served
                expected_C = _expected_minimum(rest_T, mean_CT, learnt_CT) @ weights_T
                better_C = np.fmax(gain_C, present.objective - expected_C)
                gain_C = np.where(counts_C & goals.joins(rest, limit), better_C, gain_C)
        untried = [c for c in promised.chosen.tolist() if not trained_C[c]]
        gain_C[untried] += present.objective - promised.objective
        total_C += gain_C
    return np.where(situation.trainable_C, total_C, 0.0)


def _learnt(situation: Situation, believed: Believed) -> FloatArray:
    """How far the belief of each cell will move when the candidate is trained once more: a standard deviation, [C, T].

    With prior variance s and noise n the posterior mean moves by a normal step of variance s^2 / (s + n).
    """
    if situation.exact:
        moves_CT = np.where(situation.trained_C[:, None], 0.0, believed.sd_CT)
    else:
        variance_CT = believed.sd_CT**2
        moves_CT = variance_CT / np.sqrt(np.maximum(variance_CT + believed.noise_CT**2, 1e-300))
    return np.asarray(moves_CT)


def _expected_minimum(rest_T: FloatArray, mean_CT: FloatArray, sd_CT: FloatArray) -> FloatArray:
    """Mean of the smaller of a fixed loss and a normal one, [C, T]; the fixed one where the candidate has no such task.

    Where the rest does not serve a task (infinite) the candidate must.
    """
    sd_CT = np.maximum(sd_CT, 1e-300)
    with np.errstate(invalid="ignore", over="ignore"):
        z_CT = (rest_T - mean_CT) / sd_CT
        below_CT = ndtr(z_CT)
        density_CT = np.exp(-0.5 * z_CT**2) / np.sqrt(2 * np.pi)
        least_CT = mean_CT * below_CT + rest_T * (1 - below_CT) - sd_CT * density_CT
    least_CT = np.where(np.isinf(rest_T), mean_CT, least_CT)
    return np.where(np.isnan(mean_CT), rest_T, least_CT)
