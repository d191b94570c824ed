"""Harm to single tasks: limits cover, statements err as rarely as they say, and nothing is claimed from one seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grouping.candidates import Candidates
from grouping.errors import InputError
from grouping.evidence.intervals import TestLosses
from grouping.evidence.no_harm import harm, harm_limits
from grouping.losses import LossTable

SINGLES = np.eye(2, dtype=bool)
CANDIDATES = Candidates(("a", "b"), np.vstack([SINGLES, [[True, True]] * 4]), np.ones(6), ("", "", "w", "x", "y", "z"))
TRUE_C = np.array([1.0, 1.0, 1.05, 0.97, 1.0, 1.2])


def table_of(rng: np.random.Generator, seeds: int, noise: float = 0.03, unit: float = 1.0) -> LossTable:
    difficulty_R11 = 1 + 0.05 * rng.standard_normal((seeds, 1, 1))
    losses_RCT = TRUE_C[:, None] * difficulty_R11 * (1 + noise * rng.standard_normal((seeds, 6, 2)))
    members_CT = CANDIDATES.members_CT
    return LossTable(CANDIDATES, np.where(members_CT, unit * losses_RCT, np.nan), tuple(map(str, range(seeds))))


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_a_limit_at_90_percent_lies_above_the_truth_in_nine_of_ten_tables(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    above = [harm_limits(table_of(rng, seeds), [0, 1], 0.9)[2:] >= TRUE_C[2:, None] for _ in range(500)]
    assert 0.87 <= np.mean(above) <= 0.94


def test_limits_have_no_unit_and_a_reference_does_itself_no_harm() -> None:
    one, other = (harm_limits(table_of(np.random.default_rng(1), 3, unit=unit), [0, 1], 0.95) for unit in (1.0, 50.0))
    np.testing.assert_allclose(one, other)
    assert one[0, 0] == one[1, 1] == 1.0
    assert np.isnan(one[0, 1])


def test_more_confidence_is_a_higher_limit() -> None:
    table = table_of(np.random.default_rng(2), 3)
    assert (harm_limits(table, [0, 1], 0.99)[2:] > harm_limits(table, [0, 1], 0.8)[2:]).all()


def test_one_seed_limits_nothing() -> None:
    limits_CT = harm_limits(table_of(np.random.default_rng(3), 1), [0, 1], 0.95)
    assert np.isinf(limits_CT[2:]).all()


def test_tasks_without_a_reference_have_no_limit() -> None:
    limits_CT = harm_limits(table_of(np.random.default_rng(3), 2), [-1, 1], 0.95)
    assert np.isnan(limits_CT[:, 0]).all()
    assert np.isfinite(limits_CT[2:, 1]).all()


def test_a_reference_that_was_not_measured_is_named() -> None:
    table = table_of(np.random.default_rng(4), 2)
    losses_RCT = table.losses_RCT.copy()
    losses_RCT[:, 0] = np.nan
    with pytest.raises(InputError, match="task 'a' is compared with was not measured"):
        harm_limits(LossTable(CANDIDATES, losses_RCT, table.seeds), [0, 1], 0.95)


@pytest.mark.parametrize("wrong", [{"margin": -0.1}, {"confidence": 0.5}, {"confidence": 1.0}])
def test_margins_and_confidences_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    sums = TestLosses(np.ones((3, 1, 4)), np.ones((1, 4)))
    with pytest.raises(InputError, match="no harm"):
        harm(sums, sums, {"a": 0}, **{"margin": 0.02, "confidence": 0.95, **wrong})


def pair_of(
    rng: np.random.Generator, ratio_T: list[float], seeds: int = 5, clusters: int = 30
) -> tuple[TestLosses, ...]:
    rows_TG = 10 * rng.gamma(4.0, 0.25, (len(ratio_T), clusters))
    counts_TG = np.full((len(ratio_T), clusters), 10.0)

    def grouping(level_T: np.ndarray) -> TestLosses:
        noise_RTG = (
            1
            + 0.01 * rng.standard_normal((seeds, len(ratio_T), 1))
            + 0.05 * rng.standard_normal((seeds, len(ratio_T), clusters))
        )
        return TestLosses(level_T[:, None] * rows_TG * noise_RTG, counts_TG)

    return grouping(np.array(ratio_T)), grouping(np.ones(len(ratio_T)))


def test_clear_cases_are_called_what_they_are() -> None:
    chosen, single = pair_of(np.random.default_rng(0), [0.9, 1.02, 1.2])
    found = harm(chosen, single, {"helped": 0, "close": 1, "worse": 2}, 0.02, 0.95)
    assert [one.state for one in found.values()] == ["held", "open", "harmed"]
    assert found["worse"].change == pytest.approx(0.2, abs=0.03)
    assert all(one.limit > one.change for one in found.values())


def test_that_no_task_is_harmed_is_said_wrongly_in_no_more_than_one_of_twenty_runs() -> None:
    """One of five tasks lies on the margin, so every claim that all are held is wrong."""
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(300):
        chosen, single = pair_of(rng, [1.02, 0.95, 0.95, 0.95, 0.95])
        found = harm(chosen, single, {str(t): t for t in range(5)}, 0.02, 0.95)
        wrong += all(one.state == "held" for one in found.values())
    assert wrong <= 300 * 0.05 + 2 * np.sqrt(300 * 0.05 * 0.95)
