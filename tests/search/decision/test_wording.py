"""What a user is told to do where nothing could be told apart."""

from __future__ import annotations

import math

import pytest

from grouping.evidence import Interval
from search.decision.wording import _what_would_decide

GENERAL = "More fresh seeds (evidence.seeds) or more test rows would narrow the intervals."


@pytest.mark.parametrize(
    "against_random",
    [
        None,
        Interval(0.004, 0.01, 4.0, 5),  # the choice seems worse
        Interval(-0.05, 0.01, 4.0, 5),  # it is better beyond doubt: something else was open
        Interval(-0.01, math.inf, 1.0, 1),
    ],
)
def test_without_an_open_gain_there_is_only_general_advice(against_random: Interval | None) -> None:
    assert _what_would_decide(against_random) == GENERAL


def test_an_open_gain_is_told_with_the_seeds_that_would_show_it() -> None:
    text = _what_would_decide(Interval(-0.02, 0.01, 4.0, 5))
    assert "gains 2.0% over random groupings" in text
    assert "a run with 12 fresh seeds (evidence.seeds) would show it in 8 of 10 cases" in text


def test_where_rows_carry_the_error_more_seeds_are_not_advised() -> None:
    text = _what_would_decide(Interval(-0.02, 0.01, 4.0, 5, of_seeds=0.2))
    assert "more fresh seeds would hardly show it: it takes more test rows" in text
