"""Batches of one task each: whose turn it is by a schedule, which rows by passes through those that it has labels in.

An epoch has as many steps as one through all rows would have, whichever tasks they fall to, so trainings that sample
differently cost the same.

Axes: ``N`` rows, ``T`` tasks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grouping.candidates import FloatArray
from search.data.sampling import temperature_shares
from search.task_sampling import TaskSampling
from search.training.residence import ResidentPart
from search.training.schedule import Annealed, FixedCycle, LossSlope, Reshuffled, Steady, TaskSchedule
from search.trials import stream_seed

__all__ = ["TaskBatches", "schedule_of"]


def schedule_of(sampling: TaskSampling, rows_T: list[int], steps: int, seed: int) -> TaskSchedule:
    """The schedule behind a name.

    Args:
        sampling: One that draws a task a step.
        rows_T: Labelled rows of each task.
        steps: Of the whole training.
        seed: Of orders of tasks.
    """
    if sampling.name == "round-robin":
        return FixedCycle(range(len(rows_T)), len(rows_T))
    if sampling.name == "reshuffled":
        return Reshuffled(len(rows_T), seed)
    if sampling.name == "annealed":
        return Annealed(rows_T, max(1, steps))
    if sampling.name == "loss-slope":
        return LossSlope(len(rows_T), explore=sampling.explore)
    temperature = {"proportional": 1.0, "uniform": math.inf, "temperature": sampling.temperature}[sampling.name]
    return Steady(temperature_shares(rows_T, temperature))


class TaskBatches:
    """Batches without end.

    Args:
        part: The training rows.
        sampling: Whose turn it is.
        batch_size: Rows of a batch; the last of a pass through a task's rows may be smaller.
        steps: Of the whole training.
        seed: Of turns and orders of rows.
    """

    def __init__(self, part: ResidentPart, sampling: TaskSampling, batch_size: int, steps: int, seed: int) -> None:
        self._part, self._batch_size, self._seed = part, batch_size, seed
        self._rows = [torch.nonzero(labelled_N).flatten() for labelled_N in part.labelled_NT.T]
        self._schedule = schedule_of(sampling, [len(rows_N) for rows_N in self._rows], steps, seed)
        self._done_T = [0] * len(self._rows)
        self._step = 0
        self._task = 0
        self._passes: dict[int, tuple[int, Tensor]] = {}

    def __iter__(self) -> TaskBatches:
        return self

    def __next__(self) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, targets, and labels of the one task whose turn it is."""
        self._task = _drawn(self._schedule.shares_T(), self._seed, self._step)
        per_pass = math.ceil(len(self._rows[self._task]) / self._batch_size)
        number, within = divmod(self._done_T[self._task], per_pass)
        if self._passes.get(self._task, (-1,))[0] != number:
            generator = torch.Generator().manual_seed(stream_seed(self._seed, "task rows", self._task, number))
            order_N = torch.randperm(len(self._rows[self._task]), generator=generator)
            self._passes[self._task] = number, order_N.to(self._rows[self._task].device)
        here_N = self._passes[self._task][1][within * self._batch_size : (within + 1) * self._batch_size]
        rows_N = self._rows[self._task][here_N]
        self._done_T[self._task] += 1
        self._step += 1
        self._schedule.stepped()
        labelled_NT = torch.zeros_like(self._part.labelled_NT[: len(rows_N)])
        labelled_NT[:, self._task] = 1
        return self._part.inputs_NF[rows_N], self._part.targets_NT[rows_N], labelled_NT

    def read(self, losses_T: Tensor) -> None:
        """The losses of the batch that came last; schedules that look at losses need them."""
        if not isinstance(self._schedule, LossSlope):
            return  # a look at a loss makes an accelerator wait
        seen_T = np.full(len(self._done_T), np.nan)
        loss = float(losses_T[self._task])
        if 0 < loss < math.inf:
            seen_T[self._task] = loss
        self._schedule.read(seen_T)

    def state(self) -> dict[str, NDArray[Any]]:
        """What the next batch depends on."""
        seen = json.dumps(self._schedule.state()).encode()
        return {
            "sampling done": np.array(self._done_T, np.int64),
            "sampling schedule": np.frombuffer(seen, np.uint8).copy(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state."""
        self._done_T = [int(done) for done in state["sampling done"]]
        self._step = sum(self._done_T)
        self._schedule.restore(json.loads(state["sampling schedule"].tobytes()))
        self._passes.clear()


def _drawn(share_T: FloatArray, seed: int, step: int) -> int:
    """A task by its chances; a function of the step, so that a training goes on anywhere."""
    uniform = float(np.random.default_rng(stream_seed(seed, "whose turn", step)).random())
    return min(int(np.searchsorted(np.cumsum(share_T), uniform, side="right")), int(np.flatnonzero(share_T)[-1]))
