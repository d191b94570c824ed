"""The settings of our lattices with everything that an estimator may see: tables, curves, looks, label correlations.

Axes: ``R`` seeds, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from grouping.acquisition import Goals
from grouping.candidates import FloatArray
from grouping.estimators.linearised import subset_ratios
from grouping.files import read_curves, read_losses
from grouping.losses import LossTable, single_task_losses
from grouping.solver.baselines import label_similarity
from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.documents import read_spec
from search.documents.variations import variations
from search.networks.latency import one_thread
from search.training.experiment import Experiment
from search.training.one_run.look import as_linearisation, look_at
from search.training.trainer import train
from search.trials import Trial
from tests.benchmarks.replay.cases import FACTORS, LATTICES, lattices

__all__ = ["Setting", "settings"]

CONFIGS = Path("configs/lattices")


@dataclass(frozen=True, eq=False)
class Setting:
    """One setting.

    Args:
        name: Of the table and its factors.
        table: Relative losses on the validation part.
        scored: The same on the test part.
        early: Losses after one epoch and more, by epochs done, relative like ``table``.
        epochs: Of a whole training.
        goals: The budget.
        seen: What each one-run estimator saw with each seed, as ``from_runs`` wants it.
        cost: Process seconds of each kind of look in units of one plain training of all tasks, medians.
        similarity_TT: How alike the labels are.
    """

    name: str
    table: LossTable
    scored: LossTable
    early: dict[int, LossTable]
    epochs: int
    goals: Goals
    seen: dict[str, dict[str, FloatArray]]
    cost: dict[str, float]
    similarity_TT: FloatArray


def settings(names: list[str]) -> Iterator[Setting]:
    """Those of some lattices, looked at with every seed."""
    cases = iter(lattices())
    for name, factors in FACTORS.items():
        spec = read_spec(CONFIGS / f"{name}.yaml")
        varied = [f"{path}={','.join(map(_as_option, values))}" for path, values in factors.items()]
        for variation, values in zip(variations(spec, varied), product(*factors.values()), strict=True):
            case = next(cases)
            if names and name not in names:
                continue
            base = CONFIGS.resolve()
            resolved = resolve(variation.spec, base)
            experiment = Experiment(load_dataset(resolved, base), resolved.network, resolved.training)
            assert case.scored is not None
            where = {**dict(zip(factors, values, strict=True)), "split": "val"}
            curves = read_curves(LATTICES / f"{name}.curves.parquet", where=where)
            alone_T = _reference(case.table, LATTICES / f"{name}.parquet", where)
            place_C = [_place(case.table, curves.candidates.members_CT[c]) for c in range(len(curves.candidates))]
            epochs = resolved.training.epochs
            early = {}
            for epoch in range(1, epochs):
                losses_RCT = np.full(case.table.losses_RCT.shape, np.nan)
                losses_RCT[:, place_C] = curves.at_fraction(epoch / epochs).losses_RCT
                early[epoch] = LossTable(case.table.candidates, losses_RCT / alone_T, case.table.seeds)
            seen, cost = _looks(experiment, case.table)
            targets_NT = experiment.dataset.train.targets_NT[:, _columns(experiment, case.table)].astype(float)
            yield Setting(
                case.name, case.table, case.scored, early, epochs, case.goals, seen, cost, label_similarity(targets_NT)
            )


def _as_option(value: str) -> str:
    return f"[{value.replace('-', ', ')}]" if "-" in value else value


def _reference(relative: LossTable, path: Path, where: dict[str, str]) -> FloatArray:
    reference_T = single_task_losses(read_losses(path, where=where))
    assert len(reference_T) == relative.candidates.n_tasks
    return reference_T


def _place(table: LossTable, members_T: np.ndarray) -> int:
    return int(np.flatnonzero((table.candidates.members_CT == members_T).all(axis=1))[0])


def _columns(experiment: Experiment, table: LossTable) -> list[int]:
    names = [task.name for task in experiment.dataset.tasks]
    return [names.index(task) for task in table.tasks]


def _looks(experiment: Experiment, table: LossTable) -> tuple[dict[str, dict[str, FloatArray]], dict[str, float]]:
    seen: dict[str, dict[str, FloatArray]] = {}
    seconds: dict[str, list[float]] = {"plain": [], "gradients": [], "linearise": []}
    for seed in table.seeds:
        trial = Trial(table.tasks, 1.0, int(seed))
        with one_thread():
            began = time.process_time()
            train(experiment, trial)
            seconds["plain"].append(time.process_time() - began)
        pairs = look_at(experiment, Trial(table.tasks, 1.0, int(seed), "gradients"))
        whole = look_at(experiment, Trial(table.tasks, 1.0, int(seed), "linearise"))
        seconds["gradients"].append(pairs.seconds)
        seconds["linearise"].append(whole.seconds)
        for name in ("look-ahead", "first-order", "cosine"):
            seen.setdefault(name, {})[seed] = pairs.seen[f"{name.replace('-', '_')}_TT"]
        ratio_CT = subset_ratios(as_linearisation(whole.seen), table.candidates.members_CT)
        seen.setdefault("linearised", {})[seed] = ratio_CT
    plain = np.array(seconds["plain"])
    cost = {kind: float(np.median(np.array(took) / plain)) for kind, took in seconds.items() if kind != "plain"}
    return seen, cost
