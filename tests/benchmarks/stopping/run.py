"""Searches that may stop after every round, on complete tables and in worlds without effects; writes ``stopping.md``.

A search sees three seeds. What it chose is compared on the other seeds' test losses with random groupings of the same
sizes; a winner is found where the 95 % interval of the reports excludes that they are as good.

Axes: ``R`` seeds, ``C`` candidates, ``T`` tasks, ``D`` draws.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from grouping.acquisition import STRATEGIES, Goals
from grouping.acquisition.strategy import Situation
from grouping.candidates import BoolArray, Candidates, FloatArray, IntArray
from grouping.evidence import TableBelief, TestLosses, compare_with_random, stated_regret
from grouping.losses import LossTable
from grouping.solver.baselines import Grouping, random_groupings
from grouping.solver.solution import Solution
from search.decision.adaptive import LEAST_TRAININGS, UNLIKELY
from tests.benchmarks.halving.run import facts
from tests.benchmarks.replay.cases import lattices
from tests.benchmarks.startup import RESULTS

__all__ = ["RANDOM", "SEEN", "main", "routed", "scored"]

SEEN, _ROUND, _WORTHWHILE, RANDOM, _DRAWS = 3, 8, 0.01, 10, 100
_NULLS = {"noise alone": 0.0, "size alone": 0.01}
_NULL_TASKS, _NULL_SEEDS, _NULL_NOISE = 6, 8, 0.02

_ABOUT = """\
Adaptive searches with {seen} seeds that may spend as many trainings as all pairs take with every seed. They stop once a
gain above {worthwhile:.0%} of a single-task loss has a chance of {unlikely:.0%} or less; the rule is asked after every
round of {round} trainings, from {least} for each task on. Spent: share of those trainings. Regret: percent of a
single-task loss, on the other seeds' validation losses, where the rule stops and at the end of the budget. Winner: the
choice beats random groupings of its sizes on the other seeds' test losses (95 %, over seeds only: test rows are the
same)."""


@dataclass(frozen=True, eq=False)
class Table:
    """What is searched and what it is judged on: relative losses on two parts with the same seeds."""

    name: str
    searched: LossTable
    judged: LossTable
    goals: Goals


@dataclass(frozen=True)
class Search:
    """One search: when it stopped, and what it had then and would have had in the end."""

    share: float
    stopped: bool
    regret: float
    regret_at_end: float
    won: bool
    won_at_end: bool


def main() -> None:
    """Complete tables first, then worlds without effects."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.stopping", description=__doc__)
    parser.add_argument("--repeats", type=int, default=10, help="searches of every setting")
    parser.add_argument("--worlds", type=int, default=200, help="worlds of each kind without effects")
    parser.add_argument("--only", metavar="NAME", help="tables whose name begins so; the others stay as they are")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    path: Path = asked.output / "stopping.json"
    earlier = json.loads(path.read_text("utf-8")) if path.exists() else {"tables": [], "nulls": []}
    known = {row["table"]: row for row in (*earlier["tables"], *earlier["nulls"])}
    chosen = asked.only or ""
    cases = lattices()
    for place, case in enumerate(cases):
        if not case.name.startswith(chosen):
            continue
        assert case.scored is not None
        table = Table(case.name, case.table, case.scored, case.goals)
        found = [_search(table, np.random.default_rng([place, repeat])) for repeat in range(asked.repeats)]
        known[case.name] = {"table": case.name, "searches": asked.repeats, **_summary(found), **facts()}
        sys.stderr.write(f"{case.name}: {known[case.name]['share']:.0%}, won {known[case.name]['won']:.0%}\n")
    for name, size_effect in _NULLS.items():
        if not name.startswith(chosen):
            continue
        found = [
            _search(_null(name, size_effect, rng), rng)
            for rng in (np.random.default_rng([len(name), world]) for world in range(asked.worlds))
        ]
        known[name] = {"table": name, "searches": asked.worlds, **_summary(found), **facts()}
    data = {"tables": [known[case.name] for case in cases], "nulls": [known[name] for name in _NULLS]}
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "stopping.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _null(name: str, size_effect: float, rng: np.random.Generator) -> Table:
    """Losses that depend on the size of a group at most, and on the seed, which all networks share."""
    groups = [g for size in range(1, _NULL_TASKS + 1) for g in combinations(range(_NULL_TASKS), size)]
    members_CT = np.array([[t in group for t in range(_NULL_TASKS)] for group in groups])
    candidates = Candidates(tuple("abcdef"), members_CT, np.ones(len(groups)))
    level_C11 = 1 + size_effect * (members_CT.sum(axis=1) - 1)[:, None]
    parts = []
    seed_R11 = 0.02 * rng.standard_normal((_NULL_SEEDS, 1, 1))
    for _ in range(2):
        noise_RCT = _NULL_NOISE * rng.standard_normal((_NULL_SEEDS, *members_CT.shape))
        losses_RCT = np.where(members_CT, level_C11 * np.exp(seed_R11 + noise_RCT), np.nan)
        parts.append(LossTable(candidates, losses_RCT, tuple(map(str, range(_NULL_SEEDS)))))
    return Table(name, parts[0], parts[1], Goals(candidates, (3.0,)))


