"""Workers that exist on paper: jobs take the time they are said to take, on a clock of their own.

For questions that no laptop can answer by trying: how a thousand workers are kept busy, what a run of a hundred
thousand trainings asks of the store and of memory, what deaths and stragglers cost.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar

from search.execution.executor import ATTEMPTS, Outcome, failed, in_a_row

__all__ = ["Account", "Conditions", "SimulatedExecutor"]

S = TypeVar("S")
J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True)
class Conditions:
    """What the machines are like. What befalls a job follows from the seed, its position and its attempt alone.

    Args:
        start_seconds: Until a fresh worker can take its first job.
        dispatch_seconds: What the driver spends on sending a job and taking its outcome, one job after the other.
        deaths_per_hour: How often a worker at work dies, on average.
        stragglers: Share of the attempts that are slow, and by which factor.
        seed: Of all that is left to chance.
    """

    start_seconds: float = 0.0
    dispatch_seconds: float = 0.0
    deaths_per_hour: float = 0.0
    stragglers: float = 0.0
    slowdown: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Account:
    """Where the time went, in seconds of the simulated clock.

    Args:
        seconds: Since the executor was made, while jobs were run.
        worked: Worker seconds of jobs that were brought to an end.
        lost: Worker seconds of attempts that ended in a death or by the time limit.
        deaths: Workers that died.
        workers: How many there are at a time.
    """

    seconds: float = 0.0
    worked: float = 0.0
    lost: float = 0.0
    deaths: int = 0
    workers: int = 1

    @property
    def utilisation(self) -> float:
        """Share of the workers' time that went into jobs that came to an end."""
        return self.worked / (self.workers * self.seconds) if self.seconds else 0.0


@dataclass(order=True, frozen=True)
class _Event:
    """A worker is through with an attempt, or with starting (``index`` is then -1)."""

    at: float
    order: int
    worker: int
    index: int = -1
    attempt: int = 1
    began: float = 0.0
    end: str = ""  # "died", or "late" at the time limit


class SimulatedExecutor:
    """``Executor`` in virtual time: functions are called here, one by one, when their time is over.

    It retries, balances and stops as the executor on Ray does; the caller's work between outcomes delays the driver
    as it would there, if ``caller`` can tell how much it is.

    Args:
        workers: How many.
        seconds: How long a job takes; replays what was recorded, or computes it.
        conditions: What the machines are like.
        caller: A clock that is read when an outcome is given out and when the next is asked for, ``time.process_time``
            for example; what passed on it passes on the simulated one. Default: the caller takes no time.
    """

    def __init__(
        self,
        workers: int,
        seconds: Callable[[Any], float],
        conditions: Conditions | None = None,
        *,
        caller: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.workers = workers
        self.account = Account(workers=workers)
        self._seconds = seconds
        self._conditions = conditions or Conditions()
        self._caller = caller
        self._names = itertools.count(1)
        self._idle: list[int] = []

    def run(
        self, function: Callable[[S, J], R], shared: S, jobs: Sequence[J], *, timeout_seconds: float | None = None
    ) -> Iterator[Outcome[R]]:
        limit = float("inf") if timeout_seconds is None else timeout_seconds
        waiting = deque((index, 1) for index in range(len(jobs)))
        events: list[_Event] = []
        order = itertools.count()
        finished: list[Outcome[R]] = []
        busy = starting = 0
        while True:
            for _ in range(min(self.workers, len(waiting) + busy) - len(self._idle) - busy - starting):
                at = self.account.seconds + self._conditions.start_seconds
                heapq.heappush(events, _Event(at, next(order), next(self._names)))
                starting += 1
            while waiting and self._idle:
                index, attempt = waiting.popleft()
                self._pass(self._conditions.dispatch_seconds)
                begun = self._attempt(next(order), self._idle.pop(), index, attempt, jobs[index], limit)
                heapq.heappush(events, begun)
                busy += 1
            for outcome in finished:
                before = self._caller()
                yield outcome
                self._pass(self._caller() - before)
            finished = []
            if not events:
                return
            self._until(events[0].at)
            while events and events[0].at <= self.account.seconds:
                event = heapq.heappop(events)
                if event.index < 0:
                    starting -= 1
                    self._idle.append(event.worker)
                    continue
                busy -= 1
                self._charge(event)
                if not event.end:
                    self._idle.append(event.worker)
                    finished.append(_called(function, shared, jobs[event.index], event))
                elif event.end == "late":
                    reason = f"timed out after {limit:g} s"
                    finished.append(Outcome(event.index, None, reason, "", _name(event.worker)))
                elif event.attempt < ATTEMPTS:
                    waiting.appendleft((event.index, event.attempt + 1))
                else:
                    finished.append(Outcome(event.index, None, "worker died", "", _name(event.worker)))
            finished = in_a_row(finished)

    def _attempt(self, order: int, worker: int, index: int, attempt: int, job: J, limit: float) -> _Event:
        """When and how a job that is begun now will end."""
        conditions, now = self._conditions, self.account.seconds
        chance = random.Random(f"{conditions.seed} {index} {attempt}")
        seconds = self._seconds(job) * (conditions.slowdown if chance.random() < conditions.stragglers else 1.0)
        rate = conditions.deaths_per_hour / 3600
        life = chance.expovariate(rate) if rate else float("inf")
        end = "died" if life < min(seconds, limit) else "late" if seconds > limit else ""
        return _Event(now + min(seconds, limit, life), order, worker, index, attempt, now, end)

    def _charge(self, event: _Event) -> None:
        spent = event.at - event.began
        self.account = replace(
            self.account,
            worked=self.account.worked + (0.0 if event.end else spent),
            lost=self.account.lost + (spent if event.end else 0.0),
            deaths=self.account.deaths + (event.end == "died"),
        )

    def _pass(self, seconds: float) -> None:
        self._until(self.account.seconds + seconds)

    def _until(self, at: float) -> None:
        if at > self.account.seconds:
            self.account = replace(self.account, seconds=at)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _called(function: Callable[[S, J], R], shared: S, job: J, event: _Event) -> Outcome[R]:
    try:
        return Outcome(event.index, function(shared, job), worker=_name(event.worker))
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a job raises is its own outcome)
        return replace(failed(event.index, error), worker=_name(event.worker))


def _name(worker: int) -> str:
    return f"simulated:{worker}"
