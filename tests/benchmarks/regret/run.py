"""State regrets from few seeds, look at the other seeds, and write ``regret.json`` and ``regret.md``.

A search sees some seeds of some groups of six of a table's tasks. The truth is the mean of the other seeds, which is
noisy itself: the stated interval is therefore that of the same statistic on tables with that noise added, so that it
can be compared with what is seen. The regret on the test part is that of the grouping chosen on the validation part.

Axes: ``D`` draws, ``R`` seeds, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from grouping.acquisition import Goals
from grouping.candidates import BoolArray, Candidates, FloatArray
from grouping.losses import LossTable
from grouping.posterior import Belief
from grouping.solver.baselines import Grouping, random_groupings
from grouping.solver.solution import Solution
from tests.benchmarks.halving.run import facts
from tests.benchmarks.replay.cases import Case, lattices
from tests.benchmarks.startup import RESULTS

__all__ = ["main"]

REGIMES = ((1, 0.4), (2, 0.4), (3, 0.4), (2, 1.0), (3, 1.0))
"""Seeds that are seen, and the share of groups beside single tasks and all-in-one that is trained."""
_TASKS, _DRAWS, _CONFIDENCE = 6, 100, 0.9


@dataclass(frozen=True)
class Trial:
    """What one search said and what came of it, in mean relative loss."""

    table: str
    stated: float
    low: float
    high: float
    realised: float
    realised_argmin: float
    realised_random: float
    test: float
    test_argmin: float


def main() -> None:
    """Every regime on every table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.regret", description=__doc__)
    parser.add_argument("--repeats", type=int, default=12, help="searches of every table and regime")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    cases = lattices()
    rows = []
    for seeds, share in REGIMES:
        trials = [
            _trial(case, seeds, share, np.random.default_rng([seeds, int(100 * share), place, repeat]))
            for place, case in enumerate(cases)
            for repeat in range(asked.repeats)
        ]
        rows.append({"seeds": seeds, "share": share, **_summary(trials)})
        sys.stderr.write(f"{seeds} seeds, {share:.0%} of the groups: covered {rows[-1]['covered']:.1%}\n")
    data = {"repeats": asked.repeats, "tables": len(cases), "regimes": rows, **facts()}
    (asked.output / "regret.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "regret.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _trial(case: Case, seeds: int, share: float, rng: np.random.Generator) -> Trial:
    """One search on some of a table's tasks and seeds."""
    assert case.scored is not None
    table, scored = _some_tasks(case.table, case.scored, rng)
    candidates, sizes_C = table.candidates, table.candidates.size_C
    order_R = rng.permutation(len(table.seeds))
    seen_R, rest_R = order_R[:seeds], order_R[seeds:]
    trained_C: BoolArray = (sizes_C == 1) | (sizes_C == candidates.n_tasks) | (rng.random(len(sizes_C)) < share)
    losses_RCT = np.where(trained_C[:, None], table.losses_RCT[seen_R], np.nan)
    measured = LossTable(candidates, losses_RCT, tuple(map(str, range(seeds))))
    truth_CT, test_CT = (part.losses_RCT[rest_R].mean(axis=0) for part in (table, scored))
    limit = case.goals.limit_K[0]
    goals = Goals(candidates, (limit,))
    believed = Belief(candidates.members_CT).of(measured, exact=False)
    choice, argmin = goals.best(believed.mean_CT, limit, trained_C), goals.best(measured.mean_CT, limit, trained_C)
    drawn_DCT = believed.draws(_DRAWS, rng, seeds=len(rest_R))
    stated_D = np.array([_regret(goals, choice, drawn_CT) for drawn_CT in drawn_DCT])
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(stated_D, [tail, 1 - tail]).tolist()
    (random,) = random_groupings(candidates.n_tasks, int(limit), 1, rng)
    return Trial(
        case.name,
        float(stated_D.mean()),
        low,
        high,
        _regret(goals, choice, truth_CT),
        _regret(goals, argmin, truth_CT),
        _regret(goals, _as_solution(goals, random), truth_CT),
        _regret(goals, choice, test_CT),
        _regret(goals, argmin, test_CT),
    )


def _some_tasks(table: LossTable, scored: LossTable, rng: np.random.Generator) -> tuple[LossTable, LossTable]:
    """Both tables for six of their tasks at random: more tables than there are."""
    n_tasks = table.candidates.n_tasks
    chosen = np.sort(rng.permutation(n_tasks)[:_TASKS])
    others = np.setdiff1d(np.arange(n_tasks), chosen)
    rows = np.flatnonzero(~table.candidates.members_CT[:, others].any(axis=1))
    members_CT = table.candidates.members_CT[np.ix_(rows, chosen)]
    candidates = Candidates(tuple(table.tasks[t] for t in chosen), members_CT, table.candidates.cost_C[rows])
    one, other = (LossTable(candidates, part.losses_RCT[:, rows][:, :, chosen], part.seeds) for part in (table, scored))
    return one, replace(other, seeds=table.seeds)


def _as_solution(goals: Goals, grouping: Grouping) -> Solution | None:
    """A partition as an answer of the solver: the only one that may be chosen."""
    wanted = {tuple(np.isin(np.arange(goals.candidates.n_tasks), group)) for group in grouping}
    only_C = np.array([tuple(members_T) in wanted for members_T in goals.candidates.members_CT])
    return goals.best(np.where(goals.candidates.members_CT, 1.0, np.nan), goals.limit_K[0], only_C)


def _regret(goals: Goals, choice: Solution | None, losses_CT: FloatArray) -> float:
    """Mean over tasks of what a grouping loses against the best of a table."""
    best = goals.best(losses_CT, goals.limit_K[0])
    assert choice is not None
    assert best is not None
    n_tasks = losses_CT.shape[1]
    served = losses_CT[choice.chosen[choice.serves_T], np.arange(n_tasks)].mean()
    return float(served - best.objective / n_tasks)


def _summary(trials: list[Trial]) -> dict[str, Any]:
    inside = np.array([t.low - 1e-12 <= t.realised <= t.high + 1e-12 for t in trials])
    tables = list(dict.fromkeys(t.table for t in trials))
    per_table = [float(np.mean([i for i, t in zip(inside, trials, strict=True) if t.table == name])) for name in tables]
    means = {
        name: float(np.nanmean([getattr(t, name) for t in trials]))
        for name in ("stated", "realised", "realised_argmin", "realised_random", "test", "test_argmin")
    }
    error = float(np.std(per_table, ddof=1) / np.sqrt(len(per_table)))
    return {
        "covered": float(inside.mean()),
        "error": error,
        "tables": dict(zip(tables, per_table, strict=True)),
        **means,
    }


def markdown(data: dict[str, Any]) -> str:
    """The results for people."""
    lines = [
        "# Stated regret",
        "",
        f"{data['tables']} complete tables of retrained networks (`results/lattices`), {data['repeats']} searches of",
        "each and regime on six of their tasks at random. Stated: from the seeds seen. Realised: on the mean of",
        "the other seeds, which is noisy too; the stated interval has that noise added. The model's form (logarithms,",
        "luck that a seed brings to networks that are alike) and its prior were settled while looking at these",
        "tables; its variances are fitted anew in every search. Percent of a single-task loss, mean over tasks;",
        "argmin: the best on measured means; random: a random partition into as many networks.",
        "",
        "| seeds | groups | 90 % covers (± SE, tables) | stated | realised | argmin | random | test | test argmin |",
        "| --- |" + " --- |" * 8,
    ]
    for row in data["regimes"]:
        shown = ("stated", "realised", "realised_argmin", "realised_random", "test", "test_argmin")
        cells = [f"{100 * row[name]:.2f}" for name in shown]
        covered = f"{row['covered']:.1%} ± {row['error']:.1%}"
        lines.append(f"| {row['seeds']} | {row['share']:.0%} | {covered} | {' | '.join(cells)} |")
    made = f"Made by `python -m tests.benchmarks.regret`, commit {data['commit']}, {data['date']}, {data['machine']}."
    return "\n".join([*lines, "", made, ""])
