"""How the losses of the tasks of one network become the one number that is differentiated: a weighted sum.

A sum and not a mean over the tasks: a task's own head then gets the gradient it would get alone, whoever else is in the
group.
"""

from __future__ import annotations

from collections.abc import Callable

from grouping.tasks import Task

__all__ = ["WEIGHTINGS", "WeightTask", "declared", "equal"]

WeightTask = Callable[[Task], float]
"""What a task's loss is multiplied by."""


def equal(task: Task) -> float:
    """All alike."""
    return 1.0


def declared(task: Task) -> float:
    """The weight that the task has in the objective."""
    return task.weight


WEIGHTINGS: dict[str, WeightTask] = {"equal": equal, "declared": declared}
