"""What an adaptive search did, as the record that is reported."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import spearmanr

from grouping.recommendation import Adaptive, AdaptiveRound, TrainedNext
from search.decision.decide import Decision

__all__ = ["adaptive_record"]

_WITHIN_90 = 1.645
_FEWEST_CELLS = 5


def adaptive_record(decision: Decision) -> Adaptive | None:
    """Rounds, and expectations against first measurements; None where the search was planned beforehand."""
    if not decision.rounds:
        return None
    plan, seeds = decision.plan, decision.plan.search_seeds
    rounds, expected, measured, deviation = [], list[float](), list[float](), list[float]()
    seen: set[int] = set()
    for found in decision.rounds:
        trained = []
        for proposal in found.proposals:
            replicate = seeds.index(proposal.trial.seed)
            trained.append(TrainedNext(plan.candidates.name(proposal.candidate), replicate + 1, proposal.gain))
            if proposal.candidate in seen:
                continue
            seen.add(proposal.candidate)
            loss_T = decision.final.losses_RCT[replicate, proposal.candidate]
            for t in np.flatnonzero(~np.isnan(loss_T) & ~np.isnan(proposal.mean_T)).tolist():
                expected.append(float(proposal.mean_T[t]))
                measured.append(float(loss_T[t]))
                deviation.append(float(proposal.sd_T[t]))
        objective = found.objective if math.isfinite(found.objective) else None
        rounds.append(AdaptiveRound(tuple(trained), objective, found.outlook))
    error = np.abs(np.array(expected) - np.array(measured))
    inside = int((error <= _WITHIN_90 * np.array(deviation)).sum())
    rank = float(spearmanr(expected, measured).statistic) if len(set(expected)) >= _FEWEST_CELLS else math.nan
    return Adaptive(
        rounds=tuple(rounds),
        groups=len(seen),
        considered=int(plan.explored_C.sum()),
        cells=len(expected),
        inside=inside,
        spearman=None if math.isnan(rank) else rank,
        stopped=decision.stopped,
    )
