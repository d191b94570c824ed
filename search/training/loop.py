"""The inner loop of the plain trainer: batches in a seeded order, Adam steps, and a stop when the loss is no number.

Axes: ``N`` rows, ``T`` tasks of the network, ``S`` readings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from grouping.candidates import FloatArray, IntArray
from search.errors import TrialError
from search.spec import TrainingSpec
from search.training.adam import Adam
from search.training.losses import TaskBlock, batch_losses, row_losses
from search.training.scoring import ResidentPart
from search.training.weighting import WEIGHTINGS

__all__ = ["EXPLODED", "Fit", "LossWatch", "orders", "reading_steps"]

EXPLODED = 1e6
"""A batch loss above this many times the first step's (or above this, if the first is below 1) ends a training."""


def reading_steps(n_rows: int, training: TrainingSpec) -> IntArray:
    """Steps done at each reading, [S]: the last of every epoch, and evenly between if several readings are asked for.

    Args:
        n_rows: Training rows; the last batch of an epoch may be smaller.
        training: Epochs, batch size and readings per epoch (at most one a step).
    """
    per_epoch = math.ceil(n_rows / training.batch_size)
    readings = min(training.readings_per_epoch, per_epoch)
    within = -(-np.arange(1, readings + 1) * per_epoch // readings)
    return (np.arange(training.epochs)[:, None] * per_epoch + within).ravel().astype(np.int64)


class Fit:
    """One network in training: ask it to advance, look at the network in between.

    Args:
        network: Trained in place.
        blocks: Its tasks.
        part: The training rows.
        training: Batch size, Adam's settings (``weight_decay`` is Adam's L2 term), weighting.
        order_seed: Decides the order of rows, epoch by epoch.
    """

    def __init__(
        self,
        network: nn.Module,
        blocks: Sequence[TaskBlock],
        part: ResidentPart,
        training: TrainingSpec,
        order_seed: int,
    ) -> None:
        self._network = network
        self._blocks = blocks
        self._weigh = WEIGHTINGS[training.weighting]
        self._batches = _batches(part, training.batch_size, order_seed)
        self._optimizer = Adam(network.parameters(), training.learning_rate, training.weight_decay)
        self._watch = LossWatch()
        self._done = 0

    def advance(self, step: int) -> None:
        """Train until ``step`` steps are done.

        Losses are looked at afterwards and together, which spares an accelerator a halt at every step; the message
        still names the first bad one, counted from 1.

        Raises:
            TrialError: a loss that is not finite or has exploded.
        """
        losses = []
        for inputs_NF, targets_NT, labelled_NT in islice(self._batches, step - self._done):
            rows_NT = row_losses(self._blocks, self._network(inputs_NF), targets_NT)
            loss = self._weigh(batch_losses(rows_NT, labelled_NT))
            self._optimizer.step(loss)
            losses.append(loss.detach())
        self._watch.check(torch.stack(losses).double().cpu().numpy(), self._done)
        self._done = step


class LossWatch:
    """Looks at the batch losses of one network as they come: finite, and not exploded since the first."""

    def __init__(self) -> None:
        self._limit = math.nan

    def check(self, losses: FloatArray, done: int) -> None:
        """Losses of the steps after the first ``done``.

        Raises:
            TrialError: names the first bad step, counted from 1.
        """
        if math.isnan(self._limit):
            self._limit = EXPLODED * max(1.0, float(losses[0]))
        for index in np.flatnonzero(~(losses <= self._limit))[:1].tolist():
            step, loss = done + index + 1, float(losses[index])
            if not math.isfinite(loss):
                raise TrialError(f"non-finite loss at step {step}", fix="Look at the inputs or lower the learning rate")
            raise TrialError(f"exploding loss at step {step} ({loss:.3g})", fix="Lower the learning rate")


def orders(n_rows: int, seed: int) -> Iterator[Tensor]:
    """Permutations of the rows without end, one an epoch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randperm(n_rows, generator=generator)


def _batches(part: ResidentPart, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, targets and label masks without end: an epoch is one permutation, gathered once and cut into slices."""
    arrays = (part.inputs_NF, part.targets_NT, part.labelled_NT)
    for order_N in orders(len(part.inputs_NF), seed):
        here_N = order_N.to(part.inputs_NF.device)
        yield from zip(*(torch.split(array[here_N], batch_size) for array in arrays), strict=True)
