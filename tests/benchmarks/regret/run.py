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
from grouping.evidence.stated_regret import REGRET_CONFIDENCE, TAIL, TAIL_UNTRAINED
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
_TASKS, _DRAWS = 6, 100
_TITLES = (
    *("seeds", "groups", "searches", "covers (± SE, tables)", "model", "left out"),
    *("stated", "realised", "argmin", "random", "test", "test argmin"),
)
_TAILS = np.array([0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.06, 0.08, 0.1])


@dataclass(frozen=True)
class Trial:
    """What one search said and what came of it, in mean relative loss."""

    table: str
    stated: float
    tail: float
    untrained: bool
    realised: float
    realised_argmin: float
    realised_random: float
    test: float
    test_argmin: float


def main() -> None:
    """Every regime on every table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.regret", description=__doc__)
    parser.add_argument("--repeats", type=int, default=12, help="searches of every table and regime")
    parser.add_argument("--shares", type=float, nargs="*", help="of groups; the other regimes stay as they are")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    path: Path = asked.output / "regret.json"
    earlier = json.loads(path.read_text("utf-8"))["regimes"] if path.exists() else []
    cases = lattices()
    found: dict[tuple[int, float], list[Trial]] = {}
    for seeds, share in [(s, share) for s, share in REGIMES if share in (asked.shares or [share])]:
        found[seeds, share] = [
            _trial(case, seeds, share, np.random.default_rng([seeds, int(100 * share), place, repeat]))
            for place, case in enumerate(cases)
            for repeat in range(asked.repeats)
        ]
        sys.stderr.write(f"{seeds} seeds, {share:.0%} of the groups\n")
    rows = [row for row in earlier if (row["seeds"], row["share"]) not in found]
    for (seeds, share), trials in found.items():
        alike = [t for (_, other), them in found.items() for t in them if other == share]
        rows.append({"seeds": seeds, "share": share, "repeats": asked.repeats, **_summary(trials, alike), **facts()})
    rows.sort(key=lambda row: REGIMES.index((row["seeds"], row["share"])))
    data = {"tables": len(cases), "regimes": rows}
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
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
    realised = _regret(goals, choice, truth_CT)
    (random,) = random_groupings(candidates.n_tasks, int(limit), 1, rng)
    return Trial(
        case.name,
        float(stated_D.mean()),
        _inside_up_to(stated_D, realised),
        bool(not trained_C.all()),
        realised,
        _regret(goals, argmin, truth_CT),
        _regret(goals, _as_solution(goals, random), truth_CT),
        _regret(goals, choice, test_CT),
        _regret(goals, argmin, test_CT),
    )


def _inside_up_to(stated_D: FloatArray, realised: float) -> float:
    """The largest tail whose interval of draws holds the realised regret; negative where none does."""
    for tail in _TAILS[::-1]:
        low, high = np.quantile(stated_D, [tail, 1 - tail]).tolist()
        if low - 1e-12 <= realised <= high + 1e-12:
            return float(tail)
    return -1.0


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


def _summary(trials: list[Trial], partial: list[Trial]) -> dict[str, Any]:
    """Of one regime; ``partial`` are the searches of all regimes like it, that tails are learnt from."""
    inside = np.array([t.tail >= (TAIL_UNTRAINED if t.untrained else TAIL) for t in trials])
    own = np.array([t.tail >= TAIL for t in trials])
    learnt = {
        name: _tail([t for t in partial if _data_set(t) != name]) for name in dict.fromkeys(map(_data_set, trials))
    }
    left_out = np.array([t.tail >= learnt[_data_set(t)] for t in trials])
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
        "covered_by_model": float(own.mean()),
        "covered_left_out": float(left_out.mean()),
        "tails": learnt,
        "tables": dict(zip(tables, per_table, strict=True)),
        **means,
    }


def _data_set(trial: Trial) -> str:
    return trial.table.split()[0]


def _tail(trials: list[Trial]) -> float:
    """The tail with which the interval would have held the realised regret in 90 % of searches, or nearly."""
    covered = np.array([np.mean([t.tail >= tail for t in trials]) for tail in _TAILS])
    return float(_TAILS[np.abs(covered - REGRET_CONFIDENCE).argmin()])


def markdown(data: dict[str, Any]) -> str:
    """The results for people."""
    lines = [
        "# Stated regret",
        "",
        f"{data['tables']} complete tables of retrained networks (`results/lattices`), several searches of",
        "each and regime on six of their tasks at random. Stated: from the seeds seen. Realised: on the mean of",
        "the other seeds, which is noisy too; the stated interval has that noise added. The model's form (logarithms,",
        "luck that a seed brings to networks that are alike) and its prior were settled while looking at these",
        "tables; its variances are fitted anew in every search. Percent of a single-task loss, mean over tasks;",
        "argmin: the best on measured means; random: a random partition into as many networks.",
        "",
        f"Covers: the interval of the reports, whose tails hold {TAIL_UNTRAINED:.1%} of draws each where rivals were",
        f"not trained, and {TAIL:.0%} where all were. Model: with {TAIL:.0%} in any case. Left out: with the tail that",
        "would have covered 90 % on the tables of the other data sets, none of the table's own.",
        "",
        "| " + " | ".join(_TITLES) + " |",
        "| --- |" + " --- |" * (len(_TITLES) - 1),
    ]
    for row in data["regimes"]:
        shown = ("stated", "realised", "realised_argmin", "realised_random", "test", "test_argmin")
        cells = [f"{100 * row[name]:.2f}" for name in shown]
        covered = f"{row['covered']:.1%} ± {row['error']:.1%}"
        searches = row["repeats"] * data["tables"]
        others = " | ".join(
            f"{row[name]:.1%}" if name in row else "" for name in ("covered_by_model", "covered_left_out")
        )
        lines.append(
            f"| {row['seeds']} | {row['share']:.0%} | {searches} | {covered} | {others} | {' | '.join(cells)} |"
        )
    commits = dict.fromkeys(f"commit {row['commit']}, {row['date']}, {row['machine']}" for row in data["regimes"])
    made = f"Made by `python -m tests.benchmarks.regret`; {'; '.join(commits)}."
    return "\n".join([*lines, "", made, ""])
