"""The inner loop of the plain trainer: batches in a seeded order, Adam steps, and a stop when the loss is no number.

Axes: ``N`` rows, ``T`` tasks of the network, ``S`` readings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, islice

import numpy as np
import torch
from torch import Tensor, nn

from grouping.candidates import FloatArray, IntArray
from search.balancing import EQUAL, Balancing
from search.errors import TrialError
from search.networks.shared_network import SharedNetwork
from search.spec import TrainingSpec
from search.task_sampling import BY_ROWS, TaskSampling
from search.training.adam import Adam
from search.training.balanced import BalancedSteps
from search.training.losses import TaskBlock, batch_losses, row_losses
from search.training.noise import Noise
from search.training.progress import load_moments, network_state, restore, trainable
from search.training.residence import ResidentPart
from search.training.task_batches import TaskBatches
from search.trials import NetworkState

__all__ = ["EXPLODED", "Fit", "LossWatch", "batches", "orders", "reading_steps"]

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
        training: Batch size, Adam's settings (``weight_decay`` is Adam's L2 term), clipping, precision.
        order_seed: Decides the order of rows, epoch by epoch.
        start: Where an earlier training of this network stopped; None to begin.
        watch: What looks at the losses; it goes on from the earlier training too.
        weights: What each task's loss is multiplied by, length T; default: 1.
        auxiliary: Which tasks are trained for the others' sake only, length T; default: none.
        noise_seed: Of random numbers that modules of other packages take from torch's own generator.
    """

    def __init__(
        self,
        network: nn.Module,
        blocks: Sequence[TaskBlock],
        part: ResidentPart,
        training: TrainingSpec,
        order_seed: int,
        start: NetworkState | None = None,
        watch: LossWatch | None = None,
        weights: Sequence[float] = (),
        auxiliary: Sequence[bool] = (),
        noise_seed: int = 0,
    ) -> None:
        self._network = network
        self._blocks = blocks
        device = part.inputs_NF.device
        self._weights_T = None
        if any(weight != 1 for weight in weights):
            self._weights_T = torch.tensor(weights, dtype=part.targets_NT.dtype, device=device)
        self._clip_norm = training.clip_norm
        self._penalty = network.penalty if isinstance(network, SharedNetwork) else None
        self._rounded = partial(torch.autocast, device.type, torch.bfloat16, enabled=training.precision == "bfloat16")
        self._noise = Noise(device, noise_seed)
        self._done = 0 if start is None else start.step
        rows = len(part.inputs_NF)
        self._batches: Iterator[tuple[Tensor, Tensor, Tensor]]
        self._by_task = None
        if training.sampling == BY_ROWS:
            self._batches = batches(part, training.batch_size, order_seed, self._done)
        else:
            sampling, steps = TaskSampling.parse(training.sampling), int(reading_steps(rows, training)[-1])
            self._batches = self._by_task = TaskBatches(part, sampling, training.batch_size, steps, order_seed)
        self._optimizer = Adam(trainable(network).values(), training.learning_rate, training.weight_decay, self._done)
        self._balanced = None
        if training.balancing != EQUAL:
            self._balanced = BalancedSteps(
                network,
                self._optimizer,
                Balancing.parse(training.balancing),
                blocks,
                list(auxiliary) or [False] * part.targets_NT.shape[1],
                training.learning_rate,
                math.ceil(rows / training.batch_size),
                self._done,
            )
        self._watch = watch or LossWatch()
        if start is not None:
            restore(network, start)
            load_moments(self._optimizer.means, self._optimizer.squares, start)
            self._noise.restore(start.noise)
            if self._balanced is not None:
                self._balanced.restore(start.balancing)
            if self._by_task is not None:
                self._by_task.restore(start.balancing)

    def advance(self, step: int) -> None:
        """Train until ``step`` steps are done.

        Losses are looked at afterwards and together, which spares an accelerator a halt at every step; the message
        still names the first bad one, counted from 1.

        Raises:
            TrialError: a loss that is not finite or has exploded.
        """
        losses = []
        self._network.train()
        with self._noise:
            for inputs_NF, targets_NT, labelled_NT in islice(self._batches, step - self._done):
                batch = inputs_NF, targets_NT, labelled_NT
                losses_T = self._losses(*batch)
                loss = losses_T.sum()
                if self._balanced is not None and not torch.isfinite(loss):
                    losses.append(loss.detach())
                    break  # solvers of weights would fail in words of their own; the watch below says what happened
                penalty = None if self._penalty is None else self._penalty()
                if self._balanced is None:
                    self._optimizer.step(loss if penalty is None else loss + penalty, self._clip_norm)
                else:
                    again = partial(self._losses, *batch)
                    self._balanced.step(losses_T, labelled_NT, penalty, self._clip_norm, again)
                if self._by_task is not None:
                    self._by_task.read(losses_T.detach())
                losses.append(loss.detach())
        self._watch.check(torch.stack(losses).double().cpu().numpy(), self._done)
        self._done = step

    def _losses(self, inputs_NF: Tensor, targets_NT: Tensor, labelled_NT: Tensor) -> Tensor:
        """Loss of each task on a batch, times its weight, [T]."""
        with self._rounded():
            outputs_NO = self._network(inputs_NF)
        rows_NT = row_losses(self._blocks, outputs_NO.to(targets_NT.dtype), targets_NT)
        losses_T = batch_losses(rows_NT, labelled_NT)
        return losses_T if self._weights_T is None else losses_T * self._weights_T

    def state(self) -> NetworkState:
        """Where the network is."""
        state = network_state(self._network, self._done, self._optimizer.means, self._optimizer.squares)
        balancing = {} if self._balanced is None else self._balanced.state()
        if self._by_task is not None:
            balancing = balancing | self._by_task.state()
        return replace(state, noise=self._noise.state(), balancing=balancing)


