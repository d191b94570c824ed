"""One Ray task per network, each training as peer b does; a process of its own, asked line by line.

``python -m tests.benchmarks.training.peer_ray WORKERS ROWS`` starts a local cluster, then answers every line ``EPOCHS
SEED`` with the wall seconds of the job. Kept apart because a process can be in one Ray cluster at a time.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings

import numpy as np
import ray
import torch

from search.data.arrays import Float32Array
from tests.benchmarks.training.job import Group, dataset, groups
from tests.benchmarks.training.peer_network import PeerData, peer_data
from tests.benchmarks.training.peer_resident import train

__all__ = ["READY"]

READY = "ready"


def _task(arrays: tuple[Float32Array, ...], group: Group, epochs: int, seed: int) -> float:
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        data = PeerData(*map(torch.from_numpy, arrays))
    return train(data, group, epochs, seed)


def main() -> None:
    """Start the cluster and its workers, then serve."""
    workers, rows = int(sys.argv[1]), int(sys.argv[2])
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    remote = ray.remote(num_cpus=1)(_task)
    arrays = ray.put(tuple(tensor.numpy() for tensor in peer_data(dataset(rows))))
    ray.get([remote.remote(arrays, group, 1, 0) for group in groups()])  # workers import and warm up
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        epochs, seed = map(int, line.split())
        start = time.perf_counter()
        losses = ray.get([remote.remote(arrays, group, epochs, seed) for group in groups()])
        seconds = time.perf_counter() - start
        assert np.isfinite(losses).all()
        sys.stdout.write(f"{seconds}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
