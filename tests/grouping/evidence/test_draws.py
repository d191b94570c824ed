"""Draws of a table: means over the replicates of tables that other seeds could have given."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.candidates import Candidates
from grouping.errors import InputError
from grouping.evidence import ResidualBootstrap, bootstrap_draws
from grouping.losses import LossTable

MEMBERS = np.array([[1, 0], [0, 1], [1, 1]], dtype=bool)


def table(seeds: int = 3) -> LossTable:
    """Two tasks alone and together; one cell lacks a seed."""
    rng = np.random.default_rng(1)
    losses_RCT = np.where(MEMBERS, 1 + 0.1 * rng.standard_normal((seeds, 3, 2)), np.nan)
    losses_RCT[-1, 2, 1] = np.nan
    return LossTable(Candidates(("a", "b"), MEMBERS, np.ones(3)), losses_RCT, tuple(map(str, range(seeds))))


def test_a_draw_is_the_mean_of_a_resampled_table() -> None:
    drawn_DCT = bootstrap_draws(table(), 5, np.random.default_rng(2))
    resample, rng = ResidualBootstrap(table()), np.random.default_rng(2)
    assert np.array_equal(drawn_DCT, [resample(rng).mean_CT for _ in range(5)], equal_nan=True)


def test_the_same_generator_gives_the_same_draws_to_the_last_bit() -> None:
    one, two, other = (bootstrap_draws(table(), 4, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one.tobytes() == two.tobytes() != other.tobytes()
    longer = bootstrap_draws(table(), 9, np.random.default_rng(3))
    assert longer[:4].tobytes() == one.tobytes()


def test_draws_centre_on_the_table_and_keep_its_cells() -> None:
    measured = table()
    drawn_DCT = bootstrap_draws(measured, 4000, np.random.default_rng(5))
    assert np.array_equal(np.isnan(drawn_DCT).all(axis=0), np.isnan(measured.mean_CT))
    error_CT = drawn_DCT.std(axis=0) / np.sqrt(4000)
    assert np.nanmax(np.abs(drawn_DCT.mean(axis=0) - measured.mean_CT) / error_CT) < 5


def test_draws_need_replicates_and_a_number() -> None:
    with pytest.raises(InputError, match="two seeds"):
        bootstrap_draws(table(seeds=1).select(np.array([0, 1])), 5, np.random.default_rng(0))
    with pytest.raises(InputError, match="0 draws"):
        bootstrap_draws(table(), 0, np.random.default_rng(0))
