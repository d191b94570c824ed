"""Trains one network for all tasks in every way to share and to balance, on several data sets; writes ``sharing.md``.

Every way has the same settings, the same cost and the same seeds, which no other benchmark used; nothing is tuned for
any of them. The state that is kept has the lowest mean relative validation loss; what is compared is its test loss.

Axes: ``R`` seeds, ``T`` tasks, ``S`` readings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from scipy.stats import t as student

from grouping.candidates import FloatArray
from grouping.errors import InputError
from search.balancing import EQUAL, BalancingName
from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.documents import read_spec
from search.networks.sharing import HARD
from search.training.experiment import Experiment
from search.training.trainer import train
from search.trials import Trial, TrialResult
from tests.benchmarks.halving.run import facts
from tests.benchmarks.startup import RESULTS

__all__ = ["main"]

_CONFIGS = Path("configs/lattices")
_DATA = ("nyc_weather", "sarcos_small", "tox21", "yeast", "synthetic")
_WAYS = ("branch", "soft", "cross-stitch", "mtan", "mmoe", "cgc", "ple")
_FIRST_SEED = 40_000
_MADE = "made"

_ABOUT = """\
One network for all tasks of a data set, of the cost of one standard network, trained in every way with the settings of
`configs/lattices` (weather: 8,000 rows) and {seeds} fresh seeds; no setting was tuned for any way. The state that is
kept has the lowest mean relative validation loss. Shown: test loss less that of hard sharing with equal weights,
percent of a single-task loss, mean over tasks; 95 % t interval over seeds, paired (test rows are the same). Negative is
better. No interval is corrected for the number of ways. Seconds: process time of a training, relative to hard sharing
with equal weights."""


def main() -> None:
    """All ways on all data sets."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sharing", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of every way")
    parser.add_argument("--data", nargs="+", choices=_DATA, default=list(_DATA), help="data sets")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    seeds = range(_FIRST_SEED, _FIRST_SEED + asked.seeds)
    tables = _earlier(asked.output / "sharing.json", asked.seeds)
    for name in asked.data:
        if name not in {"nyc_weather", "synthetic"} and "TASKGROUP_DATA" not in os.environ:
            sys.stderr.write(f"{name} left out: set TASKGROUP_DATA\n")
            continue
        began = time.monotonic()
        tables[name] = {**_compared(_experiment(name), seeds), _MADE: facts()}
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    data = {"seeds": asked.seeds, "tables": {name: tables[name] for name in _DATA if name in tables}}
    (asked.output / "sharing.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "sharing.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _earlier(path: Path, seeds: int) -> dict[str, Any]:
    """Tables of an earlier run with as many seeds: data sets that are not asked for keep theirs."""
    if not path.exists():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    return dict(data["tables"]) if data["seeds"] == seeds else {}


def _experiment(name: str) -> Experiment:
    path = _CONFIGS / f"{name}.yaml"
    spec = read_spec(path)
    if name == "nyc_weather":
        spec = spec.model_copy(update={"data": spec.data.model_copy(update={"rows": 8000})})
    spec = resolve(spec, path.parent)
    training = spec.training.model_copy(update={"engine": "plain"})
    return Experiment(load_dataset(spec, path.parent), spec.network, training)


def _compared(experiment: Experiment, seeds: Sequence[int]) -> dict[str, Any]:
    """Of every way: difference to hard sharing with equal weights, its ends, and what a training takes."""
    names = tuple(task.name for task in experiment.dataset.tasks)
    alone = [[train(experiment, Trial((name,), 1.0, seed, "measure")) for name in names] for seed in seeds]
    alone_RT2 = np.array([[np.ravel(_kept(result, np.ones(1))) for result in results] for results in alone])
    validation_T, test_T = alone_RT2.mean(axis=0).T
    standard = _trained(experiment, names, HARD, EQUAL, seeds, validation_T, test_T)
    found: dict[str, Any] = {}  # None for a way that cannot have the cost of one standard network
    for way in _WAYS:
        try:
            found[way] = _row(_trained(experiment, names, way, EQUAL, seeds, validation_T, test_T), standard)
        except InputError:  # no whole widths bring it to the cost of one standard network
            found[way] = None
    for balancing in get_args(BalancingName)[1:]:
        if balancing == "agreement":
            continue  # none of these data sets has auxiliary tasks
        found[balancing] = _row(_trained(experiment, names, HARD, balancing, seeds, validation_T, test_T), standard)
    found["single tasks"] = float(standard[0].mean() - 1)
    return found


def _trained(
    experiment: Experiment,
    names: tuple[str, ...],
    sharing: str,
    balancing: BalancingName,
    seeds: Sequence[int],
    validation_T: FloatArray,
    test_T: FloatArray,
) -> tuple[FloatArray, float]:
    """Mean relative test loss of the kept state for each seed, [R], and the seconds of a training."""
    balanced = replace(experiment, training=experiment.training.model_copy(update={"balancing": balancing}))
    results = [train(balanced, Trial(names, 1.0, seed, "measure", sharing=sharing)) for seed in seeds]
    losses_R = np.array([(_kept(result, validation_T)[1] / test_T).mean() for result in results])
    return losses_R, float(np.median([result.seconds for result in results]))


def _kept(result: TrialResult, reference_T: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Validation and test losses, [T] each, of the reading with the lowest mean relative validation loss."""
    assert result.test_curve_TS is not None
    kept = int((result.curve_TS / reference_T[:, None]).mean(axis=0).argmin())
    return result.curve_TS[:, kept], result.test_curve_TS[:, kept]


def _row(own: tuple[FloatArray, float], standard: tuple[FloatArray, float]) -> dict[str, float]:
    away_R = own[0] - standard[0]
    half = float(student.ppf(0.975, len(away_R) - 1) * away_R.std(ddof=1) / np.sqrt(len(away_R)))
    mean = float(away_R.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half, "seconds": own[1] / standard[1]}


def markdown(data: dict[str, Any]) -> str:
    """The results for people."""
    tables = data["tables"]
    ways = [way for way in next(iter(tables.values())) if way not in {"single tasks", _MADE}]
    lines = ["# Ways to share and to balance", "", _ABOUT.format(**data), ""]
    lines += [f"| | {' | '.join(tables)} | mean | seconds |", "| --- |" + " --- |" * (len(tables) + 2)]
    for way in ways:
        rows = [table[way] for table in tables.values()]
        cells = [
            f"{100 * r['mean']:+.1f} [{100 * r['low']:+.1f}, {100 * r['high']:+.1f}]" if r else "cannot be that small"
            for r in rows
        ]
        mean, seconds = (float(np.mean([row[name] for row in rows if row])) for name in ("mean", "seconds"))
        lines.append(f"| {way} | {' | '.join(cells)} | {100 * mean:+.1f} | {seconds:.1f} |")
    alone = " | ".join(f"{-100 * table['single tasks']:+.1f}" for table in tables.values())
    lines.append(f"| single tasks, each a network of that cost | {alone} | | |")
    made: dict[str, list[str]] = {}
    for name, table in tables.items():
        made.setdefault("commit {commit}, {date}, {machine}".format(**table[_MADE]), []).append(name)
    told = "; ".join(f"{', '.join(names)}: {where}" for where, names in made.items())
    return "\n".join([*lines, "", f"Made by `python -m tests.benchmarks.sharing`. {told}.", ""])
