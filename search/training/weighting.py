"""How the losses of the tasks of one network become the one number that is differentiated."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

__all__ = ["WEIGHTINGS", "WeightLosses", "equal"]

WeightLosses = Callable[[Tensor], Tensor]
"""Losses of a batch [T] -> scalar. A task without a label in the batch has loss 0 and sends no gradient."""


def equal(losses_T: Tensor) -> Tensor:
    """The plain sum.

    A sum and not a mean over the tasks: a task's own head then gets the gradient it would get alone, whoever else is
    in the group.
    """
    return losses_T.sum()


WEIGHTINGS: dict[str, WeightLosses] = {"equal": equal}
