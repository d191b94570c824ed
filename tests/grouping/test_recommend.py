"""A recommendation from a plain loss table: chosen, proven, stable or not, and confirmed by nothing."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import grouping as g
from grouping.recommendation import Recommendation
from grouping.report.content import CURVE_COLUMNS, LOSS_COLUMNS, Content
from grouping.report.markdown import markdown

TASKS = ("a", "b", "c", "d")
FRIENDS = ({"a", "b"}, {"c", "d"})


def planted_table(seeds: int = 3, *, scale: dict[str, float] | None = None, pairs: bool = True) -> g.LossTable:
    """Friends gain 5 % in each other's company, others lose 5 %; a little noise from the seed."""
    groups = [group for size in (1, 2, 3, 4) for group in combinations(range(4), size) if pairs or size != 2]
    members_CT = np.array([[t in group for t in range(4)] for group in groups])
    random = np.random.default_rng(0)
    losses_RCT = np.full((seeds, len(groups), 4), np.nan)
    for c, group in enumerate(groups):
        for t in group:
            friends = next(f for f in FRIENDS if TASKS[t] in f)
            effect = [-0.05 if TASKS[u] in friends else 0.05 for u in group if u != t]
            level = (1 + (np.mean(effect) if effect else 0.0)) * (scale or {}).get(TASKS[t], 1.0)
            losses_RCT[:, c, t] = level * (1 + 0.002 * random.standard_normal(seeds))
    candidates = g.Candidates(TASKS, members_CT, np.ones(len(groups)))
    return g.LossTable(candidates, losses_RCT, tuple(str(seed) for seed in range(seeds)))


def networks(recommendation: Recommendation) -> set[frozenset[str]]:
    return {frozenset(network.serves) for network in recommendation.solution.networks}


def test_the_planted_groups_are_recommended_with_their_proof() -> None:
    recommendation = g.recommend(planted_table(), g.Budget(snt=2, max_networks=2))
    assert networks(recommendation) == {frozenset(friends) for friends in FRIENDS}
    assert recommendation.solution.proven_optimal
    assert recommendation.solution.optimal_for == "expected losses, given all measured ones"
    assert recommendation.stability is not None
    assert recommendation.stability.frequency > 0.9
    assert recommendation.runner_up is not None


def test_nothing_is_called_confirmed() -> None:
    recommendation = g.recommend(planted_table(), g.Budget(snt=2))
    assert recommendation.verdict == "unsure"
    assert recommendation.confirmed == ()
    assert recommendation.baselines == ()


def test_the_unit_of_a_task_decides_nothing() -> None:
    plain = g.recommend(planted_table(), g.Budget(snt=2))
    scaled = g.recommend(planted_table(scale={"c": 100.0}), g.Budget(snt=2))
    assert networks(plain) == networks(scaled)
    assert plain.solution.objective == pytest.approx(scaled.solution.objective, rel=1e-12)


def test_weights_move_the_objective_and_unknown_tasks_are_refused() -> None:
    heavy = g.recommend(planted_table(), g.Budget(snt=1), weights={"a": 10.0})
    assert heavy.solution.objective == pytest.approx(
        sum(w * heavy.solution.losses[t] for t, w in zip(TASKS, (10 / 13, 1 / 13, 1 / 13, 1 / 13), strict=True))
    )
    with pytest.raises(g.InputError, match="there is no task 'z' to weigh"):
        g.recommend(planted_table(), g.Budget(snt=1), weights={"z": 1.0})


def test_one_seed_and_no_pairs_leave_those_parts_out() -> None:
    recommendation = g.recommend(planted_table(1, pairs=False), g.Budget(snt=2))
    assert recommendation.stability is None
    assert recommendation.affinity == ()


def test_a_budget_in_a_unit_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(g.InputError, match="no costs in flops"):
        g.recommend(planted_table(), g.Budget(flops=2))


def test_it_renders_as_a_report() -> None:
    recommendation = g.recommend(planted_table(), g.Budget(snt=2))
    empty = Content(recommendation, pd.DataFrame(columns=list(CURVE_COLUMNS)), pd.DataFrame(columns=list(LOSS_COLUMNS)))
    assert "a+b" in markdown(empty)
