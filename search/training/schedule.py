"""When a training turns to which task: schedules that say for every step with which share each task is trained.

A share is a chance where one task is trained a step (``search.data.sampling.drawn``), or a weight of its loss where all
are. A schedule is told when a step is done, and the losses when they are read; what it remembers can be taken out and
put back, so that a training can stop and go on.

Axes: ``T`` tasks, ``W`` readings in a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from search.data.sampling import temperature_shares
from search.trials import stream_seed

__all__ = ["Annealed", "FixedCycle", "LossSlope", "Reshuffled", "Steady", "TaskSchedule"]


class TaskSchedule(Protocol):
    """What every schedule does."""

    def shares_T(self) -> FloatArray:
        """Shares of the next step, not negative, adding up to 1, [T]."""
        ...

    def stepped(self) -> None:
        """A step is done."""
        ...

    def read(self, losses_T: FloatArray) -> None:
        """Losses were read, NaN for tasks that were not, [T]."""
        ...

    def state(self) -> dict[str, Any]:
        """What it remembers, in values that JSON holds."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what an equal schedule remembered."""
        ...


class _Counted:
    """A schedule that remembers how many steps are done, and nothing else."""

    def __init__(self) -> None:
        self._step = 0

    def stepped(self) -> None:
        self._step += 1

    def read(self, losses_T: FloatArray) -> None:
        """Losses change nothing."""

    def state(self) -> dict[str, Any]:
        return {"step": self._step}

    def restore(self, state: dict[str, Any]) -> None:
        self._step = int(state["step"])


class Steady(_Counted):
    """The same shares in every step.

    Args:
        share_T: Not negative, adding up to 1.
    """

    def __init__(self, share_T: FloatArray) -> None:
        super().__init__()
        self._share_T = share_T

    def shares_T(self) -> FloatArray:
        return self._share_T


class FixedCycle(_Counted):
    """One task a step, in a fixed order again and again.

    Args:
        cycle: Task of every step of the cycle: ``[0, 0, 1]`` trains task 0 twice as often as task 1.
        n_tasks: How many tasks there are.

    Raises:
        InputError: an empty cycle, or a task that there is not.
    """

    def __init__(self, cycle: Sequence[int], n_tasks: int) -> None:
        super().__init__()
        odd = [task for task in cycle if not 0 <= task < n_tasks]
        if not cycle or odd:
            what = f"there is no task {odd[0]} among {n_tasks}" if odd else "the cycle is empty"
            raise InputError(what, where="cycle", fix=f"Name tasks from 0 to {n_tasks - 1}")
        self._cycle, self._n_tasks = tuple(cycle), n_tasks

    def shares_T(self) -> FloatArray:
        return np.asarray(np.eye(self._n_tasks)[self._cycle[self._step % len(self._cycle)]])


class Reshuffled(_Counted):
    """One task a step, every task once in each cycle, in an order that is drawn anew for each.

    Args:
        n_tasks: How many tasks there are.
        seed: Of the orders.
    """

    def __init__(self, n_tasks: int, seed: int) -> None:
        super().__init__()
        self._n_tasks, self._seed = n_tasks, seed

    def shares_T(self) -> FloatArray:
        cycle, within = divmod(self._step, self._n_tasks)
        order_T = np.random.default_rng(stream_seed(self._seed, "task cycle", cycle)).permutation(self._n_tasks)
        return np.asarray(np.eye(self._n_tasks)[order_T[within]])


