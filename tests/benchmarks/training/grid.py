"""Where fusion pays: microseconds per network and step over architectures, batches and networks in a pack."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from search.data.dataset import Dataset
from search.spec import EngineName, NetworkSpec
from search.training.experiment import Experiment
from search.trials import Trial
from tests.benchmarks.training.contenders import Ours, engines_for
from tests.benchmarks.training.job import dataset, experiment, mixed_groups, trials
from tests.benchmarks.training.measurement import Measurement, interleaved

__all__ = ["Cell", "grid", "measured", "mlp_cells", "over_sizes"]

_ONE_BY_ONE = 4  # plain trains so many networks at most: its time per network does not depend on how many there are


@dataclass(frozen=True)
class Cell:
    """One architecture, data set and batch size.

    Args:
        label: Its name in tables.
        data: The rows.
        network: The trunk.
        batch_size: Rows of a batch.
        epochs: More epochs in the long runs than in the short ones, whose difference is taken.
        sizes: Networks in a pack.
    """

    label: str
    data: Dataset
    network: NetworkSpec
    batch_size: int
    epochs: int
    sizes: tuple[int, ...]

    @property
    def steps(self) -> int:
        """More steps in the long runs."""
        return self.epochs * math.ceil(len(self.data.train) / self.batch_size)

    def experiment(self, engine: EngineName, epochs: int) -> Experiment:
        return experiment(self.data, engine, network=self.network, batch_size=self.batch_size, epochs=epochs)


def mlp_cells() -> list[Cell]:
    """Widths 32 to 512; fewer steps and networks where they take longer."""

    def cell(width: int, batch_size: int, rows: int, epochs: int, largest: int) -> Cell:
        spec = NetworkSpec(widths=(width, width))
        sizes = tuple(2**k for k in range(7) if 2**k <= largest)
        label = f"width {width}, batch {batch_size}"
        return Cell(label, dataset(rows, validation=32), spec, batch_size, epochs, sizes)

    return [
        cell(32, 256, 3_072, 12, 64),
        cell(64, 256, 3_072, 8, 64),
        cell(128, 256, 3_072, 4, 64),
        cell(128, 64, 1_536, 4, 64),
        cell(256, 256, 2_048, 3, 32),
        cell(512, 256, 1_024, 4, 16),
    ]


def grid(*, quick: bool) -> Iterator[Measurement]:
    """64 inputs and two layers, groups of one to three tasks that share an order of rows."""
    cells = mlp_cells()
    rounds = 2 if quick else 3
    for cell in cells[:2] if quick else cells:
        yield from over_sizes("grid", cell, (1, 4) if quick else cell.sizes, rounds)
    seeds = [trial for seed in range(8) for trial in trials(mixed_groups(1), seed)]
    yield from measured("grid", f"{cells[2].label}, 8 seeds of one group", cells[2], seeds, rounds)


def over_sizes(section: str, cell: Cell, sizes: Sequence[int], rounds: int) -> Iterator[Measurement]:
    """All engines on packs of some sizes."""
    for engine in engines_for(cell.experiment("plain", 1)):
        engine.train_pack(cell.experiment(engine.name, 1), trials(mixed_groups(2)))  # warms up
    for size in sizes:
        yield from measured(section, cell.label, cell, trials(mixed_groups(size)), rounds)


def measured(section: str, label: str, cell: Cell, asked: Sequence[Trial], rounds: int) -> Iterator[Measurement]:
    """All engines on one pack.

    What starting takes is the same in a short and in a long run, so their difference is steps only.
    """
    lengths = (1, 1 + cell.epochs)
    engines = engines_for(cell.experiment("plain", 1))
    packs = {engine: asked[: _ONE_BY_ONE if engine.name == "plain" else None] for engine in engines}

    def run(engine: Ours, epochs: int) -> Callable[[], object]:
        return lambda: engine.train_pack(cell.experiment(engine.name, epochs), packs[engine])

    seconds = interleaved({f"{e.name}, {epochs}": run(e, epochs) for e in engines for epochs in lengths}, rounds)
    for engine, pack in packs.items():
        short, long = (seconds[f"{engine.name}, {epochs}"] for epochs in lengths)
        steps = cell.steps * len(pack)
        samples = tuple(1e6 * (b - a) / steps for a, b in zip(short, long, strict=True))
        yield Measurement(section, label, engine.name, len(asked), "us", samples)
