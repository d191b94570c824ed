"""Trains what searches of policies find against what they have to beat, on three data sets; writes ``policies.md``.

For every seed a policy is searched and trained from fresh values; beside it hard sharing, a random policy that skips as
often, networks of one task each, and the same policy without the loss that draws tasks together. All cost as much in
the trunk and have the same settings. The state that is kept has the lowest mean relative validation loss; what is
compared is its test loss, seed by seed.

Axes: ``R`` seeds, ``T`` tasks, ``S`` readings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from grouping.candidates import FloatArray
from grouping.policy import Mode, Policy
from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.documents import parse_spec
from search.networks.architectures import make_network
from search.networks.policy_network import PolicyNetwork
from search.networks.shape import TrunkShape
from search.networks.sharing import SEARCHED, Sharing
from search.networks.units import built_in_units
from search.policy.draws import guarded
from search.policy.searched_trial import FoundPolicy, as_found, search_policy
from search.training.experiment import Experiment
from search.training.trainer import train
from search.trials import Trial, TrialResult
from tests.benchmarks.halving.run import facts
from tests.benchmarks.startup import RESULTS

__all__ = ["main"]

_FIRST_SEED = 50_000
_WAYS = ("adashare", "learned-branching", "automtl")
_DATA = ("nyc_weather", "digits", "multimnist")

_COMMON = "budget: {inference: 1}\n"
_SPECS = {
    "nyc_weather": """\
name: nyc-weather
data: {source: nyc-weather, inputs: [x_*], split: {column: split}, cluster: week, rows: 8000}
tasks:
  - {name: temp, target: y_temp, type: regression}
  - {name: humid, target: y_humid, type: regression}
  - {name: wind_u, target: y_wind_u, type: regression}
  - {name: visib, target: y_visib, type: regression}
  - {name: rain, target: y_rain, type: binary}
network: {trunk: resmlp, widths: [48, 48, 48, 48, 48]}
training: {epochs: 12, batch_size: 256, learning_rate: 1.0e-3, engine: plain}
""",
    "digits": """\
name: digits
data: {source: digits.npz, inputs: [x], split: {fractions: [0.6, 0.2, 0.2]}}
tasks:
  - {name: digit, type: multiclass}
  - {name: odd, type: binary}
  - {name: large, type: binary}
network: {trunk: resnet, widths: [12, 12, 12, 24, 24, 32]}
training: {epochs: 15, batch_size: 64, learning_rate: 2.0e-3, engine: plain}
""",
    "multimnist": """\
name: multimnist
data: {source: "${TASKGROUP_DATA}/multimnist/data.npz", inputs: [x], split: {column: split}, rows: 1500}
tasks:
  - {name: left, target: y_left, type: multiclass}
  - {name: right, target: y_right, type: multiclass}
