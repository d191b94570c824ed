"""The simulated executor keeps its own clock; what all executors promise is in ``tests/contract/test_executors.py``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.execution.executor import Outcome
from search.execution.simulated import Conditions, SimulatedExecutor


def echo(shared: None, job: float) -> float:
    return job


def seconds(job: float) -> float:
    return job


def outcomes_of(executor: SimulatedExecutor, jobs: list[float], limit: float | None = None) -> list[Outcome[float]]:
    return list(executor.run(echo, None, jobs, timeout_seconds=limit))


def test_jobs_end_in_the_order_of_their_time_and_the_clock_shows_the_last() -> None:
    executor = SimulatedExecutor(2, seconds)
    assert [o.index for o in outcomes_of(executor, [5.0, 1.0, 1.0, 1.0])] == [1, 2, 3, 0]
    assert executor.account.seconds == 5.0
    assert executor.account.worked == 8.0
    assert executor.account.utilisation == 0.8


@given(
    jobs=st.lists(st.floats(0.1, 100.0), min_size=1, max_size=40),
    workers=st.integers(1, 12),
    deaths=st.sampled_from([0.0, 30.0, 1000.0]),
    stragglers=st.sampled_from([0.0, 0.3]),
    limit=st.sampled_from([None, 20.0]),
    start=st.sampled_from([0.0, 3.0]),
)
def test_whatever_happens_every_job_has_one_outcome_and_time_adds_up(
    jobs: list[float], workers: int, deaths: float, stragglers: float, limit: float | None, start: float
) -> None:
    conditions = Conditions(start, 0.01, deaths, stragglers, 3.0)
    executor = SimulatedExecutor(workers, seconds, conditions)
    outcomes = outcomes_of(executor, jobs, limit)
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(jobs)))
    for outcome in outcomes:
        assert (outcome.result is None) == (outcome.failure in {"worker died", "timed out after 20 s"})
    account = executor.account
    assert account.worked + account.lost <= workers * account.seconds * (1 + 1e-9)
    if limit is None and not account.deaths:
        assert account.seconds >= sum(jobs) / workers * (1 - 1e-9)
    again = SimulatedExecutor(workers, seconds, conditions)
    assert outcomes_of(again, jobs, limit) == outcomes
    assert again.account == account


def test_what_befalls_a_job_does_not_depend_on_how_many_workers_there_are() -> None:
    jobs = [float(i % 7 + 1) for i in range(200)]
    conditions = Conditions(deaths_per_hour=300.0, stragglers=0.1, slowdown=4.0, seed=5)
    fates = [
        {outcome.index: outcome.failure for outcome in outcomes_of(SimulatedExecutor(n, seconds, conditions), jobs)}
        for n in (1, 3, 50)
    ]
    assert fates[0] == fates[1] == fates[2]
    assert set(fates[0].values()) == {"", "worker died"}


def test_a_job_whose_worker_died_once_is_done_by_a_fresh_one() -> None:
    conditions = Conditions(deaths_per_hour=400.0, start_seconds=2.0, seed=1)
    executor = SimulatedExecutor(4, seconds, conditions)
    outcomes = outcomes_of(executor, [5.0] * 100)
    failed = sum(outcome.failure != "" for outcome in outcomes)
    assert 0 < 2 * failed < executor.account.deaths
    assert executor.account.worked == 5.0 * (100 - failed)
    assert len({outcome.worker for outcome in outcomes}) > 4


def test_a_job_is_stopped_at_its_limit() -> None:
    executor = SimulatedExecutor(1, seconds)
    assert [o.failure for o in outcomes_of(executor, [30.0, 1.0], 10.0)] == ["timed out after 10 s", ""]
    assert (executor.account.seconds, executor.account.lost) == (11.0, 10.0)


def test_a_caller_that_is_slow_keeps_workers_waiting() -> None:
    clock = [0.0]
    executor = SimulatedExecutor(4, seconds, caller=lambda: clock[0])
    for _ in executor.run(echo, None, [1.0] * 40):
        clock[0] += 1.0
    assert executor.account.seconds == pytest.approx(41.0)
    assert executor.account.utilisation == pytest.approx(40 / (4 * 41))


def test_outcomes_of_one_moment_come_in_a_row() -> None:
    rows = [o.more for o in outcomes_of(SimulatedExecutor(3, seconds), [1.0] * 5)]
    assert rows == [True, True, False, True, False]


def test_closing_early_leaves_a_usable_executor() -> None:
    executor = SimulatedExecutor(2, seconds)
    outcomes: Iterator[Outcome[float]] = executor.run(echo, None, [1.0, 2.0, 3.0])
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert [o.result for o in outcomes_of(executor, [4.0])] == [4.0]
