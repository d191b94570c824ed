"""How often the choice on the weather tables is found better than random groupings; writes ``winners.md``.

The choice is made on expected losses of every group from three seeds, and confirmed with the five others on the test
part: with the interval of the reports (moderated by the random groupings), and with one from the choice's own seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from grouping.candidates import FloatArray
from grouping.evidence import ExpectedLosses, Interval, TestLosses, compare, compare_with_random
from grouping.solver.baselines import Grouping, random_groupings
from tests.benchmarks.halving.run import facts
from tests.benchmarks.replay.cases import Case, lattices
from tests.benchmarks.startup import RESULTS
from tests.benchmarks.stopping.run import RANDOM, SEEN, routed, scored

__all__ = ["main"]


def main() -> None:
    """Every setting of the weather tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.stopping.winners", description=__doc__)
    parser.add_argument("--repeats", type=int, default=6, help="choices of every setting")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    rows = [_row(case, asked.repeats) for case in lattices() if case.name.startswith("nyc_weather")]
    data = {"settings": rows, **facts()}
    (asked.output / "winners.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "winners.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _row(case: Case, repeats: int) -> dict[str, Any]:
    pairs = [_confirmed(case, np.random.default_rng([7, repeat])) for repeat in range(repeats)]
    found = [pair for pair in pairs if pair is not None]
    mean = float(np.mean([one.mean for one, _ in found]))
    error = float(np.sqrt(np.mean([one.error**2 for one, _ in found])))
    return {
        "table": case.name,
        "choices": repeats,
        "gain": -mean,
        "error": error,
        "won": sum(one.below for one, _ in found) / repeats,
        "won_by_own": sum(own.below for _, own in found) / repeats,
        "seeds": Interval(mean, error, 1e6, found[0][0].n).seeds_to_find(),
    }


def _confirmed(case: Case, rng: np.random.Generator) -> tuple[Interval, Interval] | None:
    """Against the mean of ten random groupings of the choice's sizes; None where it is one network."""
    assert case.scored is not None
    order = rng.permutation(len(case.table.seeds)).tolist()
    rows, rest = order[:SEEN], order[SEEN:]
    shown = replace(case.table, losses_RCT=case.table.losses_RCT[rows], seeds=tuple(case.table.seeds[r] for r in rows))
    every_C = np.ones(len(shown.candidates), dtype=bool)
    choice = case.goals.best(ExpectedLosses(shown, every_C).of(shown), case.goals.limit_K[0])
    assert choice is not None
    sizes = tuple(sorted(int(n) for n in np.bincount(choice.serves_T) if n))
    if len(sizes) < 2:
        return None
    n_tasks, losses_RCT = shown.candidates.n_tasks, case.scored.losses_RCT[rest]

    def of(grouping: Grouping) -> TestLosses:
        return scored(losses_RCT, routed(grouping, shown.candidates))

    mine, alone = scored(losses_RCT, choice.chosen[choice.serves_T]), of(tuple((t,) for t in range(n_tasks)))
    others = [of(grouping) for grouping in random_groupings(n_tasks, len(sizes), RANDOM, rng, sizes=sizes)]
    weights_T: FloatArray = np.full(n_tasks, 1 / n_tasks)
    average = TestLosses(np.mean([other.sums_RTG for other in others], axis=0), mine.counts_TG)
    return (
        compare_with_random(mine, others, alone, weights_T, possible=len(others)),
        compare(mine, average, alone, weights_T),
    )


def markdown(data: dict[str, Any]) -> str:
    """The results for people."""
    rows = data["settings"]
    text = [
        "# How many seeds a winner takes",
        "",
        "Weather tables (`results/lattices`), chosen on expected losses of every group from 3 seeds, confirmed with",
        "the 5 others on the test part against ten random groupings of the choice's sizes. Gain: percent of a",
        "single-task loss. Found: the 95 % interval of the reports, whose variance over seeds is moderated by those of",
        "the random groupings; own: from the choice's seeds alone. Over seeds only: test rows are the same. Seeds:",
        "fresh ones that would find the mean gain in 8 of 10 cases, calculated from the mean error.",
        "",
        "| | choices | gain | error with 5 seeds | found | own | seeds |",
        "| --- |" + " --- |" * 6,
    ]
    for row in rows:
        shares = " | ".join(f"{row[name]:.0%}" for name in ("won", "won_by_own"))
        sizes = " | ".join(f"{100 * row[name]:.2f}" for name in ("gain", "error"))
        text.append(f"| {row['table']} | {row['choices']} | {sizes} | {shares} | {row['seeds']} |")
    means = " | ".join(f"{np.mean([row[name] for row in rows]):.0%}" for name in ("won", "won_by_own"))
    made = (
        f"Made by `python -m tests.benchmarks.stopping.winners`, commit {data['commit']}, {data['date']}, "
        f"{data['machine']}."
    )
    return "\n".join([*text, f"| mean | | | | {means} | |", "", made, ""])


if __name__ == "__main__":
    main()
