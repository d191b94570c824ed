"""What came of a search: which configurations are kept, which settings mattered, and the record that is reported."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator

from grouping.recommendation import SettingsSearch, TriedSettings
from search.spec.searching import SearchSpec
from search.spec.space import Space
from search.store.configurations import ConfigurationRecord
from search.tuning.planned_search import Plan
from search.tuning.samplers import quiet_optuna, told_study

__all__ = ["grouped_reasons", "importance", "kept_of", "settings_record"]

_FEWEST = 8
"""Finished configurations below which importances would be nothing but noise."""


def kept_of(records: Sequence[ConfigurationRecord], plan: Plan, keep: int) -> tuple[ConfigurationRecord, ...]:
    """The best configurations, best first: of every bracket by loss, or spread over the frontier of loss and cost.

    Only finished ones: a loss that is not final may be of a network that would have come out last. Of equal networks
    the first counts.
    """
    done: dict[str, ConfigurationRecord] = {}
    for record in sorted((r for r in records if r.state == "finished"), key=_rank):
        done.setdefault(record.found, record)
    if plan.by_cost:
        front = _frontier(list(done.values()))
        spread = np.linspace(0, len(front) - 1, min(keep, len(front))).round().astype(int).tolist()
        return tuple(sorted((front[place] for place in dict.fromkeys(spread)), key=_rank))
    kept = [
        record
        for bracket in range(len(plan.brackets))
        for record in [r for r in done.values() if plan.bracket(r.place) == bracket][:keep]
    ]
    return tuple(sorted(kept, key=_rank))


def _frontier(records: Sequence[ConfigurationRecord]) -> list[ConfigurationRecord]:
    """Those that no other beats in loss at no higher cost, from the best loss to the lowest cost."""
    front: list[ConfigurationRecord] = []
    for record in sorted(records, key=_rank):
        if not front or (record.cost or 0.0) < (front[-1].cost or 0.0):
            front.append(record)
    return front


def _rank(record: ConfigurationRecord) -> tuple[float, float, int]:
    """By loss, then cost, then place."""
    assert record.loss is not None
    return record.loss, record.cost or 0.0, record.place


def importance(space: Space, records: Sequence[ConfigurationRecord]) -> tuple[tuple[str, float], ...]:
    """Shares of importance of the settings that vary, largest first; nothing where too few configurations finished."""
    done = [record for record in records if record.state == "finished"]
    if len(done) < _FEWEST or len({record.loss for record in done}) == 1:
        return ()
    with quiet_optuna(), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found = optuna.importance.get_param_importances(
            told_study(space, done, by_cost=False), evaluator=PedAnovaImportanceEvaluator()
        )
    return tuple((name, float(value)) for name, value in found.items() if np.isfinite(value))


def settings_record(
    records: Sequence[ConfigurationRecord], plan: Plan, search: SearchSpec, kept: Sequence[ConfigurationRecord]
) -> SettingsSearch:
    """The search as it is reported."""
    places = {record.place for record in kept}
    return SettingsSearch(
        tried=tuple(
            TriedSettings(
                candidate=record.found or str(plan.network(record.values).way),
                values=record.values,
                state="undone" if record.state in {"sampled", "running"} else record.state,  # type: ignore[arg-type]
                share=record.readings[-1][0] if record.readings else 0.0,
                loss=record.loss,
                cost=record.cost,
                seconds=record.seconds,
                reason=record.reason,
                kept=record.place in places,
            )
            for record in records
        ),
        planned=plan.places,
        seeds=search.seeds,
        brackets=plan.brackets,
        by_cost=plan.by_cost,
        early=search.scheduler == "asha",
        importance=importance(plan.space, records),
    )


def grouped_reasons(records: Sequence[ConfigurationRecord]) -> tuple[str, ...]:
    """One clause for each reason that configurations failed for, the most frequent first."""
    reasons: dict[str, int] = {}
    for record in records:
        if record.state == "failed":
            reasons[record.reason] = reasons.get(record.reason, 0) + 1
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    return tuple(f"{count} configuration{'s' * (count > 1)}: {reason}" for reason, count in ordered)
