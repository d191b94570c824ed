"""Estimate with some seeds of a table, look at the others, and write ``estimators.json`` and ``estimators.md``.

Axes: ``R`` seeds, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from grouping.candidates import FloatArray, IntArray
from grouping.estimators.higher_order import higher_order
from grouping.estimators.linear_surrogate import linear_surrogate
from grouping.estimators.one_run import ONE_RUN, from_runs
from grouping.estimators.pair_scores import group_scores
from grouping.solver.solution import Solution
from tests.benchmarks.estimators.contenders import CONTENDERS, Seen, budget, choose
from tests.benchmarks.estimators.report import markdown
from tests.benchmarks.estimators.set_attention import set_attention
from tests.benchmarks.estimators.settings import Setting, settings
from tests.benchmarks.halving.run import facts
from tests.benchmarks.replay.cases import lattices
from tests.benchmarks.startup import RESULTS

__all__ = ["main"]

_SEEN = 3
"""Seeds that estimates are made from; the mean of the others is the truth."""


def main() -> None:
    """Every setting of the lattices that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.estimators", description=__doc__)
    parser.add_argument("lattices", nargs="*", metavar="LATTICE", help="default: all")
    parser.add_argument("--repeats", type=int, default=4, help="draws of the seeds that are seen")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--adaptive", action="store_true", help="the adaptive search again, of the same draws of seeds")
    asked = parser.parse_args()
    if asked.adaptive:
        _write(_adaptive_again(json.loads((asked.output / "estimators.json").read_text("utf-8"))), asked.output)
        return
    rows = []
    for place, setting in enumerate(settings(asked.lattices)):
        found = [_one(setting, np.random.default_rng([place, repeat])) for repeat in range(asked.repeats)]
        row: dict[str, Any] = {
            "table": setting.name,
            "budget": budget(setting),
            "cost": _costs(setting),
            **{part: _means([one[part] for one in found]) for part in found[0]},
        }
        rows.append(row)
        sys.stderr.write(f"{setting.name}: ceiling {row['rank']['ceiling']:.2f}\n")
    _write({"repeats": asked.repeats, "seen": _SEEN, "tables": rows, **facts()}, asked.output)


