"""Tasks of unequal sizes are drawn as declared, reproducibly, and from any position on."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.data.sampling import (
    Batch,
    TaskOrder,
    batches,
    drawn,
    epoch_steps,
    reshuffled,
    round_robin,
    temperature_shares,
)
from search.errors import DataError

ROWS = st.lists(st.integers(1, 1000), min_size=1, max_size=6)


def orders(rows_T: list[int], seed: int = 0) -> dict[str, TaskOrder]:
    return {
        "proportional": drawn(temperature_shares(rows_T, 1.0), seed),
        "tempered": drawn(temperature_shares(rows_T, 5.0), seed),
        "uniform": drawn(temperature_shares(rows_T, float("inf")), seed),
        "round-robin": round_robin(len(rows_T)),
        "reshuffled": reshuffled(len(rows_T), seed),
    }


@given(rows_T=ROWS)
def test_a_temperature_of_one_is_in_proportion_to_rows_and_infinity_is_uniform(rows_T: list[int]) -> None:
    np.testing.assert_allclose(temperature_shares(rows_T, 1.0), np.array(rows_T) / sum(rows_T), rtol=1e-12)
    np.testing.assert_array_equal(temperature_shares(rows_T, float("inf")), np.full(len(rows_T), 1 / len(rows_T)))
    np.testing.assert_allclose(temperature_shares(rows_T, 1e9), 1 / len(rows_T), rtol=1e-6)


@given(rows_T=ROWS, temperature=st.floats(1.0, 100.0))
def test_ratios_of_shares_are_roots_of_ratios_of_rows(rows_T: list[int], temperature: float) -> None:
    share_T = temperature_shares(rows_T, temperature)
    assert share_T.sum() == pytest.approx(1)
    for t, rows in enumerate(rows_T):
        assert share_T[t] / share_T[0] == pytest.approx((rows / rows_T[0]) ** (1 / temperature))


@pytest.mark.parametrize("temperature", [1.0, 2.0, float("inf")])
def test_tasks_are_drawn_as_often_as_their_shares_say(temperature: float) -> None:
    share_T = temperature_shares([900, 90, 10], temperature)
    steps = 20_000
    count_T = np.bincount(list(islice(drawn(share_T, 3)(0), steps)), minlength=3)
    deviation_T = np.sqrt(steps * share_T * (1 - share_T))
    assert (np.abs(count_T - steps * share_T) < 4 * deviation_T).all()


def test_a_task_of_share_zero_is_never_drawn() -> None:
    assert set(islice(drawn(np.array([0.0, 1.0, 0.0]), 0)(0), 3000)) == {1}


@given(n_tasks=st.integers(1, 7), cycle=st.integers(0, 50), seed=st.integers(0, 100))
def test_in_every_cycle_every_task_comes_once(n_tasks: int, cycle: int, seed: int) -> None:
    assert list(islice(round_robin(n_tasks)(cycle * n_tasks), n_tasks)) == list(range(n_tasks))
    assert sorted(islice(reshuffled(n_tasks, seed)(cycle * n_tasks), n_tasks)) == list(range(n_tasks))


def test_reshuffled_cycles_differ_in_order() -> None:
    tasks = list(islice(reshuffled(6, 0)(0), 60))
    assert len({tuple(tasks[i : i + 6]) for i in range(0, 60, 6)}) > 5


@pytest.mark.parametrize("name", list(orders([1])))
def test_the_same_seed_gives_the_same_and_another_seed_another_order(name: str) -> None:
    rows_T = [400, 70, 30]
    first, again, other = (list(islice(orders(rows_T, seed)[name](0), 200)) for seed in (1, 1, 2))
    assert first == again
    assert (first != other) or name == "round-robin"


def _same(one: list[Batch], two: list[Batch]) -> bool:
    pairs = zip(one, two, strict=True)
    return all(a.task == b.task and np.array_equal(a.rows_N, b.rows_N) for a, b in pairs)


@pytest.mark.parametrize("name", list(orders([1])))
@pytest.mark.parametrize("start", [0, 1, 17, 1024, 1500])
def test_a_training_goes_on_from_any_step_as_if_it_had_never_stopped(name: str, start: int) -> None:
    rows_T = [50, 13, 7]
    order = orders(rows_T, 4)[name]
    whole = list(islice(batches(order, rows_T, 8, 5), start + 40))
    assert _same(list(islice(batches(order, rows_T, 8, 5, start), 40)), whole[start:])


@given(rows_T=st.lists(st.integers(1, 40), min_size=1, max_size=4), batch_size=st.integers(1, 12))
def test_every_pass_through_a_task_takes_each_of_its_rows_once(rows_T: list[int], batch_size: int) -> None:
    steps = 2 * epoch_steps(rows_T, batch_size, "largest task")
    taken: list[list[int]] = [[] for _ in rows_T]
    for batch in islice(batches(reshuffled(len(rows_T), 0), rows_T, batch_size, 1), steps):
        assert 1 <= len(batch.rows_N) <= batch_size
        taken[batch.task].extend(batch.rows_N.tolist())
    for rows, numbers in zip(rows_T, taken, strict=True):
        for begin in range(0, len(numbers) - rows + 1, rows):
            assert sorted(numbers[begin : begin + rows]) == list(range(rows))
    assert len(taken[int(np.argmax(rows_T))]) == 2 * max(rows_T)


def test_passes_are_in_different_orders_and_so_are_tasks_of_one_size() -> None:
    found = list(islice(batches(round_robin(2), [30, 30], 30, 0), 4))
    assert len({tuple(batch.rows_N.tolist()) for batch in found}) == 4


def test_what_one_epoch_means_is_declared() -> None:
    assert epoch_steps([100, 25, 7], 10, "all rows") == 10 + 3 + 1
    assert epoch_steps([100, 25, 7], 10, "smallest task") == 3 * 1
    assert epoch_steps([100, 25, 7], 10, "largest task") == 3 * 10


def test_an_epoch_of_all_rows_goes_through_each_task_about_once_if_drawn_in_proportion() -> None:
    rows_T = [8000, 2000]
    steps = epoch_steps(rows_T, 10, "all rows")
    count_T = np.bincount(list(islice(orders(rows_T)["proportional"](0), steps)))
    np.testing.assert_allclose(count_T * 10, rows_T, rtol=0.15)


def test_what_cannot_be_drawn_from_is_refused() -> None:
    with pytest.raises(DataError, match="task 1 has 0 rows"):
        temperature_shares([3, 0], 1.0)
    with pytest.raises(DataError, match="temperature 0 is not above 0"):
        temperature_shares([3, 1], 0.0)
    with pytest.raises(DataError, match="no chances that add up to 1"):
        drawn(np.array([0.5, 0.6]), 0)
    with pytest.raises(DataError, match="batches of 0 rows hold nothing"):
        batches(round_robin(1), [3], 0, 0)
    with pytest.raises(DataError, match="task 0 has 0 rows"):
        epoch_steps([0], 1, "all rows")
