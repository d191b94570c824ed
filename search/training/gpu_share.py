"""How many workers go on one GPU: the share of it that ``cluster.gpus_per_worker: auto`` stands for.

What a worker takes is predicted here; ``search.decision.gpu_measured`` measures it where a run can.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import torch

from search.data.dataset import Dataset
from search.errors import SpecError
from search.spec import ClusterSpec, Spec
from search.training.stack_memory import PACK_BYTES

__all__ = ["Gpus", "data_bytes", "gpu_share", "predicted_bytes", "wanted_workers", "with_gpu_share"]

_CONTEXT_BYTES = 2**30
"""What a process takes of a GPU before it has brought anything there, libraries and spare room of the allocator."""

_HELD_TWICE = 2  # the data as they are and, for stacks, padded


@dataclass(frozen=True)
class Gpus:
    """GPUs of this machine.

    Args:
        count: How many.
        memory: Bytes of the smallest; 0 if there is none.
    """

    count: int
    memory: int

    @classmethod
    def seen(cls) -> Gpus:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return cls(count, min((torch.cuda.get_device_properties(gpu).total_memory for gpu in range(count)), default=0))


def data_bytes(dataset: Dataset) -> int:
    """What the data take where the networks live."""
    parts = (dataset.train, dataset.validation, dataset.test)
    return _HELD_TWICE * sum(part.inputs_NF.nbytes + part.targets_NT.nbytes for part in parts)


def predicted_bytes(dataset: Dataset) -> int:
    """What a worker takes of a GPU at most, as far as that is known before anything was trained there."""
    return PACK_BYTES + _CONTEXT_BYTES + data_bytes(dataset)


def gpu_share(needed: int, gpus: Gpus, workers: int) -> float:
    """The largest share that still lets every worker have one: workers are spread evenly, and none runs out of memory.

    Args:
        needed: Bytes that a worker takes.
        gpus: At least one.
        workers: How many are wanted.

    Raises:
        SpecError: a GPU does not hold one worker.
    """
    most = gpus.memory // needed
    if most < 1:
        raise SpecError(
            f"a worker may take {needed / 2**30:.1f} GiB of a GPU, and one here has {gpus.memory / 2**30:.1f} GiB",
            where="cluster.gpus_per_worker",
            fix="Set it to 1 to try all the same, or to 0 to train on CPUs",
        )
    return 1 / min(most, math.ceil(workers / gpus.count))


def with_gpu_share(spec: Spec, dataset: Dataset) -> Spec:
    """The spec with a number in the place of ``auto``, from what a pack is predicted to take and the GPUs of this host.

    Raises:
        SpecError: the GPUs of a cluster cannot be seen from here, or do not hold a worker.
    """
    cluster = spec.cluster
    if cluster.gpus_per_worker != "auto":
        return spec
    gpus = Gpus.seen()
    if not gpus.count and cluster.address != "local":
        raise SpecError(
            "'auto' looks at the GPUs of this machine, which has none",
            where="cluster.gpus_per_worker",
            fix="Give the share as a number: 0.25 puts four workers on one GPU, 0 trains on CPUs",
        )
    share = gpu_share(predicted_bytes(dataset), gpus, wanted_workers(cluster)) if gpus.count else 0.0
    return spec.model_copy(update={"cluster": cluster.model_copy(update={"gpus_per_worker": share})})


def wanted_workers(cluster: ClusterSpec) -> int:
    """How many workers there are to be, as far as GPUs allow: one for each core where nobody says."""
    return cluster.workers or len(os.sched_getaffinity(0))
