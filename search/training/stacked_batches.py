"""The batches of stacked networks: everybody's own order of rows, with phantom rows up to whole vectors.

Networks of one replicate share an order, and then also the inputs. A phantom row has inputs 0 and no label: it counts
for nothing.

Axes: ``N`` training rows, ``D`` distinct orders, ``B`` rows of a batch, ``F`` inputs (padded), ``T`` tasks of the data
set, ``K`` networks, ``Q`` pairs (network, task of it).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from search.training.loop import orders
from search.training.residence import ResidentPart
from search.training.stack import ROWS, padded
from search.training.stacked_losses import OwnTask

__all__ = ["Batch", "StackedBatches"]


class Batch(NamedTuple):
    """What one step needs; K is 1 where all networks see the same rows. The first ``rows`` of them are real."""

    inputs_KBF: Tensor
    targets_QB: Tensor
    weights_QB: Tensor
    rows: int


class StackedBatches:
    """An endless stream of batches.

    Args:
        part: The training rows with all tasks of the data set.
        n_inputs: Inputs of a network, padding included.
        batch_size: Rows of a batch; the last one of an epoch may be smaller.
        seeds: Of each network's order of rows.
        dtype: Precision of the networks.
        done: So many batches of the stream are left out.
    """

    def __init__(
        self,
        part: ResidentPart,
        n_inputs: int,
        batch_size: int,
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float32,
        done: int = 0,
    ) -> None:
        n_rows, padded_part = len(part.inputs_NF), part.padded(n_inputs, dtype)
        self._inputs_NF, self._labels_TN = padded_part.inputs_NF, padded_part.labels_TN
        distinct = list(dict.fromkeys(seeds))
        self._seeds = seeds
        self._order_K = torch.tensor([distinct.index(seed) for seed in seeds], device=part.inputs_NF.device)
        self._n_orders = len(distinct)
        self._rows = _rows(n_rows, batch_size, distinct, part.inputs_NF.device, done)

    def select(self, members: Sequence[int], tasks_Q: Sequence[OwnTask]) -> None:
        """From now on for some of the networks.

        Args:
            members: Which of the present ones, in their new order.
            tasks_Q: Their tasks; ``member`` counts in the new order.
        """
        self._order_K = self._order_K[torch.tensor(members, device=self._order_K.device)]
        order_K = self._order_K.tolist()
        pairs = [task.column * self._n_orders + order_K[task.member] for task in tasks_Q]
        self._pairs_Q = torch.tensor(pairs, device=self._order_K.device)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        rows_DB, rows = next(self._rows)
        n_rows = rows_DB.shape[1]
        labels = self._labels_TN.index_select(1, rows_DB.flatten()).view(2, -1, n_rows)  # by task, then order
        targets_QB, labelled_QB = (label.index_select(0, self._pairs_Q) for label in labels)
        weights_QB = labelled_QB.div_(labelled_QB.sum(dim=1, keepdim=True).clamp_(min=1))
        here = rows_DB if self._n_orders == 1 else rows_DB.index_select(0, self._order_K)
        inputs_KBF = self._inputs_NF.index_select(0, here.flatten()).view(*here.shape, -1)
        return Batch(inputs_KBF, targets_QB, weights_QB, rows)


def _rows(
    n_rows: int, batch_size: int, seeds: Sequence[int], device: torch.device, done: int
) -> Iterator[tuple[Tensor, int]]:
    """Row numbers [D, B] of every batch after the first ``done``, and how many are real; ``n_rows`` is the phantom."""
    epochs, within = divmod(done, math.ceil(n_rows / batch_size))
    streams = [orders(n_rows, seed, epochs) for seed in seeds]
    while True:
        order_DN = torch.stack([next(stream) for stream in streams])[:, within * batch_size :].to(device)
        within = 0
        for rows_DB in torch.split(order_DN, batch_size, dim=1):
            size = rows_DB.shape[1]
            yield functional.pad(rows_DB, (0, padded(size, ROWS) - size), value=n_rows), size
