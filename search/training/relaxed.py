"""Faster products with permission to round, given on request and only where nothing is rounded.

torch sends single-precision products to oneDNN where it is *permitted* to round their factors to bfloat16. On many
processors oneDNN then computes in full precision all the same, at twice MKL's speed; on others it really rounds. So
the permission is given on request only, and only where a trial shows that it is not made use of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from search.errors import TrialError

__all__ = ["LARGEST_ERROR", "relaxed_error", "relaxed_products"]

LARGEST_ERROR = 1e-6
"""Relative to the largest entry of a product of 256 x 128 by 128 x 128; single precision gives 2e-7 to 5e-7."""


@contextmanager
def relaxed_products() -> Iterator[None]:
    """The permission inside, what was set before afterwards: it holds for the whole process.

    Raises:
        TrialError: this machine rounds.
    """
    error = relaxed_error()
    if not error < LARGEST_ERROR:
        raise TrialError(
            f"the engine 'fused-relaxed' rounds on this machine: a product is off by {error:.0e}, "
            f"{LARGEST_ERROR:.0e} is allowed",
            where="training.engine",
            fix="Use the engine 'auto', 'fused' or 'plain'",
        )
    with _permitted():
        yield


@cache
def relaxed_error() -> float:
    """How far products lie from double precision here when rounding is permitted; tried once a process."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(4, rows, 128, generator=generator) for rows in (256, 128))
    with _permitted():
        product = torch.bmm(left, right.mT)
    exact = torch.bmm(left.double(), right.double().mT)
    return float((product - exact).abs().max() / exact.abs().max())


@contextmanager
def _permitted() -> Iterator[None]:
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before
