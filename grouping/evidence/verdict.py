"""One plain verdict: does it matter which tasks share, or only how big the networks are, or how many, or nothing?

Rules and thresholds were fixed on planted tables before any real data set was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grouping.evidence.intervals import Interval

__all__ = ["FEWEST_SEEDS", "VERDICT_CONFIDENCE", "Comparisons", "Judgement", "Verdict", "verdict"]

Verdict = Literal["grouping", "capacity", "separation", "noise", "unsure"]

FEWEST_SEEDS = 3
"""With fewer fresh seeds the verdict is "unsure", whatever the numbers."""

VERDICT_CONFIDENCE = 0.97
"""A verdict rests on wider intervals than the 95 % that tables show: noise may name a winner in either of two ways
(the wide network, the split), so each way gets half of the 5 %, less what small samples and skewed rows cost."""


@dataclass(frozen=True)
class Comparisons:
    """Differences of relative test losses, "first minus second"; negative: the first one is better.

    None: the two are the same networks, there is no second one, or it was not trained. Where the budget is that of one
    standard network, ``wide`` and ``all_in_one`` are the same interval and ``widening`` is None.

    Args:
        random: Chosen minus the mean of random groupings of the same cost and sizes (``compare_with_random``); of other
            sizes they would differ by crowding alone.
        wide: Chosen minus one network for all tasks, as wide as the budget.
        widening: That wide network minus one standard network for all tasks.
        all_in_one: Chosen minus one standard network for all tasks.
        independent: Chosen minus one network per task at the same summed cost.
        ensemble: Chosen minus an ensemble of all-in-one networks of the same cost.
    """

    random: Interval | None = None
    wide: Interval | None = None
    widening: Interval | None = None
    all_in_one: Interval | None = None
    independent: Interval | None = None
    ensemble: Interval | None = None


@dataclass(frozen=True)
class Judgement:
    """The verdict in one word, and for users in plain English with the numbers it rests on."""

    verdict: Verdict
    text: str


_NAMES = {
    "random": "the chosen grouping against random groupings of the same cost",
    "wide": "against one network as wide as the budget",
    "widening": "that wide network against one standard network for all tasks",
    "all_in_one": "the chosen grouping against one standard network for all tasks",
    "independent": "against independent networks of the same cost",
    "ensemble": "against an ensemble of the same cost",
}


def verdict(comparisons: Comparisons, *, tasks: int, networks: int, seeds: int, by_rows: bool = True) -> Judgement:
    """Judge the confirmed numbers.

    "Better" and "worse" mean beyond the 97 % interval, "open" neither, "-" that there is no such comparison; an empty
    cell may be anything. The first row that fits decides:

    ==============  =============  ==========  ========  ===========================================================
    networks        chosen         chosen      wide vs   verdict
    chosen          vs random      vs wide     standard
    ==============  =============  ==========  ========  ===========================================================
    (one task)                                           noise: nothing to group
    (under 3 seeds)                                      unsure
    (some error unknown)                                 unsure: a single cluster of test rows or random grouping
    any             better         better                grouping (with one network: all tasks should share it)
    two or more     not better, -  better                separation; says so where random ones are even better
    any                            open, worse  better   capacity; says so where the wide network beats the choice
    one                            -            better   capacity: the choice is the wide network
    any             better                               noise: beats random ones, but not the wide network
    any                            worse                 noise: the wide network beats the choice
    any             worse                                noise: random groupings beat the choice
    one                            better                noise: the smaller single network beats the wide one
    any                                                  noise
    ==============  =============  ==========  ========  ===========================================================

    Whatever the verdict, every alternative that beats the choice beyond the interval is named.

    Measured on planted tables (``tests/grouping/evidence/planted.py``: 2 to 8 tasks, 10 to 400 clusters of rows, 10
    random groupings, noise of seeds, clusters and rows in several mixtures, the skewed ones with unequal clusters and
    missing labels; 1,000 experiments a design):

    - Pure noise: 0.9 to 4.4 % of the verdicts are not "noise" (3, 5 and 10 seeds; worst: 10 skewed clusters that carry
      all of the noise; 3 seeds that carry all of it: 3.2 %), of them at most 0.6 % "grouping".
    - The 95 % intervals of ``relative_loss``, ``compare`` and ``compare_with_random`` cover the truth in 93 to 98 %
      (conservative where seeds and rows both matter; 93 % for 3 seeds that carry all of the noise).
    - Planted effects of 2 / 3 / 5 % of the loss, where an interval is some 3.5 % wide (5 seeds): "grouping" is found in
      51 / 91 / 100 %, "capacity" in 50 / 85 / 99 %, "separation" in 53 / 90 / 99 %. Skewed rows: 5 % effects are
      found in 91 to 94 %. Three seeds: 5 % effects in 88 to 91 %.
    - What is not found is called noise, rarely another effect: a planted grouping is called separation in at most
      10 % (2 %, 3 seeds), a planted separation or capacity is called grouping in at most 1.3 %.

    These figures are of variances over seeds that each comparison had from itself. That against random groupings learns
    from them too by now, and finds a little more (``results/benchmarks/evidence.md``: false verdicts and power).

    Args:
        comparisons: Intervals on fresh seeds and test rows.
        tasks: Number of main tasks.
        networks: Number of networks chosen.
        seeds: Number of fresh seeds.
        by_rows: Whether intervals are over test rows too.
    """
    found = {name: interval.at(VERDICT_CONFIDENCE) for name, interval in vars(comparisons).items() if interval}
    if tasks == 1:
        return Judgement("noise", "There is one task, so there is nothing to group.")
    if seeds < FEWEST_SEEDS:
        text = (
            f"Unsure: {seeds} fresh seed{'s' * (seeds != 1)} cannot tell a gain from noise, {FEWEST_SEEDS} or more can."
        )
        return Judgement("unsure", text)
    if any(not interval.bounded for interval in found.values()):
        text = "Unsure: the test rows or the random groupings are too few to know the error; give more of them."
        return Judgement("unsure", text)
    word, headline = _rule(found, networks)
    return Judgement(word, f"{headline}{_numbers(found, seeds, by_rows)}{_beaten(found, networks)}")


def _rule(found: dict[str, Interval], networks: int) -> tuple[Verdict, str]:
    """The first row of the table that fits, and its headline."""
    better = {name for name, interval in found.items() if interval.below}
    worse = {name for name, interval in found.items() if interval.above}
    one = networks == 1
    if {"random", "wide"} <= better:
        who = "one network for all of them" if one else "the chosen grouping"
        return (
            "grouping",
            f"Which tasks share matters: {who} beats random groupings and a wide network of the same cost.",
        )
    if "wide" in better and not one:
        if "random" in worse:
            tail = "; random groupings of the same cost do even better than the choice"
        elif "random" in found:
            tail = "; that the choice beats random groupings of the same cost is not shown"
        else:
            tail = "; there is no other way to split them to compare with"
        return "separation", f"Separation matters: splitting the tasks beats one wide network{tail}."
    if "widening" in better and "wide" not in better and ("wide" in found or one):
        if "wide" in worse:
            tail = "and beats the choice too"
        elif "wide" in found:
            tail = "and the choice does no better than it"
        else:
            tail = "and it is what was chosen"
        return "capacity", f"Only capacity matters: one network as wide as the budget beats a standard one, {tail}."
    if "random" in better:
        tail = "but not one wide network of the same cost" if "wide" in found else "but no wide network to compare with"
        tail = "but it is itself one network for all" if one and "wide" not in found else tail
        return "noise", f"No winner: the choice beats random groupings, {tail}."
    if "wide" in worse:
        return "noise", "No gain from grouping: one network as wide as the budget beats the choice."
    if "random" in worse:
        return "noise", "No gain from this choice: random groupings of the same cost beat it on the test rows."
    if "wide" in better:
        return "noise", "Nothing to gain from width: the choice, one network for all, beats one as wide as the budget."
    if one:
        return "noise", "Within noise: the choice is one network for all tasks, and nothing is distinguishable from it."
    return "noise", "Within noise: no grouping is distinguishable here."


def _numbers(found: dict[str, Interval], seeds: int, by_rows: bool) -> str:
    """The differences that the rules look at, with their intervals."""
    shown = [f"{_NAMES[name]} {_percent(found[name])}" for name in ("random", "wide", "widening") if name in found]
    if not shown:
        return ""
    lead = "the chosen grouping " if "random" not in found and "wide" in found else ""
    text = f"{lead}{', '.join(shown)}"
    over = f"{seeds} fresh seeds and the test rows" if by_rows else f"{seeds} fresh seeds"
    return (
        f" {text[0].upper()}{text[1:]}; percent of the single-task loss, negative is better,"
        f" {100 * VERDICT_CONFIDENCE:g} % intervals over {over}."
    )


def _beaten(found: dict[str, Interval], networks: int) -> str:
    """A warning that names every alternative that beats the choice beyond its interval."""
    names = {
        "random": "random groupings of the same cost",
        "wide": "one network as wide as the budget",
        "all_in_one": "one standard network for all tasks",
        "independent": "independent networks of the same cost",
        "ensemble": "an ensemble of the same cost",
    }
    beaten = [
        f"{text} ({_percent(found[name])})" for name, text in names.items() if name in found and found[name].above
    ]
    what = "choice" if networks == 1 else "chosen grouping"
    return f" Beware: the {what} is worse than {' and '.join(beaten)}." if beaten else ""


def _percent(interval: Interval) -> str:
    """``-1.6 % (-2.3 to -0.9)``, with a second digit where everything is below 1 %."""
    mean, low, high = (100 * value for value in (interval.mean, interval.low, interval.high))
    digits = 1 if max(abs(low), abs(high)) >= 1 else 2
    return f"{mean:+.{digits}f} % ({low:+.{digits}f} to {high:+.{digits}f})"
