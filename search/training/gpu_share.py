"""How many workers go on one GPU: the share of it that ``cluster.gpus_per_worker: auto`` stands for."""

from __future__ import annotations

import math
import os

import torch

from search.data.dataset import Dataset
from search.errors import SpecError
from search.spec import Spec
from search.training.stack_memory import PACK_BYTES

__all__ = ["gpu_share", "with_gpu_share"]

_CONTEXT_BYTES = 2**30
"""What a process takes of a GPU before it has brought anything there, libraries and spare room of the allocator."""

_HELD_TWICE = 2  # the data as they are and, for stacks, padded


def gpu_share(data_bytes: int, gpu_bytes: int, gpus: int, workers: int) -> float:
    """The largest share that still lets every worker have one: workers are spread evenly, and none runs out of memory.

    Args:
        data_bytes: The data set, which every worker holds.
        gpu_bytes: Memory of the smallest GPU.
        gpus: How many there are, at least 1.
        workers: How many are wanted.

    Raises:
        SpecError: a GPU does not hold one worker.
    """
    needed = PACK_BYTES + _CONTEXT_BYTES + _HELD_TWICE * data_bytes
    most = gpu_bytes // needed
    if most < 1:
        raise SpecError(
            f"a worker may take {needed / 2**30:.1f} GiB of a GPU, and one here has {gpu_bytes / 2**30:.1f} GiB",
            where="cluster.gpus_per_worker",
            fix="Set it to 1 to try all the same, or to 0 to train on CPUs",
        )
    return 1 / min(most, math.ceil(workers / gpus))


def with_gpu_share(spec: Spec, dataset: Dataset) -> Spec:
    """The spec with a number in the place of ``auto``, from what a pack is predicted to take and the GPUs of this host.

    Raises:
        SpecError: the GPUs of a cluster cannot be seen from here, or do not hold a worker.
    """
    cluster = spec.cluster
    if cluster.gpus_per_worker != "auto":
        return spec
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not gpus and cluster.address != "local":
        raise SpecError(
            "'auto' looks at the GPUs of this machine, which has none",
            where="cluster.gpus_per_worker",
            fix="Give the share as a number: 0.25 puts four workers on one GPU, 0 trains on CPUs",
        )
    share = 0.0
    if gpus:
        parts = (dataset.train, dataset.validation, dataset.test)
        data_bytes = sum(part.inputs_NF.nbytes + part.targets_NT.nbytes for part in parts)
        gpu_bytes = min(torch.cuda.get_device_properties(gpu).total_memory for gpu in range(gpus))
        workers = cluster.workers or len(os.sched_getaffinity(0))
        share = gpu_share(data_bytes, gpu_bytes, gpus, workers)
    return spec.model_copy(update={"cluster": cluster.model_copy(update={"gpus_per_worker": share})})
