"""What no trainer gets below: the matrix products of a step of the reference network and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from tests.benchmarks.training.job import BATCH, INPUTS, WIDTHS

__all__ = ["products"]

_TOGETHER = 8
_OUTPUTS = 2  # of a pair


def products(steps: int) -> Callable[[], None]:
    """Batched products of so many network-steps, forth and back, into memory that is there already."""
    sizes = (INPUTS, *WIDTHS, _OUTPUTS)
    rows = [torch.randn(_TOGETHER, BATCH, size) for size in sizes]
    pairs = list(pairwise(rows))
    weights = [torch.randn(_TOGETHER, above.shape[2], below.shape[2]) for below, above in pairs]
    out_rows, out_weights = ([torch.empty_like(each) for each in some] for some in (rows, weights))

    def run() -> None:
        with torch.inference_mode():
            for _ in range(-(-steps // _TOGETHER)):
                for level, (below, above) in enumerate(pairs):
                    _product(below, weights[level].mT, out_rows[level + 1])
                    _product(above.mT, below, out_weights[level])
                    if level:  # nobody asks for derivatives by the inputs
                        _product(above, weights[level], out_rows[level])

    return run


def _product(left: Tensor, right: Tensor, out: Tensor) -> None:
    torch.bmm(left, right, out=out)