def _search(table: Table, rng: np.random.Generator) -> Search:
    """Train in rounds; remember the choice where the rule would stop, and go on to the end of the budget."""
    goals, candidates = table.goals, table.searched.candidates
    n_tasks, limit = candidates.n_tasks, goals.limit_K[0]
    order_R = rng.permutation(len(table.searched.seeds)).tolist()
    rows, rest = order_R[:SEEN], order_R[SEEN:]
    shown = replace(
        table.searched, losses_RCT=table.searched.losses_RCT[rows], seeds=tuple(table.searched.seeds[r] for r in rows)
    )
    free_C: BoolArray = (candidates.size_C == 1) | (candidates.size_C == n_tasks)
    strategy = STRATEGIES["expected-improvement"]()
    trainings_C = np.where(free_C, SEEN, 0)
    budget = n_tasks * (n_tasks - 1) // 2 * SEEN
    spent, stop = 0, None
    best: Solution | None = None
    while True:
        situation = _situation(goals, shown, trainings_C, free_C)
        best = goals.best(strategy.judged(situation), limit, situation.trained_C)
        assert best is not None
        if stop is None and spent >= LEAST_TRAININGS * n_tasks and _unlikely(goals, situation, best, rng):
            stop = spent, best
        proposals = strategy.propose(situation, min(_ROUND, budget - spent), rng) if spent < budget else []
        if not proposals:
            break
        for c in proposals:
            trainings_C[c] += 1
        spent += len(proposals)
    at, choice = stop or (spent, best)
    truth_CT = table.searched.losses_RCT[rest].mean(axis=0)
    return Search(
        at / budget,
        stop is not None,
        _regret(goals, choice, truth_CT),
        _regret(goals, best, truth_CT),
        _wins(table, choice, rest, np.random.default_rng(rows)),
        _wins(table, best, rest, np.random.default_rng(rows)),
    )


def _situation(goals: Goals, shown: LossTable, trainings_C: IntArray, free_C: BoolArray) -> Situation:
    seen_RC = np.arange(len(shown.seeds))[:, None] < trainings_C
    measured = replace(shown, losses_RCT=np.where(seen_RC[:, :, None], shown.losses_RCT, np.nan))
    return Situation(goals, measured, ~free_C & (trainings_C < len(shown.seeds)), np.ones(len(trainings_C)))


def _unlikely(goals: Goals, situation: Situation, best: Solution, rng: np.random.Generator) -> bool:
    """The product's rule: a worthwhile gain is less likely than that."""
    belief = TableBelief(situation.measured, np.ones(len(situation.trained_C), dtype=bool))
    n_tasks = goals.candidates.n_tasks
    rules = {**goals.rules, "weights_T": [1 / n_tasks] * n_tasks}
    found = stated_regret(
        belief, best, goals.charge_C, goals.limit_K[0], rng, rules=rules, draws=_DRAWS, worthwhile=_WORTHWHILE
    )
    return found.chance <= UNLIKELY


