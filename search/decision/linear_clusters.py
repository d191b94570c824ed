"""Groups that linear models propose: clusters of tasks that need the inputs alike, by the training part alone.

Labels of every type are taken as numbers (a class by its index), standardised, and predicted by squared errors: weights
are then comparable, and all that is looked at is what inputs and labels have in common. Tasks that need the inputs with
opposite signs are not alike here, though a shared trunk may serve them well.

Axes: ``N`` rows, ``F`` inputs, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grouping.candidates import FloatArray
from grouping.linear import Labelled, chosen_penalty, find_clusters
from search.data.dataset import Dataset
from search.decision.costs import Latency
from search.decision.enumeration import make_plan
from search.decision.plan import Plan
from search.spec import Spec
from search.trials import stream_seed

__all__ = ["linear_clusters", "plan_for"]

_MOST_INPUTS = 64
"""Beyond, the inputs' first principal components stand for them, so that it takes seconds."""


def plan_for(spec: Spec, dataset: Dataset, latency: Latency | None = None, searched: int = 0) -> Plan:
    """The plan of a resolved spec on its data, with the groups that ``candidates.linear_clusters`` adds.

    ``latency`` and ``searched`` are those of ``make_plan``.

    Raises:
        SpecError, InfeasibleError: as ``make_plan``.
    """
    n_inputs = len(dataset.input_names)
    plan = make_plan(spec, dataset.tasks, n_inputs, dataset.classes_T, latency, searched=searched)
    if not spec.candidates.linear_clusters:
        return plan
    proposed = linear_clusters(dataset, plan.networks, spec.training.seed)
    return make_plan(spec, dataset.tasks, n_inputs, dataset.classes_T, latency, proposed, searched)


def linear_clusters(dataset: Dataset, networks: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Clusters of two or more tasks, of partitions into 2, 3, ... and so many; each once.

    Args:
        dataset: Only its training part is looked at.
        networks: The largest number of clusters.
        seed: Of the beginnings that clusters are looked for from.
    """
    names = [task.name for task in dataset.tasks]
    inputs_NF = _principal(dataset.train.inputs_NF.astype(float))
    targets_NT = dataset.train.targets_NT.astype(float)
    data = Labelled(
        tuple(names), inputs_NF, (targets_NT - np.nanmean(targets_NT, axis=0)) / np.nanstd(targets_NT, axis=0)
    )
    penalty, found = chosen_penalty(data), dict[tuple[str, ...], None]()
    for count in range(2, min(networks, len(names) - 1) + 1):
        rng = np.random.default_rng(stream_seed(seed, "linear clusters", count))
        groups: Sequence[tuple[str, ...]] = find_clusters(data, count, rng, penalty).groups
        found.update(dict.fromkeys(group for group in groups if len(group) > 1))
    return tuple(found)


def _principal(inputs_NF: FloatArray) -> FloatArray:
    if inputs_NF.shape[1] <= _MOST_INPUTS:
        return inputs_NF
    centred_NF = inputs_NF - inputs_NF.mean(axis=0)
    directions_FF = np.linalg.eigh(centred_NF.T @ centred_NF / len(centred_NF))[1]
    return np.asarray(centred_NF @ directions_FF[:, -_MOST_INPUTS:])