class Annealed(_Counted):
    """From shares in proportion to the tasks' rows to equal ones: ``n_t^(1 - progress)``, progress from 0 to 1.

    As Stickland & Murray (2019, *BERT and PALs*, equation 2) anneal the exponent over training, there to 0.2 and by
    epoch: large tasks first, so that small ones are not overfitted before there is something to share.

    Args:
        rows_T: Rows of each task.
        steps: After how many steps shares are equal; they stay so.

    Raises:
        InputError: no steps, or a task without rows.
    """

    def __init__(self, rows_T: Sequence[int], steps: int) -> None:
        super().__init__()
        if steps < 1:
            raise InputError(f"{steps} steps leave no time to anneal in", where="steps", fix="Use 1 or more")
        self._rows_T, self._steps = tuple(rows_T), steps
        self.shares_T()  # refuses a task without rows at once

    def shares_T(self) -> FloatArray:
        exponent = max(0.0, 1 - self._step / self._steps)
        return temperature_shares(self._rows_T, 1 / exponent if exponent > 0 else float("inf"))


class LossSlope:
    """Tasks whose losses change fastest come most: ``(1 - explore) |slope_t| / sum + explore / T``.

    Slopes are least-squares slopes of the logarithms of the last losses, so no task's unit counts. Falling or rising
    makes no difference: a task that is being forgotten needs training too (Matiisen et al. 2017, *Teacher-Student
    Curriculum Learning*, window algorithm). Shares are equal until a task was read twice; until then a task gets the
    mean of the slopes that are known.

    Args:
        n_tasks: How many tasks there are.
        window: Readings of each task that are looked at, 2 or more.
        explore: Share that is spread evenly, 0 to 1, so that no task is left for good.

    Raises:
        InputError: a window that has no slope, or a share that is none.
    """

    def __init__(self, n_tasks: int, *, window: int = 10, explore: float = 0.1) -> None:
        if window < 2:
            raise InputError(f"{window} readings have no slope", where="window", fix="Use 2 or more")
        if not 0 <= explore <= 1:
            raise InputError(f"{explore:g} is no share", where="explore", fix="Use a number from 0 to 1")
        self._window, self._explore = window, explore
        self._seen: list[list[tuple[int, float]]] = [[] for _ in range(n_tasks)]
        self._readings = 0

    def shares_T(self) -> FloatArray:
        n_tasks = len(self._seen)
        slope_T = np.array([_slope(seen) for seen in self._seen])
        if np.isnan(slope_T).all():
            return np.full(n_tasks, 1 / n_tasks)
        slope_T = np.where(np.isnan(slope_T), np.nanmean(slope_T), slope_T)
        total = slope_T.sum()
        share_T = slope_T / total if total > 0 else np.full(n_tasks, 1 / n_tasks)
        return np.asarray((1 - self._explore) * share_T + self._explore / n_tasks)

    def stepped(self) -> None:
        """Steps change nothing; readings do."""

    def read(self, losses_T: FloatArray) -> None:
        """Remember the losses.

        Raises:
            InputError: another number of tasks, or a loss that is not above 0 and so has no logarithm.
        """
        if losses_T.shape != (len(self._seen),):
            raise InputError(f"{losses_T.shape} losses were read of {len(self._seen)} tasks", where="losses_T")
        for task, loss in enumerate(losses_T.tolist()):
            if not (np.isnan(loss) or 0 < loss < np.inf):
                raise InputError(f"the loss {loss:g} of task {task} has no logarithm", where="losses_T")
        for seen, loss in zip(self._seen, losses_T.tolist(), strict=True):
            if not np.isnan(loss):
                seen.append((self._readings, loss))
                del seen[: -self._window]
        self._readings += 1

    def state(self) -> dict[str, Any]:
        return {"readings": self._readings, "seen": [[list(one) for one in seen] for seen in self._seen]}

    def restore(self, state: dict[str, Any]) -> None:
        self._readings = int(state["readings"])
        self._seen = [[(int(at), float(loss)) for at, loss in seen] for seen in state["seen"]]


def _slope(seen: Sequence[tuple[int, float]]) -> float:
    """Size of the slope of the logarithm a reading; NaN before the second."""
    if len(seen) < 2:
        return np.nan
    at_W, loss_W = np.array(seen).T
    at_W = at_W - at_W.mean()
    return float(abs(at_W @ np.log(loss_W)) / (at_W @ at_W))
