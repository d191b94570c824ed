"""Expected losses by a map learnt once: those of the posterior, for any table with numbers in the same places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.losses import LossTable
from grouping.posterior import Belief, Smoothing
from tests.grouping.posterior.planted import planted_table


def table_of(seed: int = 0, noise: float = 0.03, *, gaps: bool = False) -> tuple[LossTable, np.ndarray]:
    """A planted table and the truth; with gaps some networks were trained with one seed, or not at all."""
    table, true_CT = planted_table(5, 3, noise, np.random.default_rng(seed))
    losses_RCT = table.losses_RCT.copy()
    if gaps:
        losses_RCT[1:, 10:20] = np.nan
        losses_RCT[:, 25:] = np.nan
    return replace(table, losses_RCT=losses_RCT), true_CT


@pytest.mark.parametrize("gaps", [False, True])
def test_it_says_what_the_posterior_says_of_what_was_measured(gaps: bool) -> None:
    table, _ = table_of(gaps=gaps)
    believed_CT = Belief(table.candidates.members_CT).of(table, exact=False).mean_CT
    expected_CT = Smoothing.learnt(table).expected_CT(table)
    measured_CT = table.replicates_CT > 0
    assert np.array_equal(np.isnan(expected_CT), ~measured_CT)
    assert expected_CT[measured_CT] == pytest.approx(believed_CT[measured_CT], rel=1e-9)


def test_expected_losses_are_nearer_to_the_truth_than_means() -> None:
    errors = []
    for seed in range(10):
        table, true_CT = table_of(seed, noise=0.05)
        expected_CT = Smoothing.learnt(table).expected_CT(table)
        errors.append([float(np.nanmean((guess - true_CT) ** 2)) for guess in (expected_CT, table.mean_CT)])
    expected, means = np.mean(errors, axis=0)
    assert expected < 0.8 * means


def test_other_numbers_in_the_same_places_need_no_new_fit() -> None:
    table, _ = table_of(gaps=True)
    learnt = Smoothing.learnt(table)
    twice = replace(table, losses_RCT=2.0 * table.losses_RCT)
    assert learnt.expected_CT(twice) == pytest.approx(2.0 * learnt.expected_CT(table), rel=1e-9, nan_ok=True)


def test_all_alike_stays_as_it_is() -> None:
    table, _ = table_of(gaps=True)
    flat = replace(table, losses_RCT=np.where(np.isnan(table.losses_RCT), np.nan, 0.7))
    expected_CT = Smoothing.learnt(table).expected_CT(flat)
    assert expected_CT[~np.isnan(expected_CT)] == pytest.approx(0.7, rel=1e-9)
