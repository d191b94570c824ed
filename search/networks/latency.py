"""How long a real network takes for one input row here and now; the closed-form costs are ``search.networks.cost``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import torch
from torch import nn

__all__ = ["measured_latency_ms", "one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside, the caller's number afterwards: a process-wide setting is only borrowed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def measured_latency_ms(network: nn.Module, n_inputs: int, repeats: int = 200) -> float:
    """Median milliseconds of a forward pass of a single row on one CPU thread, after a warm-up of a tenth."""
    row_NF = torch.zeros(1, n_inputs)
    network = network.eval()
    seconds = []
    with one_thread(), torch.inference_mode():
        for repeat in range(-(repeats // 10), repeats):
            start = time.perf_counter()
            network(row_NF)
            if repeat >= 0:
                seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)