class LossWatch:
    """Looks at the batch losses of one network as they come: finite, and not exploded since the first.

    Args:
        limit: What an earlier part of the training found to be too much; NaN to begin.
    """

    def __init__(self, limit: float = math.nan) -> None:
        self.limit = limit

    def check(self, losses: FloatArray, done: int) -> None:
        """Losses of the steps after the first ``done``.

        Raises:
            TrialError: names the first bad step, counted from 1.
        """
        if math.isnan(self.limit):
            self.limit = EXPLODED * max(1.0, float(losses[0]))
        for index in np.flatnonzero(~(losses <= self.limit))[:1].tolist():
            step, loss = done + index + 1, float(losses[index])
            if not math.isfinite(loss):
                raise TrialError(f"non-finite loss at step {step}", fix="Look at the inputs or lower the learning rate")
            raise TrialError(f"exploding loss at step {step} ({loss:.3g})", fix="Lower the learning rate")


def orders(n_rows: int, seed: int, skipped: int = 0) -> Iterator[Tensor]:
    """Permutations of the rows without end, one an epoch, after so many skipped epochs."""
    generator = torch.Generator().manual_seed(seed)
    for epoch in count():
        order_N = torch.randperm(n_rows, generator=generator)
        if epoch >= skipped:
            yield order_N


def batches(part: ResidentPart, batch_size: int, seed: int, done: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, targets and label masks without end: an epoch is one permutation, gathered once and cut into slices.

    The first ``done`` batches are left out.
    """
    arrays = (part.inputs_NF, part.targets_NT, part.labelled_NT)
    epochs, within = divmod(done, math.ceil(len(part.inputs_NF) / batch_size))
    for order_N in orders(len(part.inputs_NF), seed, epochs):
        here_N = order_N[within * batch_size :].to(part.inputs_NF.device)
        within = 0
        yield from zip(*(torch.split(array[here_N], batch_size) for array in arrays), strict=True)