network: {trunk: resnet, widths: [12, 12, 24, 24, 48]}
training: {epochs: 4, batch_size: 64, learning_rate: 2.0e-3, engine: plain}
""",
}

_ABOUT = """\
One network for all tasks of a data set, in the trunk of the cost of one standard network, with {seeds} fresh seeds; no
setting was tuned. Shown: test loss less that of hard sharing, percent of hard sharing's, mean over tasks; 95 % t
interval over seeds, paired (search, order of rows and test rows are the seed's). Negative is better. *Random* skips as
many units as the policy of the same seed, elsewhere. *Alone* are networks of one task, together of the same cost in the
trunk. No interval is corrected for the number of comparisons. *Search* is its process time in trainings of hard
sharing; *skipped* the share of what can be skipped; *alike* how near the tasks' probabilities of sharing are, over the
units used by one of them at least (1: the same)."""


def main() -> None:
    """All data sets."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.policies", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="searches of every way")
    parser.add_argument("--data", nargs="+", choices=_DATA, default=list(_DATA), help="data sets")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    seeds = range(_FIRST_SEED, _FIRST_SEED + asked.seeds)
    tables = {}
    for name in asked.data:
        if name == "multimnist" and "TASKGROUP_DATA" not in os.environ:
            sys.stderr.write(f"{name} left out: set TASKGROUP_DATA\n")
            continue
        began = time.monotonic()
        tables[name] = _compared(_experiment(name), seeds)
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    data = {"seeds": asked.seeds, "tables": tables, "skipping": _skipping_time(), **facts()}
    (asked.output / "policies.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "policies.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _experiment(name: str) -> Experiment:
    with tempfile.TemporaryDirectory() as folder:
        if name == "digits":
            _write_digits(Path(folder) / "digits.npz")
        spec = resolve(parse_spec(_SPECS[name] + _COMMON), Path(folder))
        return Experiment(load_dataset(spec, Path(folder)), spec.network, spec.training)


def _write_digits(path: Path) -> None:
    """The handwritten digits of scikit-learn, 8 x 8, with three tasks."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    digit_N = digits.target
    np.savez(path, x=digits.images.astype(np.float32), digit=digit_N, odd=digit_N % 2, large=(digit_N > 4).astype(int))


def _compared(experiment: Experiment, seeds: Sequence[int]) -> dict[str, Any]:
    names = tuple(task.name for task in experiment.dataset.tasks)
    hard = [_test(experiment, Trial(names, 1.0, seed, "measure")) for seed in seeds]
    hard_RT = np.stack([losses_T for losses_T, _ in hard])
    seconds = float(np.median([taken for _, taken in hard]))
    each = 1.0 / len(names)
    alone_RT = np.stack([[_test(experiment, Trial((n,), each, s, "measure"))[0][0] for n in names] for s in seeds])
    found: dict[str, Any] = {"alone": _row(alone_RT, hard_RT)}
    for way in [*_WAYS, "adashare alike=0"]:
        searched = [search_policy(experiment, Trial(names, 1.0, seed, "policy", sharing=way)) for seed in seeds]
        policies = [as_found(result.seen) for result in searched]
        pairs = list(zip([policy.policy for policy in policies], seeds, strict=True))
        trained_RT = np.stack([_retrained(experiment, names, way, policy, seed) for policy, seed in pairs])
        found[way] = _row(trained_RT, hard_RT) | {
            "search": float(np.median([result.seconds for result in searched])) / seconds,
            "skipped": float(np.mean([_skipped(policy) for policy in policies])),
            "alike": float(np.mean([_alike(policy) for policy in policies])),
            "policies": [str(policy.policy) for policy in policies],
        }
        if way == "adashare":
            others = [_random(policy, seed) for policy, seed in zip(policies, seeds, strict=True)]
            random_RT = np.stack([_retrained(experiment, names, way, p, s) for p, s in zip(others, seeds, strict=True)])
            found["random"] = _row(random_RT, hard_RT)
            found["adashare - random"] = _row(trained_RT, random_RT)
    return found


def _retrained(experiment: Experiment, names: tuple[str, ...], way: str, policy: Policy, seed: int) -> FloatArray:
    sharing = "hard" if policy.is_hard else str(Sharing.parse(way).found(policy))
    return _test(experiment, Trial(names, 1.0, seed, "measure", sharing=sharing))[0]


def _test(experiment: Experiment, trial: Trial) -> tuple[FloatArray, float]:
    """Test losses, [T], of the reading with the lowest validation losses, and the seconds of the training."""
    result: TrialResult = train(experiment, trial)
    assert result.test_curve_TS is not None
    relative_TS = result.curve_TS / result.curve_TS.min(axis=1, keepdims=True)
    return result.test_curve_TS[:, int(relative_TS.mean(axis=0).argmin())], result.seconds


def _random(found: FoundPolicy, seed: int) -> Policy:
    """A policy that skips as many units, anywhere that can be skipped."""
    rng = np.random.default_rng(seed)
    places = [(t, level) for t in range(found.policy.n_tasks) for level, can in enumerate(found.can_skip_L) if can]
    skipped = round(_skipped(found) * len(places))
    modes: list[list[Mode]] = [["shared"] * found.policy.n_units for _ in range(found.policy.n_tasks)]
    for index in rng.permutation(len(places))[:skipped].tolist():
        task, level = places[index]
        modes[task][level] = "skip"
    even = torch.full((found.policy.n_units, found.policy.n_tasks, 2), 0.5)
    for level, can in enumerate(found.can_skip_L):
        even[level] = even[level] if can else torch.tensor([1.0, 0.0])
    return guarded(Policy(tuple(map(tuple, modes))), even, SEARCHED["adashare"])


def _skipped(found: FoundPolicy) -> float:
    can_skip = [level for level, can in enumerate(found.can_skip_L) if can]
    chosen = [modes_L[level] == "skip" for modes_L in found.policy.modes_TL for level in can_skip]
    return float(np.mean(chosen))


def _alike(found: FoundPolicy) -> float:
    shared_LT = found.history_RLTM[-1][..., 0]
    levels = zip(*found.policy.modes_TL, strict=True)
    used_L = np.array([any(mode != "skip" for mode in modes_T) for modes_T in levels])
    return float(1 - (shared_LT.max(axis=1) - shared_LT.min(axis=1))[used_L].mean())


def _row(own_RT: FloatArray, other_RT: FloatArray) -> dict[str, Any]:
    away_R = (own_RT / other_RT - 1).mean(axis=1)
    half = float(student.ppf(0.975, len(away_R) - 1) * away_R.std(ddof=1) / np.sqrt(len(away_R)))
    mean = float(away_R.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": away_R.tolist()}


def _skipping_time() -> dict[str, float]:
    """Time of a static network with half of its eight blocks skipped, and its FLOPs, relative to the whole one."""
    shape = TrunkShape("resmlp", 256, (512,) * 9)
    units = [built_in_units(shape, 0, 0) for _ in range(2)]
    whole, half = (PolicyNetwork(u, Policy.parse(t)).eval() for u, t in zip(units, ("s" * 9, "ss-s-s-s-"), strict=True))
    hard = make_network(Sharing(), shape, [1])
    rows_NF = torch.randn(256, 256, generator=torch.Generator().manual_seed(0))

    def seconds(module: torch.nn.Module) -> float:
        began = time.process_time()
        for _ in range(10):
            module(rows_NF)
        return time.process_time() - began

    with torch.inference_mode():
        rounds = [(seconds(whole), seconds(half), seconds(hard.eval())) for _ in range(21)]
    skipped = sorted(after / before for before, after, _ in rounds)[len(rounds) // 2]
    return {"time": skipped, "hard": sorted(h / b for b, _, h in rounds)[len(rounds) // 2]}


def markdown(data: dict[str, Any]) -> str:
    """The results for people."""
    tables = data["tables"]
    rows = {
        "alone": "alone",
        "adashare": "adashare",
        "random": "random policy as sparse",
        "adashare - random": "adashare against that random policy",
        "adashare alike=0": "adashare without the loss on differences",
        "learned-branching": "learned-branching",
        "automtl": "automtl",
    }
    lines = ["# Searched policies", "", _ABOUT.format(**data), ""]
    lines += [f"| | {' | '.join(tables)} |", "| --- |" + " --- |" * len(tables)]
    for key, label in rows.items():
        cells = [
            f"{100 * table[key]['mean']:+.1f} [{100 * table[key]['low']:+.1f}, {100 * table[key]['high']:+.1f}]"
            for table in tables.values()
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines += ["", f"| search, skipped, alike | {' | '.join(tables)} |", "| --- |" + " --- |" * len(tables)]
    for way in [*_WAYS, "adashare alike=0"]:
        cells = [f"{t[way]['search']:.1f}, {t[way]['skipped']:.0%}, {t[way]['alike']:.2f}" for t in tables.values()]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    time_of = data["skipping"]
    told = (
        f"A network of nine units of 512 that skips four of its eight blocks takes {time_of['time']:.0%} of the time "
        f"of the whole one (median of 21 interleaved rounds, one thread); hard sharing takes {time_of['hard']:.0%}."
    )
    lines += ["", told]
    made = f"Made by `python -m tests.benchmarks.policies`, commit {data['commit']}, {data['date']}, {data['machine']}."
    return "\n".join([*lines, "", made, ""])
