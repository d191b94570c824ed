"""How far the fused trainer is from the plain one, and that a network's bits do not depend on its company."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from grouping.candidates import FloatArray
from search.networks.hard_sharing import HardSharing
from search.networks.latency import one_thread
from search.training.blueprint import Blueprint, blueprint
from search.training.experiment import Experiment
from search.training.loop import Fit, LossWatch
from search.training.relaxed import relaxed_products
from search.training.residence import ResidentPart, resident
from search.training.stack import StackShape
from search.training.stacked_fit import StackedFit
from search.training.stacked_losses import OwnTask
from search.trials import Trial, TrialResult
from tests.benchmarks.training.contenders import OURS, Ours
from tests.benchmarks.training.job import EPOCHS, ROWS, dataset, experiment, groups, trials
from tests.benchmarks.training.measurement import Measurement

__all__ = ["exactness"]

_CPU = torch.device("cpu")


def exactness(*, quick: bool) -> Iterator[Measurement]:
    """Twins of the reference job's networks for 10 and 100 steps, then whole trainings alone and in packs."""
    asked = trials(groups()[::6] if quick else groups())
    with one_thread():
        for steps in (10, 100):
            double, single = (_Plain(asked, steps, dtype) for dtype in (torch.float64, torch.float32))
            yield from _apart(single.losses_KS, double.losses_KS, "float32", "plain itself, against float64", steps)
            for engine in OURS[1:]:
                if engine.name == "fused":
                    yield from _twins(engine, asked, double, steps, torch.float64)
                yield from _twins(engine, asked, single, steps, torch.float32)
    rows, epochs = (1_000, 2) if quick else (ROWS, EPOCHS)
    some = trials([*groups()[:3], *groups()[10:14], groups()[-1]])  # singles, pairs, and the group of all
    kept = [replace(trial, phase="confirm", reference=(1.0,) * len(trial.tasks)) for trial in some]
    for engine in OURS[1:]:
        common = experiment(dataset(rows), engine.name, epochs=epochs)
        alone = [engine.train_pack(common, [trial])[0] for trial in kept]
        for size in (2, 3, 8):
            packs = [kept[start : start + size] for start in range(0, len(kept), size)]
            found = [result for pack in packs for result in engine.train_pack(common, pack)]
            equal = tuple(float(_bitwise(one, other)) for one, other in zip(alone, found, strict=True))
            what = f"whole trainings in packs of {size}, bitwise as alone"
            yield Measurement("exactness", what, engine.name, size, "equal", equal)


class _Plain:
    """Networks after some steps of the plain loop, and the loss of each step, [K, S]."""

    def __init__(self, asked: Sequence[Trial], steps: int, dtype: torch.dtype) -> None:
        common = experiment(dataset(), "plain")
        found = [_plainly(common, blueprint(common, trial), steps, dtype) for trial in asked]
        self.networks = [network for network, _ in found]
        self.losses_KS = np.stack([losses_S for _, losses_S in found])


def _twins(
    engine: Ours, asked: Sequence[Trial], plain: _Plain, steps: int, dtype: torch.dtype
) -> Iterator[Measurement]:
    common = experiment(dataset(), engine.name)
    with relaxed_products() if engine.name == "fused-relaxed" else nullcontext():
        networks, losses_SK = _stacked(common, [blueprint(common, trial) for trial in asked], steps, dtype)
    name = str(dtype).removeprefix("torch.")
    yield from _apart(losses_SK.T, plain.losses_KS, name, engine.name, steps)
    weights = tuple(
        max(float((p - q).detach().abs().max()) for p, q in zip(mine.parameters(), other.parameters(), strict=True))
        for mine, other in zip(networks, plain.networks, strict=True)
    )
    what = f"weights, {name}, {steps} steps"
    yield Measurement("exactness", what, engine.name, len(asked), "difference", weights)


def _apart(mine_KS: FloatArray, other_KS: FloatArray, name: str, who: str, steps: int) -> Iterator[Measurement]:
    """Largest relative difference of a batch loss of each network."""
    apart_K = np.max(np.abs(mine_KS - other_KS) / np.abs(other_KS), axis=1)
    what = f"training loss, {name}, {steps} steps"
    yield Measurement("exactness", what, who, len(apart_K), "relative difference", tuple(apart_K.tolist()))


def _plainly(common: Experiment, plan: Blueprint, steps: int, dtype: torch.dtype) -> tuple[HardSharing, FloatArray]:
    network = plan.hard_network(plan.seeds[0]).to(dtype)
    part = _as(resident(common.dataset.train, plan.columns, _CPU), dtype)
    recorder = _Recorder()
    fit = Fit(network, plan.blocks, part, common.training, plan.order_seed(plan.seeds[0]), watch=recorder)
    fit.advance(steps)
    return network, recorder.losses


def _stacked(
    common: Experiment, plans: Sequence[Blueprint], steps: int, dtype: torch.dtype
) -> tuple[list[HardSharing], FloatArray]:
    header = plans[0].header
    networks = [plan.hard_network(plan.seeds[0]) for plan in plans]
    tasks = [
        OwnTask(member, column, "regression", place, 1)
        for member, plan in enumerate(plans)
        for place, column in enumerate(plan.columns)
    ]
    part = _as(resident(common.dataset.train, range(len(common.dataset.tasks)), _CPU), dtype)
    shape = StackShape.of(header.n_inputs, header.widths, header.outputs)
    seeds = [plan.order_seed(plan.seeds[0]) for plan in plans]
    fit = StackedFit(shape, networks, tasks, part, common.training, seeds, dtype)
    losses_SK = fit.advance(steps)
    networks = [network.to(dtype) for network in networks]
    for member, network in enumerate(networks):
        fit.store(member, network)
    return networks, losses_SK


class _Recorder(LossWatch):
    """Keeps the losses that it is shown."""

    losses: FloatArray

    def check(self, losses: FloatArray, done: int) -> None:
        self.losses = losses


def _as(part: ResidentPart, dtype: torch.dtype) -> ResidentPart:
    def cast(values: Tensor) -> Tensor:
        return values.to(dtype)

    return ResidentPart(cast(part.inputs_NF), cast(part.targets_NT), cast(part.labelled_NT))


def _bitwise(one: TrialResult, other: TrialResult) -> bool:
    """Equal curves, kept states and test sums."""
    assert one.test is not None
    assert other.test is not None
    return (
        one.curve_TS.tobytes() == other.curve_TS.tobytes()
        and (one.kept, one.weights) == (other.kept, other.weights)
        and one.test.cluster_sum_TG.tobytes() == other.test.cluster_sum_TG.tobytes()
    )
