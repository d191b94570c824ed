"""What training networks side by side takes of memory, known beforehand, so that a pack can be made to fit."""

from __future__ import annotations

from collections.abc import Sequence

from search.training.stack import ROWS, StackShape, padded

__all__ = ["networks_that_fit", "stack_bytes"]

_NUMBER = 4  # bytes of a float32
_READ_AT_ONCE = 512  # rows that ``StackedFit.outputs`` sends through at least
_COPIES = 5  # of the parameters: values, gradients, two moments, and the kept state
_TEMPORARIES = 10  # arrays [outputs, rows] while losses are differentiated, generously


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
