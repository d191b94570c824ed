"""Replay: a table known in full judges strategies; exactly where it has one seed, honestly where it has more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.acquisition import STRATEGIES, Goals
from grouping.errors import InputError
from grouping.losses import LossTable
from grouping.replay import Oracle, replay
from grouping.replay.summary import replay_json, spread
from tests.grouping.posterior.planted import planted_table
from tests.grouping.published import needs_published, standley


def table_of(seeds: int = 1, noise: float = 0.0, seed: int = 0, n_tasks: int = 5) -> LossTable:
    return planted_table(n_tasks, seeds, noise, np.random.default_rng(seed))[0]


def goals_of(table: LossTable, *limits: float) -> Goals:
    return Goals(table.candidates, limits or (2.0, 3.0))


def test_everything_trained_is_the_optimum_for_every_strategy() -> None:
    table = table_of()
    found = replay(goals_of(table), table, 25, 2)
    assert {one.name for one in found.strategies} == set(STRATEGIES)
    for one in found.strategies:
        assert one.captured_RMK[:, -1] == pytest.approx(1.0)
        assert one.objective_RMK[:, -1] == pytest.approx(found.optimum_RK)
        assert one.captured_RMK[:, 0] == pytest.approx(0.0)
        assert (np.diff(one.objective_RMK, axis=1) <= 1e-12).all(), "more groups never make an exact choice worse"


def test_runs_differ_and_can_be_repeated() -> None:
    table = table_of()
    one, again = (replay(goals_of(table), table, 6, 6, strategies=["random"]) for _ in range(2))
    values = one.strategies[0].captured_RMK[:, -1, 0]
    assert np.array_equal(values, again.strategies[0].captured_RMK[:, -1, 0])
    assert len(set(values.tolist())) > 1


def test_replicates_are_seen_by_half_and_judged_by_the_others() -> None:
    table = table_of(seeds=6, noise=0.05)
    oracle = Oracle.of(goals_of(table), table, np.random.default_rng(0))
    rest = [r for r, seed in enumerate(table.seeds) if seed not in oracle.seen.seeds]
    assert (len(oracle.seen.seeds), len(rest)) == (3, 3)
    assert oracle.truth_CT == pytest.approx(table.losses_RCT[rest].mean(axis=0), nan_ok=True)
    assert not oracle.exact
    trainings_C = np.zeros(31, np.int64)
    trainings_C[7] = 2
    shown = oracle.situation(trainings_C).measured.replicates_CT
    assert set(shown[7][table.candidates.members_CT[7]]) == {2}
    assert set(shown[8]) == {0}
    assert set(shown[0][table.candidates.members_CT[0]]) == {3}, "what is free shows every seed"


def test_what_was_chosen_by_noise_is_not_what_it_seemed() -> None:
    table = table_of(seeds=4, noise=0.3, seed=2)
    found = replay(goals_of(table), table, 25, 8, strategies=["random"])
    assert found.strategies[0].captured_RMK[:, -1].mean() < 0.95


def test_the_other_part_is_routed_by_the_selection() -> None:
    table = table_of()
    scored = replace(table, losses_RCT=2 * table.losses_RCT)
    found = replay(goals_of(table), table, 5, 2, strategies=["random"], scored=scored).strategies[0]
    assert found.scored_RMK == pytest.approx(2 * found.objective_RMK)


@pytest.mark.parametrize(
    ("groups", "strategies", "said"),
    [(26, ["random"], "26 groups cannot be trained"), (3, ["randon"], "there is no strategy 'randon'")],
)
def test_what_cannot_be_replayed_is_said(groups: int, strategies: list[str], said: str) -> None:
    table = table_of()
    with pytest.raises(InputError, match=said):
        replay(goals_of(table), table, groups, 1, strategies=strategies)


def test_a_table_with_a_hole_is_refused_by_name() -> None:
    table = table_of()
    losses_RCT = table.losses_RCT.copy()
    losses_RCT[0, 7, np.flatnonzero(table.candidates.members_CT[7])[0]] = np.nan
    with pytest.raises(InputError, match=f"network '{table.candidates.name(7).replace('+', '[+]')}' lacks a loss"):
        replay(goals_of(table), replace(table, losses_RCT=losses_RCT), 3, 1)


def test_intervals_are_over_runs() -> None:
    value = spread(np.array([0.5, 0.7, 0.9, np.nan]))
    assert value.mean == pytest.approx(0.7)
    assert value.error == pytest.approx(0.2 / np.sqrt(3))
    assert value.high - value.mean == pytest.approx(4.3027 * value.error, rel=1e-4)
    assert np.isnan(spread(np.array([0.5])).low)


def test_scripts_get_every_budget_and_the_users_sign() -> None:
    table = table_of()
    answer = replay_json(replay(goals_of(table), table, 4, 2, strategies=["pairs"]), sign=-1.0)
    (one,) = answer["strategies"]
    assert (one["name"], one["groups_trained"], one["runs"]) == ("pairs", 4, 2)
    assert [point["budget"] for point in one["per_budget"]] == [2.0, 3.0]
    assert one["objective"]["mean"] < 0
    assert {"mean", "low", "high", "standard_error"} == set(one["captured"])
    assert "scored" not in one
    assert [point["groups_trained"] for point in one["course"]] == [0, 1, 2, 3, 4]


@needs_published
@pytest.mark.parametrize(("setting", "floor"), [(1, 0.82), (3, 0.85)])
def test_thirteen_trainings_find_most_of_what_published_tables_hold(setting: int, floor: float) -> None:
    table = standley(setting, "val")
    table = table.select(table.candidates.cost_C == 1)
    found = replay(goals_of(table, 2.0, 3.0, 4.0, 5.0), table, 13, 12, strategies=["expected-improvement"])
    assert found.strategies[0].captured_RMK[:, -1].mean() >= floor - 0.03
