"""Convolutions, and trunks of other packages: where fusion pays there."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from search.networks.trunks import linear
from search.spec import NetworkSpec
from tests.benchmarks.training.grid import Cell, over_sizes
from tests.benchmarks.training.job import dataset
from tests.benchmarks.training.measurement import Measurement

__all__ = ["Residual", "cnn", "other_cells"]

_WIDTHS = (16, 32, 64)
_SIZES = (1, 2, 4, 8, 16)


class Residual(nn.Module):
    """A trunk as another package would offer it: a layer, and a second one around which its input is added."""

    def __init__(self, n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.first = linear(n_inputs, widths[-1], generator)
        self.second = linear(widths[-1], widths[-1], generator)

    def forward(self, rows_NF: Tensor) -> Tensor:
        features_NH: Tensor = self.first(rows_NF).relu()
        more_NH: Tensor = self.second(features_NH).relu()
        return features_NH + more_NH


def cnn(*, quick: bool) -> Iterator[Measurement]:
    """conv16-conv32-fc64 on square images in batches of 64, and a foreign trunk 64-128-128 in batches of 256."""
    with other_cells() as cells:
        for cell in cells[:1] if quick else cells:
            yield from over_sizes("cnn", cell, (1, 4) if quick else cell.sizes, 2 if quick else 3)


@contextmanager
def other_cells() -> Iterator[list[Cell]]:
    """The cells, as long as a package offers the foreign trunk."""

    def images(side: int, rows: int, epochs: int) -> Cell:
        spec = NetworkSpec(trunk="cnn", image=(1, side, side), widths=_WIDTHS)
        data = dataset(rows, inputs=side * side, validation=32)
        return Cell(f"conv16-conv32-fc64, {side} x {side}, batch 64", data, spec, 64, epochs, _SIZES)

    with _offered():
        data, spec = dataset(2_048, validation=32), NetworkSpec(trunk="benchmark-residual", widths=(128, 128))
        foreign = Cell("module of another package, batch 256", data, spec, 256, 3, _SIZES)
        yield [images(8, 768, 2), images(28, 256, 1), foreign]


@contextmanager
def _offered() -> Iterator[None]:
    """Have an installed package offer ``Residual`` as the trunk ``benchmark-residual``."""
    with tempfile.TemporaryDirectory() as folder:
        about = Path(folder) / "benchmark_trunk-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: benchmark-trunk\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[taskgrouping.trunks]\nbenchmark-residual = {__name__}:Residual\n")
        sys.path.append(folder)
        try:
            yield
        finally:
            sys.path.remove(folder)
