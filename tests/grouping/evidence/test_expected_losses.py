"""What a choice is made on where seeds tell luck from truth: each kind of network by itself, measurements only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.candidates import Candidates
from grouping.evidence import ExpectedLosses, expected_losses
from grouping.losses import LossTable
from grouping.solver.solve import solve
from tests.grouping.posterior.planted import every_group, planted_table


def everything(table: LossTable) -> np.ndarray:
    return np.ones(len(table.candidates), dtype=bool)


def two_kinds() -> LossTable:
    """Every group of four tasks, and the large ones again at twice the cost and half the loss."""
    table, _ = planted_table(4, 3, 0.02, np.random.default_rng(0))
    one = table.candidates
    large = np.flatnonzero(one.size_C >= 3)
    members_CT = np.vstack([one.members_CT, one.members_CT[large]])
    both = Candidates(one.tasks, members_CT, np.r_[one.cost_C, np.full(len(large), 2.0)])
    losses_RCT = np.concatenate([table.losses_RCT, 0.5 * table.losses_RCT[:, large]], axis=1)
    return LossTable(both, losses_RCT, table.seeds)


def test_networks_of_another_cost_are_learnt_by_themselves() -> None:
    table = two_kinds()
    plain_C = table.candidates.cost_C == 1
    both_CT = ExpectedLosses(table, everything(table)).of(table)
    alone = table.select(plain_C)
    assert both_CT[plain_C] == pytest.approx(ExpectedLosses(alone, everything(alone)).of(alone), nan_ok=True)
    assert not np.isnan(both_CT[~plain_C][table.candidates.members_CT[~plain_C]]).any()


def test_candidates_that_are_left_out_have_no_number_and_teach_nothing() -> None:
    table = two_kinds()
    plain_C = table.candidates.cost_C == 1
    found_CT = ExpectedLosses(table, plain_C).of(table)
    assert np.isnan(found_CT[~plain_C]).all()
    strange = replace(table, losses_RCT=np.where(plain_C[:, None], table.losses_RCT, 9.0 * table.losses_RCT))
    assert np.array_equal(ExpectedLosses(strange, plain_C).of(strange), found_CT, equal_nan=True)


def test_a_kind_with_too_many_measurements_stays_as_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    table = two_kinds()
    monkeypatch.setattr(expected_losses, "_MOST", 20)  # 32 cells at cost 1, 16 at cost 2
    found_CT = ExpectedLosses(table, everything(table)).of(table)
    plain_C = table.candidates.cost_C == 1
    assert np.isnan(found_CT[plain_C]).all()
    assert not np.isnan(found_CT[~plain_C]).all()


def test_the_best_on_expected_losses_loses_less_than_the_best_on_means() -> None:
    regrets = []
    for seed in range(20):
        table, true_CT = planted_table(5, 2, 0.06, np.random.default_rng(seed))
        candidates = every_group(5)
        best = solve(true_CT, candidates.cost_C, 2.0).objective
        chosen = (
            solve(losses_CT, candidates.cost_C, 2.0)
            for losses_CT in (ExpectedLosses(table, everything(table)).of(table), table.mean_CT)
        )
        regrets.append([true_CT[s.chosen[s.serves_T], np.arange(5)].sum() - best for s in chosen])
    expected, means = np.mean(regrets, axis=0)
    assert expected < 0.8 * means
