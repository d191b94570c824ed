"""Real workers on this machine: what a job costs the driver, how two workers compare with one, and the way to more."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from search.execution.ray_executor import RayExecutor

__all__ = ["Scaling", "job_milliseconds", "wait_milliseconds", "weak_scaling"]


@dataclass(frozen=True)
class Scaling:
    """Twice the work on two workers against once the work on one; wall seconds of each round.

    Args:
        one: With one worker.
        two: With two workers and twice as many jobs.
        process_one, process_two: Process seconds of a job, mean of the round.
    """

    one: list[float]
    two: list[float]
    process_one: list[float]
    process_two: list[float]

    @property
    def efficiency(self) -> float:
        """Median of one over two; 1 is perfect."""
        return float(np.median(np.array(self.one) / np.array(self.two)))


def spin(shared: None, steps: int) -> float:
    """So many steps of pure Python; returns the process seconds they took."""
    began = time.process_time()
    total = 0
    for i in range(steps):
        total += i % 7
    return time.process_time() - began


def nothing(shared: None, job: int) -> int:
    return job


def weak_scaling(rounds: int, jobs_each: int = 12, steps: int = 8_000_000) -> Scaling:
    """Rounds in turns, a cluster for each; workers are warm before the clock starts."""
    walls: dict[int, list[float]] = {1: [], 2: []}
    processes: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers in (1, 2):
            with RayExecutor(workers=workers) as executor:
                list(executor.run(spin, None, [1000] * (8 * workers)))
                began = time.perf_counter()
                outcomes = list(executor.run(spin, None, [steps] * (jobs_each * workers)))
                walls[workers].append(time.perf_counter() - began)
                processes[workers].append(float(np.mean([outcome.result or 0.0 for outcome in outcomes])))
    return Scaling(walls[1], walls[2], processes[1], processes[2])


def job_milliseconds(jobs: int = 2000) -> float:
    """Process milliseconds of the driver for a job that does nothing: sending it, waiting, taking its outcome."""
    with RayExecutor(workers=2) as executor:
        list(executor.run(nothing, None, range(100)))
        began = time.process_time()
        list(executor.run(nothing, None, range(jobs)))
        return 1000 * (time.process_time() - began) / jobs


def wait_milliseconds(pending: int = 1000, repeats: int = 200) -> float:
    """Process milliseconds of asking Ray which of so many pending answers is there, as after every outcome."""
    import ray

    with RayExecutor(workers=2) as executor:
        list(executor.run(nothing, None, range(4)))
        worker = executor._idle[0].handle
        function_at = ray.put(_slowly)
        shared_at = ray.put(None)
        answers = [worker.call.remote(function_at, [shared_at], i, 0.05) for i in range(pending)]
        began = time.process_time()
        for _ in range(repeats):
            ray.wait(answers, timeout=0)
        return 1000 * (time.process_time() - began) / repeats


def _slowly(shared: None, seconds: float) -> None:
    time.sleep(seconds)
