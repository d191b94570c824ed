"""What every executor promises (``search.execution.executor.Executor``), and what only separate processes can."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.execution.executor import Executor, InlineExecutor, this_worker
from search.execution.ray_executor import RayExecutor
from search.execution.simulated import SimulatedExecutor
from search.training.fused import train_fused
from search.training.packs import packed
from search.training.trainer import train
from search.trials import Course, Trial, TrialResult
from tests.contract import jobs
from tests.contract.trainings import TRIALS, digest, experiment


@pytest.fixture(params=["inline", "simulated", pytest.param("ray", marks=pytest.mark.ray)])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "inline":
        with InlineExecutor() as inline:
            yield inline
    elif request.param == "simulated":
        with SimulatedExecutor(3, lambda job: 1.0) as simulated:
            yield simulated
    else:
        yield request.getfixturevalue("ray_executor")


def test_every_job_has_exactly_one_outcome(executor: Executor) -> None:
    outcomes = list(executor.run(jobs.scaled_sum, jobs.numbers(), [0.5 * job for job in range(20)]))
    assert sorted(outcome.index for outcome in outcomes) == list(range(20))
    for outcome in outcomes:
        assert outcome.result == 0.5 * outcome.index * 499_500
        assert (outcome.failure, outcome.detail) == ("", "")
        host, _, pid = outcome.worker.rpartition(":")
        assert host
        assert int(pid) > 0


def test_no_jobs_no_outcomes(executor: Executor) -> None:
    assert list(executor.run(jobs.scaled_sum, jobs.numbers(), [])) == []


def test_an_executor_is_used_again_and_again(executor: Executor) -> None:
    for size in (10, 20):
        (outcome,) = executor.run(jobs.scaled_sum, jobs.numbers(size), [1.0])
        assert outcome.result == size * (size - 1) / 2


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("raises", "ValueError: first line second line"),
        ("ours", "non-finite loss at step 7"),
        ("mute", "KeyError"),
        ("exits", "SystemExit: 4"),
    ],
)
def test_what_a_job_raises_is_its_own_failure_in_one_line(executor: Executor, kind: str, failure: str) -> None:
    outcomes = {o.index: o for o in executor.run(jobs.trouble, {}, ["fine", kind, "fine"])}
    assert [outcomes[index].result for index in (0, 1, 2)] == ["fine", None, "fine"]
    assert outcomes[1].failure == failure
    assert "Traceback" in outcomes[1].detail
    assert outcomes[1].worker


def test_stopping_early_leaves_a_usable_executor(executor: Executor) -> None:
    outcomes = executor.run(jobs.slowly, {}, [0.0, 0.2, 0.2, 0.2, 0.2])
    assert next(outcomes).failure == ""
    outcomes.close()  # type: ignore[attr-defined]
    assert [o.result for o in executor.run(jobs.slowly, {}, [0.0])] == [0.0]


def test_whole_trainings_are_bitwise_those_of_this_process(executor: Executor) -> None:
    order = list(range(len(TRIALS)))
    random.Random(3).shuffle(order)
    outcomes = list(executor.run(train, experiment(), [TRIALS[index] for index in order]))
    assert sorted(outcome.index for outcome in outcomes) == sorted(order)
    for outcome in outcomes:
        assert digest(outcome.result) == digest(train(experiment(), TRIALS[order[outcome.index]]))


@pytest.mark.ray
def test_networks_trained_side_by_side_are_bitwise_the_same_in_any_pack_and_on_any_worker(
    ray_executor: RayExecutor,
) -> None:
    def digests(executor: Executor, room: int) -> dict[Trial, str]:
        packs = packed(map(Course, TRIALS), lambda trial: room, executor.workers)
        found = {}
        for outcome in executor.run(train_fused, experiment(), packs):
            for course, result in zip(packs[outcome.index], outcome.result or (), strict=True):
                assert isinstance(result, TrialResult)
                found[course.trial] = digest(result)
        return found

    with InlineExecutor() as inline:
        everything, alone = digests(inline, 8), digests(inline, 1)
    assert len(everything) == len(TRIALS)
    assert everything == alone == digests(ray_executor, 3)


def test_inline_runs_here_and_in_order() -> None:
    outcomes = list(InlineExecutor().run(jobs.slowly, {}, [0.0, 0.0]))
    assert [(outcome.index, outcome.worker) for outcome in outcomes] == [(0, this_worker()), (1, this_worker())]


@pytest.mark.ray
def test_jobs_run_in_two_other_processes_at_the_same_time_with_one_thread_each(
    ray_executor: RayExecutor, tmp_path: Path
) -> None:
    met = list(ray_executor.run(jobs.meets, {}, [str(tmp_path)] * 2))
    assert [outcome.failure for outcome in met] == ["", ""]
    workers = {outcome.worker for outcome in met}
    assert len(workers) == ray_executor.workers == 2
    assert this_worker() not in workers
    outcomes = list(ray_executor.run(jobs.environment, {}, ["OMP_NUM_THREADS"] * 4))
    assert {outcome.result for outcome in outcomes} == {"1"}


@pytest.mark.ray
def test_workers_without_a_gpu_know_it(ray_executor: RayExecutor) -> None:
    assert [outcome.result for outcome in ray_executor.run(jobs.gpu_share, {}, [0])] == ["0"]


@pytest.mark.ray
def test_shared_arrays_are_not_copied_and_cannot_be_changed(ray_executor: RayExecutor) -> None:
    (outcome,) = ray_executor.run(jobs.writes_to_shared, jobs.numbers(1_000_000), [1])
    assert "read-only" in outcome.failure


@pytest.mark.ray
def test_shared_data_are_sent_once_however_often_they_are_used(ray_executor: RayExecutor, tmp_path: Path) -> None:
    list(ray_executor.run(jobs.meets, {}, [str(tmp_path)] * 2))
    first, second = jobs.Counted(), jobs.Counted()
    held = {outcome.result for _ in range(2) for outcome in ray_executor.run(jobs.received, first, range(6))}
    assert len(held) == len({process for process, _ in held if process}) == 2  # type: ignore[misc]
    assert len(list(ray_executor.run(jobs.received, second, range(3)))) == 3
    assert (first.sent, second.sent) == (1, 1)


@pytest.mark.ray
def test_jobs_that_kill_their_workers_fail_and_the_others_go_on(ray_executor: RayExecutor) -> None:
    kinds = ["fine", "dies", "segfault", "killed", "fine", "fine"]
    outcomes = list(ray_executor.run(jobs.trouble, {}, kinds))
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(kinds)))
    for outcome in outcomes:
        died = kinds[outcome.index] != "fine"
        assert (outcome.result, outcome.failure) == ((None, "worker died") if died else ("fine", ""))


@pytest.mark.ray
def test_a_job_whose_worker_died_is_run_once_more(ray_executor: RayExecutor, tmp_path: Path) -> None:
    (outcome,) = ray_executor.run(jobs.dies_once, {}, [str(tmp_path / "marker")])
    assert (outcome.result, outcome.failure) == ("second attempt", "")


@pytest.mark.ray
def test_a_worker_that_died_while_it_waited_costs_no_job_an_attempt(ray_executor: RayExecutor, tmp_path: Path) -> None:
    met = tmp_path / "met"
    met.mkdir()
    workers = [outcome.worker for outcome in ray_executor.run(jobs.meets, {}, [str(met)] * 2)]
    for worker in workers:
        os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)
    (outcome,) = ray_executor.run(jobs.dies_once, {}, [str(tmp_path / "marker")])
    assert (outcome.result, outcome.failure) == ("second attempt", "")


@pytest.mark.ray
def test_a_job_that_takes_too_long_is_stopped_and_not_repeated(ray_executor: RayExecutor) -> None:
    outcomes = list(ray_executor.run(jobs.trouble, {}, ["hangs", "halted", "fine"], timeout_seconds=2))
    assert {o.index: o.failure for o in outcomes} == {0: "timed out after 2 s", 1: "timed out after 2 s", 2: ""}


@pytest.mark.ray
def test_a_result_that_cannot_be_sent_back_fails_that_job_only(ray_executor: RayExecutor) -> None:
    outcomes = {o.index: o for o in ray_executor.run(jobs.trouble, {}, ["unpicklable", "fine"])}
    assert outcomes[0].failure.startswith("the result cannot be sent back: TypeError: cannot pickle 'generator'")
    assert outcomes[1].result == "fine"


@pytest.mark.ray
def test_one_worker_gives_the_bits_of_two_in_any_order(ray_executor: RayExecutor, tmp_path: Path) -> None:
    """Another cluster of another process, with one worker, against this one's two and the reversed order."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.trainings"], capture_output=True, text=True, env=_at_home_in(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "Ray's messages stay out of the user's terminal"
    assert list(tmp_path.iterdir()) == [], "Ray writes nothing to the user's home directory"
    outcomes = list(ray_executor.run(train, experiment(), TRIALS[::-1]))
    two = [digest(outcome.result) for outcome in sorted(outcomes, key=lambda outcome: -outcome.index)]
    assert done.stdout.split() == two
    assert len(set(two)) == len(TRIALS)


def _at_home_in(folder: Path) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {"HOME": str(folder)}
