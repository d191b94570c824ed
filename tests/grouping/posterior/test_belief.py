"""What is believed of a table: blind to units and to what a seed does to all alike, honest about noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.losses import LossTable
from grouping.posterior import Belief, Believed
from tests.grouping.posterior.planted import planted_table


def believed(table: LossTable, *, exact: bool = False) -> Believed:
    return Belief(table.candidates.members_CT).of(table, exact=exact)


def table_of(seeds: int = 4, noise: float = 0.03, seed: int = 0) -> LossTable:
    return planted_table(5, seeds, noise, np.random.default_rng(seed))[0]


def test_every_task_may_have_a_unit_of_its_own() -> None:
    table = table_of()
    unit_T = np.array([1.0, 1e3, 1e-3, 7.0, 0.2])
    one, other = believed(table), believed(replace(table, losses_RCT=table.losses_RCT * unit_T))
    assert other.mean_CT == pytest.approx(one.mean_CT * unit_T, rel=1e-6, nan_ok=True)
    assert other.sd_CT == pytest.approx(one.sd_CT * unit_T, rel=1e-4, nan_ok=True)


def test_what_a_seed_does_to_all_candidates_of_a_task_is_no_noise() -> None:
    table, rng = table_of(), np.random.default_rng(1)
    common_RT = np.exp(0.3 * rng.standard_normal((4, 5)))
    shifted = replace(table, losses_RCT=table.losses_RCT * common_RT[:, None])
    one, other = believed(table), believed(shifted)
    assert np.nanmean(other.noise_CT / other.mean_CT) == pytest.approx(np.nanmean(one.noise_CT / one.mean_CT), rel=0.02)


def test_a_network_trained_with_a_hard_seed_only_is_not_blamed_for_it() -> None:
    table = table_of(seeds=4, noise=0.005)
    common_RT = np.ones((4, 5))
    common_RT[0] = 1.5  # the first seed is hard on every network
    losses_RCT = table.losses_RCT * common_RT[:, None]
    lone = 12
    losses_RCT[1:, lone] = np.nan
    found = believed(replace(table, losses_RCT=losses_RCT))
    members_T = table.candidates.members_CT[lone]
    plain = believed(replace(table, losses_RCT=np.where(np.isnan(losses_RCT), np.nan, table.losses_RCT)))
    ratio = (found.mean_CT / plain.mean_CT)[:, members_T]
    assert np.nanmax(ratio[lone]) / np.nanmedian(ratio) < 1.03


def test_the_noise_of_one_training_is_found() -> None:
    found = believed(table_of(seeds=6, noise=0.04))
    assert np.nanmedian(found.noise_CT) == pytest.approx(0.04, rel=0.2)


def test_gains_may_be_negative() -> None:
    table = table_of(seeds=1, noise=0.0)
    gains = replace(table, losses_RCT=table.losses_RCT - 1.0)
    found = believed(gains, exact=True)
    assert not found.scale.logarithmic
    assert found.mean_CT == pytest.approx(gains.mean_CT, abs=1e-3, nan_ok=True)


def test_tables_of_further_seeds_spread_more_than_the_truth() -> None:
    found = believed(table_of(seeds=4, noise=0.05))
    truth, one, many = (
        float(np.nanmean(found.draws(400, np.random.default_rng(0), seeds=seeds).std(axis=0)))
        for seeds in (None, 1, 100)
    )
    assert one > 1.5 * truth
    assert many == pytest.approx(truth, rel=0.1)


def test_draws_of_losses_are_positive() -> None:
    table = table_of(seeds=2, noise=0.3)
    assert np.nanmin(believed(table).draws(200, np.random.default_rng(0))) > 0
