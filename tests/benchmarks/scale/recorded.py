"""Trainings that were recorded once (``results/lattices/nyc_weather``), to be replayed any number of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from grouping.candidates import FloatArray, IntArray
from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.spec import Spec
from search.training.experiment import Experiment
from search.training.packs import Pack
from search.trials import Trial, TrialFailure, TrialResult
from tests.benchmarks.startup import ROOT

__all__ = ["Recorded", "recorded"]

_LATTICE = ROOT / "results" / "lattices" / "nyc_weather"
_SPEC = {"name": "scale", "data": {"source": "nyc-weather"}, "budget": {"inference": 3}, "training": {"epochs": 12}}


@dataclass(frozen=True)
class Recorded:
    """Curves and seconds of every network of eight tasks, with every seed and setting it was trained with.

    Args:
        experiment: What the trainings have in common.
        steps_S: Optimiser steps at each reading.
        curves: Validation losses of a network by its tasks: ``[R, T, S]``.
        seconds: Process seconds of a network's trainings by its tasks: ``[R]``.
    """

    experiment: Experiment
    steps_S: IntArray
    curves: dict[tuple[str, ...], FloatArray]
    seconds: dict[tuple[str, ...], FloatArray]

    def trials(self, count: int) -> list[Trial]:
        """That many trainings: every network with as many seeds as it takes."""
        groups = list(self.curves)
        return [Trial(groups[i % len(groups)], 1.0, i // len(groups)) for i in range(count)]

    @cached_property
    def mean_seconds(self) -> float:
        return float(np.mean([seconds_R.mean() for seconds_R in self.seconds.values()]))

    def duration(self, pack: Pack, mean: float) -> float:
        """How long a pack takes where a training takes ``mean`` seconds on average."""
        recorded = sum(self.seconds[t.tasks][t.seed % len(self.seconds[t.tasks])] for t in (c.trial for c in pack))
        return float(recorded) * mean / self.mean_seconds

    def train(self, experiment: Experiment, pack: Pack) -> Sequence[TrialResult | TrialFailure]:
        """What came of a pack."""
        return [self._result(course.trial) for course in pack]

    def _result(self, trial: Trial) -> TrialResult:
        curves_RTS = self.curves[trial.tasks]
        replicate = trial.seed % len(curves_RTS)
        seconds = float(self.seconds[trial.tasks][replicate])
        return TrialResult(self.steps_S.copy(), curves_RTS[replicate].copy(), seconds, "simulated:1")


def recorded() -> Recorded:
    """Read the lattice; it takes some seconds."""
    spec = resolve(Spec.model_validate(_SPEC))
    experiment = Experiment(load_dataset(spec, Path()), spec.network, spec.training)
    factors = ["data.rows", "network.widths", "data.split.seed", "seed"]
    curves = pd.read_parquet(_LATTICE.with_suffix(".curves.parquet"))
    curves = curves[curves["split"] == "val"].sort_values(["network", *factors, "task", "step"])
    losses = pd.read_parquet(_LATTICE.with_suffix(".parquet"))
    losses = losses[losses["split"] == "val"].drop_duplicates(["network", *factors]).sort_values(["network", *factors])
    readings = 12
    order = [task.name for task in experiment.dataset.tasks]
    found: dict[tuple[str, ...], FloatArray] = {}
    for network, rows in curves.groupby("network", observed=True):
        names = sorted(str(network).split("+"))
        positions = [names.index(name) for name in sorted(names, key=order.index)]
        values_RTS = rows["loss"].to_numpy(np.float64).reshape(-1, len(names), readings)[:, positions]
        found[tuple(sorted(names, key=order.index))] = values_RTS
    seconds = {
        tuple(sorted(str(network).split("+"), key=order.index)): rows["seconds"].to_numpy(np.float64)
        for network, rows in losses.groupby("network", observed=True)
    }
    return Recorded(experiment, np.arange(1, readings + 1, dtype=np.int64) * 10, found, seconds)
