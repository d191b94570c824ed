"""The verdict: every row of its table, honest sentences, and how often it is right on planted tables."""

from __future__ import annotations

import re
from collections import Counter
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping import recommendation
from grouping.evidence import Comparisons, Interval, Judgement, Verdict, compare, compare_with_random, verdict
from tests.grouping.evidence.planted import Design, planted

BETTER = Interval(-0.05, 0.005, 8, 5)
OPEN = Interval(-0.002, 0.005, 8, 5)
WORSE = Interval(0.05, 0.005, 8, 5)
UNKNOWN = Interval(-0.05, float("inf"), 1, 5)


def judge(
    random: Interval | None = None,
    wide: Interval | None = None,
    widening: Interval | None = None,
    *,
    networks: int = 3,
    seeds: int = 5,
    **others: Interval,
) -> Judgement:
    return verdict(Comparisons(random, wide, widening, **others), tasks=6, networks=networks, seeds=seeds)


@pytest.mark.parametrize(
    ("judgement", "expected", "headline"),
    [
        (judge(BETTER, BETTER, OPEN), "grouping", "the chosen grouping beats random groupings and a wide"),
        (judge(BETTER, BETTER, BETTER), "grouping", "Which tasks share matters"),
        (judge(BETTER, BETTER, WORSE, networks=1), "grouping", "one network for all of them beats random"),
        (judge(OPEN, BETTER, BETTER), "separation", "beats random groupings of the same cost is not shown"),
        (judge(WORSE, BETTER, OPEN), "separation", "do even better than the choice"),
        (judge(None, BETTER, OPEN), "separation", "no other way to split them"),
        (judge(OPEN, OPEN, BETTER), "capacity", "the choice does no better than it"),
        (judge(BETTER, OPEN, BETTER), "capacity", "the choice does no better than it"),
        (judge(OPEN, WORSE, BETTER), "capacity", "and beats the choice too"),
        (judge(None, None, BETTER, networks=1), "capacity", "it is what was chosen"),
        (judge(None, OPEN, BETTER, networks=1), "capacity", "the choice does no better than it"),
        (judge(BETTER, OPEN, OPEN), "noise", "beats random groupings, but not one wide network"),
        (judge(BETTER, None, BETTER), "noise", "but no wide network to compare with"),
        (judge(BETTER, None, OPEN, networks=1), "noise", "it is itself one network for all"),
        (judge(OPEN, WORSE, OPEN), "noise", "one network as wide as the budget beats the choice"),
        (judge(WORSE, OPEN, OPEN), "noise", "random groupings of the same cost beat it"),
        (judge(None, BETTER, WORSE, networks=1), "noise", "Nothing to gain from width"),
        (judge(None, None, OPEN, networks=1), "noise", "one network for all tasks, and nothing is distinguishable"),
        (judge(OPEN, OPEN, OPEN), "noise", "no grouping is distinguishable here"),
        (judge(OPEN, OPEN, None), "noise", "no grouping is distinguishable here"),
        (judge(), "noise", "no grouping is distinguishable here"),
        (judge(BETTER, BETTER, BETTER, seeds=2), "unsure", "2 fresh seeds cannot tell"),
        (judge(BETTER, BETTER, BETTER, seeds=1), "unsure", "1 fresh seed cannot tell"),
        (judge(BETTER, UNKNOWN, BETTER), "unsure", "too few to know the error"),
    ],
)
def test_every_row_of_the_table(judgement: Judgement, expected: Verdict, headline: str) -> None:
    assert judgement.verdict == expected
    assert headline in judgement.text


def test_one_task_leaves_nothing_to_group() -> None:
    assert verdict(Comparisons(), tasks=1, networks=1, seeds=1) == Judgement(
        "noise", "There is one task, so there is nothing to group."
    )


def test_the_sentence_carries_the_numbers_in_percent_with_their_intervals() -> None:
    text = judge(Interval(-0.016, 0.002, 8, 5), Interval(-0.031, 0.004, 8, 5), OPEN).text
    assert "random groupings of the same cost -1.6 % (-2.1 to -1.1)" in text
    assert "as wide as the budget -3.1 % (-4.2 to -2.0)" in text
    assert "97 % intervals over 5 fresh seeds" in text


