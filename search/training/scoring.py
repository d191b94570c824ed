"""How outputs did on a part: one score per task for the curves, sums per cluster and natural metrics for the test part.

A score is the task's loss, or the metric it declares (``losses.row_scores``).

Axes: ``N`` rows, ``T`` tasks of the network, ``O`` outputs, ``G`` clusters of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from grouping.candidates import FloatArray
from grouping.tasks import Metric
from search.data.dataset import Dataset
from search.training.losses import TaskBlock, averaged_outputs, row_scores
from search.training.metrics import natural_metrics
from search.training.residence import ResidentPart, resident
from search.trials import TestScores

__all__ = ["mean_scores", "predict", "score"]

_ROWS_AT_ONCE = 16_384  # bounds the memory of a forward pass over a whole part
_IMAGES_AT_ONCE = 512  # likewise, where every value of a row becomes one for each channel


def predict(networks: Sequence[nn.Module], inputs_NF: Tensor) -> list[Tensor]:
    """Raw outputs [N, O] of each network in evaluation."""
    with torch.inference_mode():
        return [torch.cat([net.eval()(rows) for rows in torch.split(inputs_NF, _at_once(net))]) for net in networks]


def _at_once(network: nn.Module) -> int:
    convolves = any(isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) for module in network.modules())
    return _IMAGES_AT_ONCE if convolves else _ROWS_AT_ONCE


def mean_scores(
    outputs_NO: Tensor, blocks: Sequence[TaskBlock], metrics: Sequence[Metric], part: ResidentPart
) -> FloatArray:
    """Mean score of each task over the labelled rows of a part, summed in double precision, [T]; NaN without labels."""
    with torch.inference_mode():
        rows_NT = row_scores(blocks, metrics, outputs_NO, part.targets_NT)
        sum_T = (rows_NT * part.labelled_NT).sum(dim=0, dtype=torch.float64)
        mean_T: FloatArray = (sum_T / part.labelled_NT.sum(dim=0, dtype=torch.float64)).cpu().numpy()
    return mean_T


def score(
    networks: Sequence[nn.Module],
    blocks: Sequence[TaskBlock],
    dataset: Dataset,
    columns: Sequence[int],
    device: torch.device,
) -> TestScores:
    """Row scores on the test part summed per cluster, and natural metrics.

    Args:
        networks: The copies in their kept state.
        blocks: The network's tasks.
        dataset: Where the test part, the scaling, the tasks' names and metrics come from.
        columns: Which of the data set's tasks the network has, length T.
        device: Where the networks live.
    """
    part = resident(dataset.test, columns, device)
    with torch.inference_mode():
        outputs_NO = averaged_outputs(blocks, predict(networks, part.inputs_NF))
    metrics_T = [dataset.tasks[column].metric for column in columns]
    rows_NT = row_scores(blocks, metrics_T, outputs_NO, part.targets_NT).double().cpu().numpy()
    outputs: FloatArray = outputs_NO.double().cpu().numpy()
    cluster_N = dataset.test.cluster_N
    n_clusters = int(cluster_N.max()) + 1
    labelled_NT = ~np.isnan(dataset.test.targets_NT[:, list(columns)])
    sums, counts = [], []
    metrics: dict[str, dict[str, float]] = {}
    first = 0
    for t, column in enumerate(columns):
        labelled_N = labelled_NT[:, t]
        clusters = cluster_N[labelled_N]
        sums.append(np.bincount(clusters, weights=rows_NT[labelled_N, t], minlength=n_clusters))
        counts.append(np.bincount(clusters, minlength=n_clusters).astype(np.float64))
        task, width = dataset.tasks[column], dataset.classes_T[column]
        metrics[task.name] = natural_metrics(
            task.type,
            outputs[labelled_N, first : first + width],
            dataset.test.targets_NT[labelled_N, column],
            float(dataset.target_mean_T[column]),
            float(dataset.target_scale_T[column]),
        )
        first += width
    return TestScores(np.stack(sums), np.stack(counts), metrics)
