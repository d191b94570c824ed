"""The reference job: every contender trains the same 37 networks in one process, in turns."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from search.training.relaxed import relaxed_products
from tests.benchmarks.training.contenders import OURS, PEERS
from tests.benchmarks.training.floor import products
from tests.benchmarks.training.job import BATCH, EPOCHS, ROWS, Group, dataset, experiment, groups, trials
from tests.benchmarks.training.measurement import Measurement, interleaved
from tests.benchmarks.training.peer_network import peer_data

__all__ = ["FLOOR", "RELAXED_FLOOR", "reference", "whole"]

FLOOR, RELAXED_FLOOR = "products alone", "products alone, relaxed"
_TURN = 16  # networks: whole packs of every engine

Trained = Callable[[], list[float]]
"""Trains some networks and gives the mean validation loss of each."""


def reference(*, quick: bool) -> Iterator[Measurement]:
    """CPU microseconds per network and step: all 37 networks for two epochs, in several rounds."""
    epochs, rounds = (1, 2) if quick else (2, 5)
    rows, asked = (1_000, groups()[4:20]) if quick else (ROWS, groups())
    for run in _contenders(rows, asked[:1], 1).values():
        run()
    steps = len(asked) * epochs * math.ceil(rows / BATCH)
    alone = products(steps)
    runs: dict[str, Callable[[], object]] = {**_contenders(rows, asked, epochs), FLOOR: alone}
    if any(engine.name == "fused-relaxed" for engine in OURS):
        runs[RELAXED_FLOOR] = _permitted(alone)
    for name, seconds in interleaved(runs, rounds).items():
        samples = tuple(1e6 * second / steps for second in seconds)
        yield Measurement("reference", f"{len(asked)} networks", name, _together(name), "us", samples)


def whole(*, quick: bool) -> Iterator[Measurement]:
    """CPU seconds of the job from end to end, once; contenders take turns after every few networks."""
    epochs, rows, asked = (2, 1_000, groups()[:10]) if quick else (EPOCHS, ROWS, groups())
    spent: dict[str, float] = {}
    losses: dict[str, list[float]] = {}
    for start in range(0, len(asked), _TURN):
        for name, run in _contenders(rows, asked[start : start + _TURN], epochs).items():
            began = time.process_time()
            losses.setdefault(name, []).extend(run())
            spent[name] = spent.get(name, 0.0) + time.process_time() - began
    for name, seconds in spent.items():
        note = f"mean validation loss {statistics.mean(losses[name]):.4f}"
        yield Measurement("whole", f"{len(asked)} networks", name, _together(name), "CPU s", (seconds,), note)


def _contenders(rows: int, asked: Sequence[Group], epochs: int) -> dict[str, Trained]:
    data = dataset(rows)
    tensors = peer_data(data)

    def peer(name: str) -> Trained:
        return lambda: [PEERS[name](tensors, group, epochs, 0) for group in asked]

    def ours(index: int) -> Trained:
        engine = OURS[index]
        common = experiment(data, engine.name, epochs=epochs)
        return lambda: [float(result.curve_TS[:, -1].mean()) for result in engine.train(common, trials(asked))]

    runs = {name: peer(name) for name in PEERS}
    return runs | {engine.name: ours(index) for index, engine in enumerate(OURS)}


def _permitted(run: Callable[[], object]) -> Callable[[], object]:
    def permitted() -> None:
        with relaxed_products():
            run()

    return permitted


def _together(name: str) -> int:
    if name in (FLOOR, RELAXED_FLOOR):
        return 8
    return next((engine.pack_size for engine in OURS if engine.name == name), 1)