def test_small_differences_get_a_second_digit() -> None:
    assert "-0.20 % (-0.31 to -0.09)" in judge(Interval(-0.002, 0.0004, 8, 5)).text


intervals = st.none() | st.builds(Interval, st.floats(-0.1, 0.1), st.floats(0, 0.05), st.floats(1, 30), st.just(5))


@given(intervals, intervals, intervals, intervals, intervals, st.integers(1, 6), st.integers(1, 8))
def test_no_comparison_is_silently_lost_and_noise_never_gets_a_winner(
    random: Interval | None,
    wide: Interval | None,
    widening: Interval | None,
    independent: Interval | None,
    ensemble: Interval | None,
    networks: int,
    seeds: int,
) -> None:
    comparisons = Comparisons(random, wide, widening, independent=independent, ensemble=ensemble)
    found = verdict(comparisons, tasks=6, networks=networks, seeds=seeds)
    sure = seeds >= 3
    assert (found.verdict == "unsure") == (not sure)
    if sure:
        lost = [i for i in (random, wide, independent, ensemble) if i is not None and i.at(0.97).above]
        assert len(re.findall(r"%", found.text.partition("Beware")[2])) == len(lost)
    if found.verdict == "grouping":
        assert random is not None
        assert wide is not None
        assert random.at(0.97).below
        assert wide.at(0.97).below
    if found.verdict == "capacity":
        assert widening is not None
        assert widening.at(0.97).below
    if found.verdict in ("noise", "unsure"):
        assert not re.search("matters", found.text)


def test_an_alternative_that_beats_the_choice_is_named() -> None:
    text = judge(BETTER, BETTER, OPEN, ensemble=WORSE, all_in_one=WORSE, independent=OPEN).text
    assert "Beware: the chosen grouping is worse than one standard network for all tasks (+5.0 %" in text
    assert "and an ensemble of the same cost (+5.0 %" in text
    assert "independent" not in text


def test_the_verdicts_are_those_a_recommendation_knows() -> None:
    assert get_args(Verdict) == get_args(recommendation.Verdict)


def verdicts(design: Design, levels: tuple[float, float, float, float], repetitions: int) -> Counter[str]:
    """Verdicts where the true losses of chosen, random, wide and standard all-in-one networks are ``levels``."""
    rng = np.random.default_rng(0)
    chosen, random, wide, one = levels
    weights_T = np.ones(design.tasks)
    found: Counter[str] = Counter()
    for _ in range(repetitions):
        reference, a, w, o, *randoms = planted(design, [chosen, wide, one, *[random] * 6], rng)
        comparisons = Comparisons(
            random=compare_with_random(a, randoms, reference, weights_T),
            wide=compare(a, w, reference, weights_T),
            widening=compare(w, o, reference, weights_T),
        )
        found[verdict(comparisons, tasks=design.tasks, networks=3, seeds=design.seeds).verdict] += 1
    return found


@pytest.mark.parametrize(
    "design",
    [
        Design(),
        Design(seeds=3, cluster=0, row=0, clusters=10),
        Design(seed=0, row=0, cluster=0.1, clusters=10, skewed=True),
    ],
    ids=["everything-noisy", "three-noisy-seeds", "few-skewed-clusters"],
)
def test_pure_noise_gives_at_most_five_percent_false_winners(design: Design) -> None:
    found = verdicts(design, (1.02, 1.02, 1.02, 1.02), 1000)
    assert 1000 - found["noise"] <= 50


@pytest.mark.parametrize(
    ("truth", "levels"),
    [
        ("grouping", (0.95, 1.0, 1.0, 1.0)),
        ("grouping", (0.90, 0.95, 0.95, 1.0)),
        ("capacity", (0.95, 0.95, 0.95, 1.0)),
        ("capacity", (0.95, 1.0, 0.95, 1.0)),
        ("capacity", (1.0, 1.0, 0.9, 1.0)),
        ("separation", (0.95, 0.95, 1.0, 1.0)),
        ("separation", (0.85, 0.85, 0.95, 1.0)),
    ],
)
@pytest.mark.parametrize("skewed", [False, True])
def test_planted_effects_of_five_percent_are_found(
    truth: str, levels: tuple[float, float, float, float], skewed: bool
) -> None:
    assert verdicts(Design(skewed=skewed), levels, 100)[truth] >= 85
