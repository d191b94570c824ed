"""What a network is trained and compared on: one number per row and task, labels missing (NaN) masked out exactly.

It is trained on losses: squared error of the standardised target for regression, cross-entropy in nats for classes. It
is compared on scores: those losses, or the metric that a task declares. Natural metrics in the target's own unit are
``search.training.metrics``.

Axes: ``N`` rows, ``T`` tasks of the network, ``O`` network outputs (a task has one, or one per class), ``K`` copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional

from grouping.tasks import Metric, TaskType

__all__ = ["TaskBlock", "averaged_outputs", "batch_losses", "row_losses", "row_scores", "task_blocks"]


@dataclass(frozen=True)
class TaskBlock:
    """Neighbouring tasks of one type, so that one operation computes the losses of all of them.

    Args:
        type: Their type; a multiclass task is a block of its own.
        tasks: Their columns in [N, T].
        outputs: Their columns in [N, O].
    """

    type: TaskType
    tasks: slice
    outputs: slice


def task_blocks(types: Sequence[TaskType], outputs: Sequence[int]) -> tuple[TaskBlock, ...]:
    """Blocks in column order.

    Args:
        types: Type of each task, length T.
        outputs: Network outputs of each task, length T.
    """
    blocks: list[TaskBlock] = []
    task = output = 0
    for (kind, _), run in groupby(enumerate(types), lambda entry: (entry[1], entry[0] * (entry[1] == "multiclass"))):
        size = len(list(run))
        width = sum(outputs[task : task + size])
        blocks.append(TaskBlock(kind, slice(task, task + size), slice(output, output + width)))
        task, output = task + size, output + width
    return tuple(blocks)


def row_losses(blocks: Sequence[TaskBlock], outputs_NO: Tensor, targets_NT: Tensor) -> Tensor:
    """Loss of every row for every task, [N, T].

    Args:
        blocks: The tasks' types and columns.
        outputs_NO: Raw outputs: standardised predictions, or logits.
        targets_NT: Standardised target, 0/1, or class index; **any finite value** where the label is missing: the
            caller masks those losses.
    """
    columns = []
    for block in blocks:
        outputs, targets = outputs_NO[:, block.outputs], targets_NT[:, block.tasks]
        if block.type == "regression":
            columns.append(functional.mse_loss(outputs, targets, reduction="none"))
        elif block.type == "binary":
            columns.append(functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none"))
        else:
            columns.append(functional.cross_entropy(outputs, targets[:, 0].long(), reduction="none")[:, None])
    return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)


def row_scores(
    blocks: Sequence[TaskBlock], metrics: Sequence[Metric], outputs_NO: Tensor, targets_NT: Tensor
) -> Tensor:
    """What every row counts for every task when networks are compared, [N, T]: its loss or the declared metric.

    The absolute error is in training standard deviations of the target, the error rate 0 or 1. A loss that is not
    finite stays, so that a network whose outputs are no numbers cannot hide behind an error rate.

    Args:
        blocks: The tasks' types and columns.
        metrics: Metric of each task, length T.
        outputs_NO: As in ``row_losses``.
        targets_NT: As in ``row_losses``.
    """
    losses_NT = row_losses(blocks, outputs_NO, targets_NT)
    declared_T = torch.tensor([metric != "loss" for metric in metrics], device=losses_NT.device)
    if not declared_T.any():
        return losses_NT
    columns = []
    for block in blocks:
        outputs, targets = outputs_NO[:, block.outputs], targets_NT[:, block.tasks]
        if block.type == "regression":
            columns.append((outputs - targets).abs())
        elif block.type == "binary":
            columns.append(((outputs > 0) != (targets > 0.5)).to(losses_NT.dtype))
        else:
            columns.append((outputs.argmax(dim=1) != targets[:, 0].long())[:, None].to(losses_NT.dtype))
    return torch.where(declared_T & losses_NT.isfinite(), torch.cat(columns, dim=1), losses_NT)


def batch_losses(rows_NT: Tensor, labelled_NT: Tensor) -> Tensor:
    """Mean loss of each task over its labelled rows of a batch, [T].

    A task without a label in the batch is dropped: its loss is exactly 0 and so is every gradient it sends.

    Args:
        rows_NT: Row losses.
        labelled_NT: 1 where the label exists, 0 where it is missing.
    """
    share_NT = labelled_NT / labelled_NT.sum(dim=0).clamp_(min=1)
    return (rows_NT * share_NT).sum(dim=0)


def averaged_outputs(blocks: Sequence[TaskBlock], outputs_KNO: Sequence[Tensor]) -> Tensor:
    """Raw outputs [N, O] of a seed ensemble: mean prediction for regression, mean *probabilities* for classes.

    Given back as outputs of the same kind as a network's (logits of the mean probabilities), so that an ensemble is
    scored by the same functions. A single network's outputs come back untouched.
    """
    if len(outputs_KNO) == 1:
        return outputs_KNO[0]
    stacked_KNO = torch.stack(list(outputs_KNO))
    columns = []
    for block in blocks:
        outputs = stacked_KNO[..., block.outputs]
        if block.type == "regression":
            columns.append(outputs.mean(dim=0))
        elif block.type == "binary":
            positive, negative = functional.logsigmoid(outputs), functional.logsigmoid(-outputs)
            columns.append(positive.logsumexp(dim=0) - negative.logsumexp(dim=0))
        else:
            columns.append(functional.log_softmax(outputs, dim=-1).logsumexp(dim=0))
    return torch.cat(columns, dim=1)
