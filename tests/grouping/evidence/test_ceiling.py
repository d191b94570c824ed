"""The noise ceiling: certainty where seeds agree, nothing where they do not, and what lies between as theory says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.errors import InputError
from grouping.evidence.ceiling import NoiseCeiling, noise_ceiling
from tests.grouping.posterior.planted import planted_table


def ceiling_of(noise: float, seeds: int = 8, seed: int = 0) -> NoiseCeiling:
    return noise_ceiling(planted_table(6, seeds, noise, np.random.default_rng(seed))[0], np.random.default_rng(1))


def test_seeds_that_agree_leave_no_ceiling() -> None:
    assert ceiling_of(1e-9).halves == pytest.approx(1.0)
    assert ceiling_of(1e-9).attainable == pytest.approx(1.0)


def test_pure_noise_has_nothing_to_be_found() -> None:
    table, _ = planted_table(6, 8, 0.0, np.random.default_rng(0))
    noise = np.random.default_rng(2).standard_normal(table.losses_RCT.shape)
    empty = replace(table, losses_RCT=np.where(np.isnan(table.losses_RCT), np.nan, 5 + noise))
    assert abs(noise_ceiling(empty, np.random.default_rng(1)).halves) < 0.15


def test_more_seeds_raise_it() -> None:
    assert ceiling_of(0.08, seeds=2).halves < ceiling_of(0.08, seeds=8).halves < ceiling_of(0.08, seeds=32).halves


def test_the_truth_itself_reaches_what_is_attainable() -> None:
    reached, said = [], []
    for seed in range(8):
        table, true_CT = planted_table(6, 6, 0.08, np.random.default_rng(seed))
        said.append(noise_ceiling(table, np.random.default_rng(0)).attainable)
        inside = table.candidates.size_C >= 2
        for t in range(6):
            rows = np.flatnonzero(inside & table.candidates.members_CT[:, t])
            ranks = [losses_CT[rows, t].argsort().argsort() for losses_CT in (table.mean_CT, true_CT)]
            reached.append(np.corrcoef(*ranks)[0, 1])
    assert np.mean(said) == pytest.approx(np.mean(reached), abs=0.04)


def test_one_seed_is_refused() -> None:
    with pytest.raises(InputError, match="one seed has no halves"):
        ceiling_of(0.1, seeds=1)
