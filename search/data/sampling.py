"""Which task the next batch is from, and which of its rows, where tasks have data sets of their own, of unequal sizes.

Every piece is a pure function of a seed and a position, so a training goes on from any step as if it had never stopped.
A step is one batch of one task. What an epoch means has to be said, for tasks of unequal sizes have none in common:
see ``epoch_steps``.

Axes: ``T`` tasks, ``N`` rows of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Literal, NamedTuple

import numpy as np

from grouping.candidates import FloatArray, IntArray
from search.errors import DataError
from search.trials import stream_seed

__all__ = [
    "Batch",
    "Epoch",
    "TaskOrder",
    "batches",
    "drawn",
    "epoch_steps",
    "reshuffled",
    "round_robin",
    "temperature_shares",
]

TaskOrder = Callable[[int], Iterator[int]]
"""From a step on, the task of every step, without end."""

Epoch = Literal["all rows", "smallest task", "largest task"]

_BLOCK = 1024
"""Steps that are drawn together: as many at most are drawn in vain when a training goes on."""


class Batch(NamedTuple):
    """One step: a task, and the numbers of its rows."""

    task: int
    rows_N: IntArray


def temperature_shares(rows_T: Sequence[int], temperature: float) -> FloatArray:
    """How often each task is drawn, ``n_t^(1/temperature)`` scaled to add up to 1, [T].

    1 is in proportion to the tasks' rows, infinity the same for all; values between favour small tasks without
    repeating them as often (Arivazhagan et al. 2019, *Massively Multilingual Neural Machine Translation in the Wild*).

    Raises:
        DataError: a task without rows, or a temperature that is not above 0.
    """
    _check_rows(rows_T)
    if not temperature > 0:
        raise DataError(
            f"the temperature {temperature:g} is not above 0",
            where="temperature",
            fix="Use 1 for shares in proportion to rows, infinity for equal ones",
        )
    size_T = np.log(np.asarray(rows_T, dtype=float)) / temperature
    share_T = np.exp(size_T - size_T.max())
    return np.asarray(share_T / share_T.sum())


def drawn(share_T: FloatArray, seed: int) -> TaskOrder:
    """Each step's task is drawn by itself, with these chances.

    Raises:
        DataError: chances that are negative or do not add up to 1.
    """
    if not ((share_T >= 0).all() and abs(share_T.sum() - 1) < 1e-9):
        raise DataError(f"the shares {np.round(share_T, 6).tolist()} are no chances that add up to 1", where="share_T")
    limit_T = np.cumsum(share_T)
    last = int(np.flatnonzero(share_T)[-1])

    def order(step: int) -> Iterator[int]:
        skipped = step % _BLOCK
        for block in count(step // _BLOCK):
            uniform = np.random.default_rng(stream_seed(seed, "task order", block)).random(_BLOCK)
            yield from np.minimum(np.searchsorted(limit_T, uniform, side="right"), last)[skipped:].tolist()
            skipped = 0

    return order


def round_robin(n_tasks: int) -> TaskOrder:
    """One task after the other, always in the same order."""
    return lambda step: (position % n_tasks for position in count(step))


def reshuffled(n_tasks: int, seed: int) -> TaskOrder:
    """Every task once in each cycle, in an order that is drawn anew for each."""

    def order(step: int) -> Iterator[int]:
        skipped = step % n_tasks
        for cycle in count(step // n_tasks):
            rng = np.random.default_rng(stream_seed(seed, "task cycle", cycle))
            yield from rng.permutation(n_tasks)[skipped:].tolist()
            skipped = 0

    return order


def epoch_steps(rows_T: Sequence[int], batch_size: int, epoch: Epoch) -> int:
    """Steps of one epoch.

    ``all rows``: as many batches as the tasks' rows make; tasks drawn in proportion are then each gone through about
    once. ``smallest task``, ``largest task``: as many batches of every task as that task's rows make; in turn, each
    larger one is then cut short, or each smaller one repeated.

    Raises:
        DataError: a task without rows, or batches of none.
    """
    per_task = _per_task(rows_T, batch_size)
    if epoch == "all rows":
        return sum(per_task)
    return len(per_task) * (min(per_task) if epoch == "smallest task" else max(per_task))


def batches(order: TaskOrder, rows_T: Sequence[int], batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
    """Batches without end: a task by the order, its rows by passes through them, each pass in an order of its own.

    A task goes on where its last batch ended, whichever tasks came between. The last batch of a pass may be smaller.

    Args:
        order: Which task each step is of.
        rows_T: Rows of each task.
        batch_size: Rows of a batch.
        seed: Of the rows' orders.
        start: Steps that are left out; those after them are as if nothing were.

    Raises:
        DataError: a task without rows, or batches of none.
    """
    per_task = _per_task(rows_T, batch_size)
    done_T = [0] * len(per_task)
    earlier = order(0)
    for _ in range(start):
        done_T[next(earlier)] += 1
    return _batches(order(start), rows_T, batch_size, seed, per_task, done_T)


def _batches(
    tasks: Iterator[int],
    rows_T: Sequence[int],
    batch_size: int,
    seed: int,
    per_task: Sequence[int],
    done_T: list[int],
) -> Iterator[Batch]:
    passes: dict[int, tuple[int, IntArray]] = {}
    for task in tasks:
        number, within = divmod(done_T[task], per_task[task])
        if task not in passes or passes[task][0] != number:
            rng = np.random.default_rng(stream_seed(seed, "task rows", task, number))
            passes[task] = number, rng.permutation(rows_T[task])
        yield Batch(task, passes[task][1][within * batch_size : (within + 1) * batch_size])
        done_T[task] += 1


def _per_task(rows_T: Sequence[int], batch_size: int) -> list[int]:
    _check_rows(rows_T)
    if batch_size < 1:
        raise DataError(f"batches of {batch_size} rows hold nothing", where="batch_size", fix="Use 1 or more")
    return [math.ceil(rows / batch_size) for rows in rows_T]


def _check_rows(rows_T: Sequence[int]) -> None:
    for task, rows in enumerate(rows_T):
        if rows < 1:
            raise DataError(f"task {task} has {rows} rows", where="rows_T", fix="Leave it out: nothing can be drawn")