def _wins(table: Table, choice: Solution, rest: list[int], rng: np.random.Generator) -> bool:
    """Whether the choice beats random groupings of its sizes on the judged part, beyond the 95 % interval of reports.

    Over seeds only, and against those random groupings, not all there could be.
    """
    candidates = table.judged.candidates
    served = [tuple(np.flatnonzero(choice.serves_T == g).tolist()) for g in range(len(choice.chosen))]
    sizes = tuple(sorted(len(group) for group in served if group))
    if len(sizes) < 2:
        return False
    losses_RCT = table.judged.losses_RCT[rest]
    others = random_groupings(candidates.n_tasks, len(sizes), RANDOM, rng, sizes=sizes)
    alone: Grouping = tuple((t,) for t in range(candidates.n_tasks))
    mine = scored(losses_RCT, choice.chosen[choice.serves_T])
    singles, *random = (scored(losses_RCT, routed(grouping, candidates)) for grouping in (alone, *others))
    weights_T = np.full(candidates.n_tasks, 1 / candidates.n_tasks)
    return compare_with_random(mine, random, singles, weights_T, possible=len(random)).below


def scored(losses_RCT: FloatArray, serves_T: IntArray) -> TestLosses:
    """Test losses as if of two clusters of rows that are equal: those add no variance."""
    losses_RT = losses_RCT[:, serves_T, np.arange(len(serves_T))]
    return TestLosses(np.repeat(losses_RT[:, :, None], 2, axis=2), np.ones((losses_RT.shape[1], 2)))


def routed(grouping: Grouping, candidates: Candidates) -> IntArray:
    """The candidate that serves each task where every group is trained as it is, [T]."""
    place = {members_T.tobytes(): c for c, members_T in enumerate(candidates.members_CT)}
    serves_T = np.zeros(candidates.n_tasks, np.int64)
    for group in grouping:
        serves_T[list(group)] = place[np.isin(np.arange(candidates.n_tasks), group).tobytes()]
    return serves_T


def _served(losses_RCT: FloatArray, serves_T: IntArray) -> FloatArray:
    """Mean loss over tasks as they are served, [R]."""
    mean_R: FloatArray = losses_RCT[:, serves_T, np.arange(len(serves_T))].mean(axis=1)
    return mean_R


def _regret(goals: Goals, choice: Solution, truth_CT: FloatArray) -> float:
    best = goals.best(truth_CT, goals.limit_K[0])
    assert best is not None
    n_tasks = truth_CT.shape[1]
    return float(_served(truth_CT[None], choice.chosen[choice.serves_T])[0] - best.objective / n_tasks)


def _summary(found: list[Search]) -> dict[str, float]:
    names = ("share", "stopped", "regret", "regret_at_end", "won", "won_at_end")
    return {name: float(np.mean([getattr(one, name) for one in found])) for name in names}


def markdown(data: dict[str, Any]) -> str:
    """The results for people."""
    lines = [
        "# Stopping early",
        "",
        _ABOUT.format(seen=SEEN, worthwhile=_WORTHWHILE, unlikely=UNLIKELY, round=_ROUND, least=LEAST_TRAININGS),
        "",
        "| | searches | stopped early | spent | regret | at the end | winner | at the end |",
        "| --- |" + " --- |" * 7,
    ]
    for row in (*data["tables"], *data["nulls"]):
        regrets = (f"{100 * row[name]:.2f}" for name in ("regret", "regret_at_end"))
        shares = (f"{row[name]:.0%}" for name in ("won", "won_at_end"))
        head = f"{row['searches']} | {row['stopped']:.0%} | {row['share']:.0%}"
        lines.append(f"| {row['table']} | {head} | {' | '.join(regrets)} | {' | '.join(shares)} |")
    rows = (*data["tables"], *data["nulls"])
    commits = dict.fromkeys(f"commit {row['commit']}, {row['date']}, {row['machine']}" for row in rows)
    made = f"Made by `python -m tests.benchmarks.stopping`; {'; '.join(commits)}."
    return "\n".join([*lines, "", "In the nulls every winner is a false one.", "", made, ""])
