"""Schedules in closed form, and what they remember."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.candidates import FloatArray
from grouping.errors import InputError
from search.data.sampling import temperature_shares
from search.errors import DataError
from search.training.schedule import Annealed, FixedCycle, LossSlope, Reshuffled, Steady, TaskSchedule

MAKERS: list[Callable[[], TaskSchedule]] = [
    lambda: FixedCycle([0, 2, 2, 1], 3),
    lambda: Annealed([100, 10, 1], 20),
    lambda: LossSlope(3, window=3),
    lambda: Reshuffled(3, 5),
    lambda: Steady(temperature_shares([100, 10, 1], 2.0)),
]


def _advance(schedule: TaskSchedule, steps: int, seed: int) -> list[FloatArray]:
    rng, shares = np.random.default_rng(seed), []
    for _ in range(steps):
        shares.append(schedule.shares_T())
        schedule.stepped()
        losses_T = np.exp(rng.normal(size=3))
        losses_T[rng.random(3) < 0.3] = np.nan
        schedule.read(losses_T)
    return shares


@pytest.mark.parametrize("make", MAKERS)
def test_shares_are_chances_at_every_step(make: Callable[[], TaskSchedule]) -> None:
    for share_T in _advance(make(), 30, 0):
        assert share_T.shape == (3,)
        assert (share_T >= 0).all()
        assert share_T.sum() == pytest.approx(1)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_what_is_put_back_goes_on_as_if_nothing_had_been(make: Callable[[], TaskSchedule], steps: int) -> None:
    whole, fresh = make(), make()
    _advance(whole, steps, 0)
    fresh.restore(json.loads(json.dumps(whole.state())))
    np.testing.assert_array_equal(_advance(fresh, 10, 1), _advance(whole, 10, 1))


def test_a_fixed_cycle_trains_its_tasks_in_turn() -> None:
    shares = _advance(FixedCycle([0, 2, 2, 1], 3), 8, 0)
    assert [int(share_T.argmax()) for share_T in shares] == [0, 2, 2, 1, 0, 2, 2, 1]
    assert all(share_T.max() == 1 for share_T in shares)


@given(rows_T=st.lists(st.integers(1, 1000), min_size=1, max_size=5), steps=st.integers(1, 20))
def test_annealing_begins_in_proportion_and_ends_uniform(rows_T: list[int], steps: int) -> None:
    schedule = Annealed(rows_T, steps)
    np.testing.assert_allclose(schedule.shares_T(), np.array(rows_T) / sum(rows_T))
    for _ in range(steps):
        schedule.stepped()
    uniform_T = np.full(len(rows_T), 1 / len(rows_T))
    np.testing.assert_allclose(schedule.shares_T(), uniform_T)
    schedule.stepped()
    np.testing.assert_allclose(schedule.shares_T(), uniform_T)


def test_half_way_shares_are_those_of_square_roots() -> None:
    schedule = Annealed([400, 100], 2)
    schedule.stepped()
    np.testing.assert_allclose(schedule.shares_T(), [20 / 30, 10 / 30])


def test_slopes_of_exponential_losses_are_their_rates_whatever_the_unit() -> None:
    schedule = LossSlope(3, window=4, explore=0.1)
    for reading in range(6):
        schedule.read(np.array([5.0, 1e-3, 700.0]) * np.exp(np.array([-0.3, 0.1, 0.0]) * reading))
    np.testing.assert_allclose(schedule.shares_T(), 0.9 * np.array([0.75, 0.25, 0.0]) + 0.1 / 3, atol=1e-12)


def test_only_the_window_counts() -> None:
    schedule = LossSlope(2, window=3, explore=0.0)
    for losses in ([9.0, 9.0], [1.0, 8.0], [1.0, 4.0], [1.0, 2.0]):
        schedule.read(np.array(losses))
    np.testing.assert_allclose(schedule.shares_T(), [0.0, 1.0], atol=1e-12)


def test_readings_that_a_task_missed_stretch_its_slope() -> None:
    schedule = LossSlope(2, explore=0.0)
    for reading in range(5):
        falls = np.exp(-0.2 * reading)
        schedule.read(np.array([falls, falls if reading % 2 == 0 else np.nan]))
    np.testing.assert_allclose(schedule.shares_T(), [0.5, 0.5])


def test_before_there_are_slopes_shares_are_equal_and_an_unread_task_gets_the_mean_slope() -> None:
    schedule = LossSlope(3, explore=0.0)
    np.testing.assert_allclose(schedule.shares_T(), 1 / 3)
    schedule.read(np.array([1.0, 1.0, np.nan]))
    np.testing.assert_allclose(schedule.shares_T(), 1 / 3)
    schedule.read(np.array([np.exp(-3), np.exp(-1), np.nan]))
    np.testing.assert_allclose(schedule.shares_T(), [3 / 6, 1 / 6, 2 / 6])


def test_where_nothing_changes_shares_are_equal() -> None:
    schedule = LossSlope(2, explore=0.0)
    for _ in range(3):
        schedule.read(np.array([1.0, 1.0]))
    np.testing.assert_allclose(schedule.shares_T(), [0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedCycle([], 2), "the cycle is empty"),
        (lambda: FixedCycle([0, 2], 2), "there is no task 2 among 2"),
        (lambda: Annealed([1, 2], 0), "0 steps leave no time"),
        (lambda: Annealed([1, 0], 5), "task 1 has 0 rows"),
        (lambda: LossSlope(2, window=1), "1 readings have no slope"),
        (lambda: LossSlope(2, explore=1.5), "1.5 is no share"),
        (lambda: LossSlope(2).read(np.array([1.0])), "losses were read of 2 tasks"),
        (lambda: LossSlope(2).read(np.array([1.0, 0.0])), "loss 0 of task 1 has no logarithm"),
        (lambda: LossSlope(2).read(np.array([1.0, np.inf])), "loss inf of task 1 has no logarithm"),
    ],
)
def test_what_makes_no_schedule_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@given(rows_T=st.lists(st.integers(1, 1000), min_size=1, max_size=6), temperature=st.floats(1.0, 100.0))
def test_ratios_of_shares_are_roots_of_ratios_of_rows(rows_T: list[int], temperature: float) -> None:
    share_T = temperature_shares(rows_T, temperature)
    assert share_T.sum() == pytest.approx(1)
    for t, rows in enumerate(rows_T):
        assert share_T[t] / share_T[0] == pytest.approx((rows / rows_T[0]) ** (1 / temperature))


def test_a_temperature_of_one_is_in_proportion_to_rows_and_infinity_is_uniform() -> None:
    np.testing.assert_allclose(temperature_shares([30, 60, 10], 1.0), [0.3, 0.6, 0.1])
    np.testing.assert_array_equal(temperature_shares([30, 60, 10], float("inf")), np.full(3, 1 / 3))


@pytest.mark.parametrize(("rows_T", "temperature"), [([3, 0], 1.0), ([3, 1], 0.0), ([3, 1], -1.0)])
def test_what_nothing_can_be_drawn_from_is_refused(rows_T: list[int], temperature: float) -> None:
    with pytest.raises(DataError) as refused:
        temperature_shares(rows_T, temperature)
    assert refused.value.fix


def test_every_cycle_has_every_task_once_in_orders_that_differ() -> None:
    turns = np.array(_advance(Reshuffled(3, 5), 60, 0)).argmax(axis=1).reshape(20, 3)
    assert (np.sort(turns, axis=1) == [0, 1, 2]).all()
    assert len({tuple(turn) for turn in turns.tolist()}) > 3
