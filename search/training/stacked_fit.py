"""Stacked networks in training: ask them to advance, look at them in between, let some of them go.

Axes: ``K`` networks, ``S`` steps, ``N`` rows, ``O`` outputs of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional

from grouping.candidates import FloatArray
from search.networks.hard_sharing import HardSharing
from search.spec import TrainingSpec
from search.training.adam import Adam
from search.training.clipping import clip_each
from search.training.progress import load_moments, network_state, restore
from search.training.residence import ResidentPart
from search.training.stack import ROWS, StackShape, padded
from search.training.stacked_batches import StackedBatches
from search.training.stacked_losses import OwnTask, StackedLosses
from search.training.stacks import Stack, new_stack
from search.trials import NetworkState

__all__ = ["StackedFit"]

_READ_ROWS = 512  # rows at once between trainings; any constant will do, as it decides how products are rounded


class StackedFit:
    """K networks of one shape in training.

    Args:
        shape: Of all networks.
        networks: Their initial values; brought to where they start from.
        tasks: Their tasks; ``member`` is the place in ``networks``.
        part: The training rows with all tasks of the data set.
        training: Batch size, Adam's settings, clipping; engine and precision, which say how products are made.
        order_seeds: Of each network's order of rows, length K.
        dtype: Precision of the training.
        starts: Where earlier trainings of the networks stopped, all after as many steps; default: to begin.
    """

    def __init__(
        self,
        shape: StackShape,
        networks: Sequence[HardSharing],
        tasks: Sequence[OwnTask],
        part: ResidentPart,
        training: TrainingSpec,
        order_seeds: Sequence[int],
        dtype: torch.dtype = torch.float32,
        starts: Sequence[NetworkState] = (),
    ) -> None:
        self._device = str(part.inputs_NF.device)
        rows = max(_READ_ROWS, min(training.batch_size, len(part.inputs_NF)))
        self._stack: Stack = new_stack(
            networks[0], part.inputs_NF.shape[1], shape, len(networks), rows, training, dtype, self._device
        )
        self._done = starts[0].step if starts else 0
        self._clip_norm = training.clip_norm
        self._adam = Adam([self._stack.values], training.learning_rate, training.weight_decay, self._done)
        for network, start in zip(networks, starts, strict=bool(starts)):
            restore(network, start)
        for member, network in enumerate(networks):
            self._stack.load(member, network)
        for member, (network, start) in enumerate(zip(networks, starts, strict=bool(starts))):
            load_moments(*self._moments(member, network), start)
        self._batches = StackedBatches(part, self._stack.n_inputs, training.batch_size, order_seeds, dtype, self._done)
        self._choose(tasks, range(len(networks)))

    def advance(self, step: int) -> FloatArray:
        """Train until ``step`` steps are done and give the losses of those steps, [S, K].

        A loss may be anything; a network that is lost disturbs no other.
        """
        losses = []
        stack, adam = self._stack, self._adam
        gradients = stack.blocks(stack.gradients)
        with stack.context():
            for inputs_KBF, targets_QB, weights_QB, rows in islice(self._batches, step - self._done):
                outputs_KOB = stack.forward(inputs_KBF, rows)
                errors_KOB = stack.errors(inputs_KBF.shape[1])
                losses.append(self._losses.differentiate(outputs_KOB, targets_QB, weights_QB, errors_KOB))
                stack.backward(inputs_KBF)
                if self._clip_norm is not None:
                    clip_each(gradients, self._clip_norm)
                adam.update([stack.gradients])
        self._done = step
        return self._losses.by_network(torch.stack(losses), stack.size)

    def outputs(self, inputs_NF: Tensor) -> list[Tensor]:
        """Raw outputs [N, O] of each network, without the padding."""
        n_rows = len(inputs_NF)
        parts: list[list[Tensor]] = [[] for _ in self._own]
        with self._stack.context():
            for rows in torch.split(inputs_NF.to(self._stack.values.dtype), _READ_ROWS):
                missing = (0, self._stack.n_inputs - rows.shape[1], 0, padded(len(rows), ROWS) - len(rows))
                outputs_KOB = self._stack.predict(functional.pad(rows, missing)[None])
                for member, own in enumerate(self._own):
                    parts[member].append(outputs_KOB[member, :own].clone())
            return [torch.cat(part, dim=1)[:, :n_rows].T.contiguous() for part in parts]

    def store(self, member: int, network: HardSharing) -> None:
        """Write the present parameters, buffers and random streams of a member into a network of its size."""
        self._stack.store(member, network)

    def state(self, member: int, network: HardSharing) -> NetworkState:
        """Where a member is, written into a network of its size on the way."""
        self._stack.store(member, network)
        return network_state(network, self._done, *self._moments(member, network))

    def keep(self, members: Sequence[int]) -> None:
        """Go on with some of the networks, from now on counted in the given order."""
        before = self._stack
        self._stack = before.kept(members)
        self._adam = self._adam.moved([self._stack.values], lambda flat: before.selected(flat, members))
        place = {member: new for new, member in enumerate(members)}
        tasks = [replace(task, member=place[task.member]) for task in self._losses.tasks_Q if task.member in place]
        self._choose(tasks, members)

    def _moments(self, member: int, network: HardSharing) -> tuple[list[Tensor], list[Tensor]]:
        """Adam's first and second moments of a member."""
        (means,), (squares,) = self._adam.means, self._adam.squares
        return self._stack.share(means, member, network), self._stack.share(squares, member, network)

    def _choose(self, tasks: Sequence[OwnTask], members: Sequence[int]) -> None:
        self._losses = StackedLosses(tasks, self._stack.n_outputs, self._device, self._stack.values.dtype)
        self._batches.select(members, self._losses.tasks_Q)
        self._own = [sum(task.outputs for task in tasks if task.member == member) for member in range(len(members))]
