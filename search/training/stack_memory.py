"""What training networks side by side takes of memory, known beforehand, so that a pack can be made to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from search.networks.cost import scaled_widths
from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from search.networks.sharing import HARD
from search.training.experiment import Experiment
from search.training.loop import reading_steps
from search.training.stack import ROWS, StackShape, padded
from search.trials import Trial

__all__ = ["PACK_BYTES", "networks_that_fit", "pack_room", "stack_bytes"]

PACK_BYTES = 2**30
"""What the networks of a pack may take together; the data, which every worker holds once, come on top."""

_NUMBER = 4  # bytes of a float32
_READ_AT_ONCE = 512  # rows that ``StackedFit.outputs`` sends through at least
_COPIES = 5  # of the parameters: values, gradients, two moments, and the kept state
_TEMPORARIES = 10  # arrays [outputs, rows] while losses are differentiated, generously
_TRIED_ROWS = (4, 8)  # what a row takes is the difference


def pack_room(experiment: Experiment, trial: Trial) -> int:
    """Most networks like a trial's that may be trained in one pack; at least 1, because one cannot be divided.

    Raises:
        InputError: a capacity that no integer widths reach.
    """
    if trial.sharing != HARD:
        return 1  # trained one by one in any company
    dataset, training = experiment.dataset, experiment.training
    n_rows, n_inputs = dataset.train.inputs_NF.shape
    standard = experiment.network.shape(n_inputs)
    shape = replace(standard, widths=scaled_widths(standard, trial.capacity))
    places = {task.name: outputs for task, outputs in zip(dataset.tasks, dataset.classes_T, strict=True)}
    outputs = tuple(places[task] for task in trial.tasks)
    batch_size = min(training.batch_size, n_rows)
    steps, read_rows = int(reading_steps(n_rows, training)[0]), len(dataset.validation)
    if shape == TrunkShape("mlp", n_inputs, shape.widths) and training.precision == "float32":
        fit = networks_that_fit(PACK_BYTES, n_inputs, shape.widths, outputs, batch_size, steps, read_rows)
    else:
        fixed, per_row, per_read_row = _differentiated_bytes(shape, outputs)
        training_bytes = padded(batch_size, ROWS) * per_row
        reading_bytes = min(read_rows, _READ_AT_ONCE) * per_read_row
        readings = 2 * _NUMBER * read_rows * sum(outputs)
        fit = int(PACK_BYTES // (_COPIES * fixed + max(training_bytes, reading_bytes) + readings))
    return max(1, fit)


@lru_cache(maxsize=256)
def _differentiated_bytes(shape: TrunkShape, outputs: tuple[int, ...]) -> tuple[int, float, float]:
    """Bytes of a network's parameters; of a row in training with automatic differentiation; of a row that is read.

    In training that is what is saved on the way forth, and on the way back the derivatives by the largest of it, going
    in and out. In reading it is the largest, going in and out, and the row.
    """
    network = hard_sharing(shape, outputs)
    parameters = {value.untyped_storage().data_ptr() for value in network.parameters()}
    totals, largest = [], 0.0
    for rows in _TRIED_ROWS:
        saved: dict[int, Tensor] = {}  # held until they are counted, so that no address is used twice

        def keep(tensor: Tensor, saved: dict[int, Tensor] = saved) -> Tensor:
            saved[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs_NO = network(torch.zeros(rows, shape.n_inputs))
        sizes = [tensor.untyped_storage().nbytes() for at, tensor in saved.items() if at not in parameters]
        totals.append(sum(sizes) + outputs_NO.nbytes)
        largest = max(sizes, default=0) / rows
    first, second = _TRIED_ROWS
    per_row = (totals[1] - totals[0]) / (second - first) + 2 * largest
    per_read_row = 2 * largest + _NUMBER * shape.n_inputs
    return sum(value.nbytes for value in network.parameters()), per_row, per_read_row


def stack_bytes(
    networks: int,
    n_inputs: int,
    widths: Sequence[int],
    outputs: Sequence[int],
    batch_size: int,
    steps: int,
    read_rows: int = 0,
) -> int:
    """Bytes for a stack in training, from above; the data set itself, held once, comes on top.

    Args:
        networks: Members of the stack; a trial has one for each copy.
        n_inputs: Columns of an input row.
        widths: Hidden widths.
        outputs: Outputs of each task of the largest network.
        batch_size: Rows of a batch.
        steps: Most steps between two readings.
        read_rows: Validation rows.
    """
    shape = StackShape.of(n_inputs, widths, outputs)
    rows = padded(batch_size, ROWS)
    buffers = max(rows, _READ_AT_ONCE) * (2 * sum(shape.widths) + shape.n_outputs)
    batch = rows * (shape.n_inputs + 1 + (2 + _TEMPORARIES) * shape.n_outputs)  # errors of two batch sizes
    losses = 3 * steps * len(outputs)  # as they come, and in double precision
    readings = 2 * read_rows * sum(outputs)
    return networks * _NUMBER * (_COPIES * shape.parameters + buffers + batch + losses + readings)


def networks_that_fit(
    limit: int,
    n_inputs: int,
    widths: Sequence[int],
    outputs: Sequence[int],
    batch_size: int,
    steps: int,
    read_rows: int = 0,
) -> int:
    """Most networks of a stack that takes no more than ``limit`` bytes; 0 if not even one does."""
    return limit // stack_bytes(1, n_inputs, widths, outputs, batch_size, steps, read_rows)
