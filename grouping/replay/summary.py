"""What a replay found as means with intervals over the runs, for tables, JSON and plots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from grouping.candidates import FloatArray
from grouping.replay.replay import Replay, StrategyReplay

__all__ = ["Spread", "replay_json", "spread"]

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """A mean over runs with its standard error and 95 % t interval; NaN ends with a single run."""

    mean: float
    low: float
    high: float
    error: float

    def as_json(self) -> dict[str, float]:
        """For scripts."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "standard_error": self.error}


def spread(value_R: FloatArray) -> Spread:
    """Summary of the runs that have a value."""
    value_R = value_R[~np.isnan(value_R)]
    if not len(value_R):
        return Spread(np.nan, np.nan, np.nan, np.nan)
    mean = float(value_R.mean())
    if len(value_R) == 1:
        return Spread(mean, np.nan, np.nan, np.nan)
    error = float(value_R.std(ddof=1) / np.sqrt(len(value_R)))
    reach = float(stdtrit(len(value_R) - 1, 0.5 + _CONFIDENCE / 2)) * error
    return Spread(mean, mean - reach, mean + reach, error)


def over_budgets(value_RK: FloatArray) -> FloatArray:
    """Mean over the budgets that have a value, [R]; NaN where none has."""
    known_RK = ~np.isnan(value_RK)
    return np.where(
        known_RK.any(axis=1),
        np.where(known_RK, value_RK, 0.0).sum(axis=1) / np.maximum(known_RK.sum(axis=1), 1),
        np.nan,
    )


def replay_json(found: Replay, sign: float = 1.0) -> dict[str, Any]:
    """The whole replay for scripts.

    Args:
        found: The replay.
        sign: -1 where the user's numbers are better when higher.
    """
    return {"budgets": list(found.limit_K), "strategies": [_strategy(one, found, sign) for one in found.strategies]}


def _strategy(one: StrategyReplay, found: Replay, sign: float) -> dict[str, Any]:
    has_score = not np.isnan(one.scored_RMK).all()
    measures = {"captured": one.captured_RMK, "share_of_optimum": one.share_RMK, "objective": sign * one.objective_RMK}
    if has_score:
        measures["scored"] = sign * one.scored_RMK
    return {
        "name": one.name,
        "groups_trained": int(one.groups_M[-1]),
        "runs": len(one.captured_RMK),
        **{name: spread(over_budgets(value_RMK[:, -1])).as_json() for name, value_RMK in measures.items()},
        "per_budget": [
            {"budget": limit, **{name: spread(value[:, -1, k]).as_json() for name, value in measures.items()}}
            for k, limit in enumerate(found.limit_K)
        ],
        "course": [
            {
                "groups_trained": groups,
                **{name: spread(over_budgets(value[:, m])).as_json() for name, value in measures.items()},
            }
            for m, groups in enumerate(one.groups_M.tolist())
        ],
    }