def _write(data: dict[str, Any], output: Path) -> None:
    (output / "estimators.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (output / "estimators.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _adaptive_again(data: dict[str, Any]) -> dict[str, Any]:
    """What was found before with the adaptive search as it is now; it looks at tables only, so nothing is trained."""
    cases = {case.name: (place, case) for place, case in enumerate(lattices())}
    for row in data["tables"]:
        place, case = cases[row["table"]]
        assert case.scored is not None
        setting = Setting(case.name, case.table, case.scored, {}, 0, case.goals, {}, {}, np.zeros((0, 0)))
        found = []
        for repeat in range(data["repeats"]):
            rng = np.random.default_rng([place, repeat])
            order_R = rng.permutation(len(setting.table.seeds)).tolist()
            solution = choose("adaptive", Seen(setting, order_R[:_SEEN]), rng)
            found.append(_regrets(setting, solution, order_R[_SEEN:]))
        for part, name in enumerate(("regret", "test")):
            row[name]["adaptive"] = float(np.mean([one[part] for one in found]))
        sys.stderr.write(f"{case.name}: {100 * row['test']['adaptive']:.2f}\n")
    return {**data, "adaptive": facts()}


def _one(setting: Setting, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Rank correlations and regrets of one draw of seeds."""
    order_R = rng.permutation(len(setting.table.seeds)).tolist()
    rows, rest = order_R[:_SEEN], order_R[_SEEN:]
    seen = Seen(setting, rows)
    truth_CT = setting.table.losses_RCT[rest].mean(axis=0)
    found: dict[str, dict[str, float]] = {"rank": _ranks(seen, truth_CT, rng), "regret": {}, "test": {}}
    for name in (*CONTENDERS, "adaptive"):
        solution = choose(name, seen, rng)
        found["regret"][name], found["test"][name] = _regrets(setting, solution, rest)
    return found


def _regrets(setting: Setting, solution: Solution, rest: list[int]) -> tuple[float, float]:
    """Of a grouping on the other seeds, on the validation and on the test part."""
    parts = (part.losses_RCT[rest].mean(axis=0) for part in (setting.table, setting.scored))
    regret, test = (_regret(setting, solution.chosen[solution.serves_T], losses_CT) for losses_CT in parts)
    return regret, test


def _regret(setting: Setting, serves_T: IntArray, losses_CT: FloatArray) -> float:
    """Mean over tasks of what is lost against the best of a table, in shares of the loss alone."""
    best = setting.goals.best(losses_CT, setting.goals.limit_K[0])
    assert best is not None
    n_tasks = losses_CT.shape[1]
    return float(losses_CT[serves_T, np.arange(n_tasks)].mean() - best.objective / n_tasks)


def _ranks(seen: Seen, truth_CT: FloatArray, rng: np.random.Generator) -> dict[str, float]:
    """Spearman correlation with the truth over groups of three or more, but for that of all tasks; mean over tasks."""
    setting = seen.setting
    candidates, n_tasks = setting.table.candidates, setting.table.candidates.n_tasks
    members_CT = candidates.members_CT
    wide_C = (candidates.size_C >= 3) & (candidates.size_C < n_tasks)
    pairs = n_tasks * (n_tasks - 1) // 2

    def rank(guessed_CT: FloatArray, left_C: np.ndarray | None = None) -> float:
        found = []
        for t in range(n_tasks):
            rows = np.flatnonzero(wide_C & members_CT[:, t] & (True if left_C is None else left_C))
            guessed, truth = guessed_CT[rows, t], truth_CT[rows, t]
            constant = np.ptp(guessed) < 1e-12
            found.append(0.0 if constant else float(spearmanr(guessed, truth)[0]))
        return float(np.mean(found))

    ranks = {
        "ceiling": rank(seen.table.mean_CT),
        "number of tasks": rank(members_CT * candidates.size_C[:, None].astype(float)),
    }
    ranks["pairs and HOA"] = rank(higher_order(seen.known(seen.free_C | (candidates.size_C == 2))).mean_CT)
    for epochs in sorted({1, max(1, setting.epochs // 4)}):
        early_CT = setting.early[epochs].losses_RCT[seen.rows].mean(axis=0)
        ranks["ESA, one epoch" if epochs == 1 else "ESA, a quarter"] = rank(early_CT)
    for name, count in (("linear surrogate, 2n groups", 2 * n_tasks), ("linear surrogate, as many as pairs", pairs)):
        drawn_C = seen.free_C.copy()
        drawn_C[rng.permutation(np.flatnonzero(~seen.free_C))[:count]] = True
        known = seen.known(drawn_C)
        ranks[name] = rank(linear_surrogate(known).mean_CT, ~drawn_C)
        ranks[name.replace("linear surrogate", "set attention")] = rank(set_attention(known, 0), ~drawn_C)
    for name in ONE_RUN:
        runs = {setting.table.seeds[r]: setting.seen[name][setting.table.seeds[r]] for r in seen.rows}
        ranks[f"{name}, completed"] = rank(from_runs(seen.known(seen.free_C), name, runs).mean_CT)
        if name != "linearised":
            score_TT = np.mean(list(runs.values()), axis=0)
            ranks[name] = rank(-group_scores(score_TT[None], members_CT)[0])
    return ranks


def _costs(setting: Setting) -> dict[str, float]:
    """In trainings of all tasks, beside single tasks and the network of all tasks, which everybody trains."""
    n_tasks = setting.table.candidates.n_tasks
    groups = 2**n_tasks - n_tasks - 2
    pairs = n_tasks * (n_tasks - 1) // 2
    quarter = max(1, setting.epochs // 4)
    costs = {"pairs and HOA": float(pairs), "ESA, one epoch": groups / setting.epochs}
    costs["ESA, a quarter"] = groups * quarter / setting.epochs
    for kind in ("linear surrogate", "set attention"):
        costs |= {f"{kind}, 2n groups": 2.0 * n_tasks, f"{kind}, as many as pairs": float(pairs)}
    for name in ONE_RUN:
        costs[name] = costs[f"{name}, completed"] = setting.cost["linearise" if name == "linearised" else "gradients"]
    return costs


def _means(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}
