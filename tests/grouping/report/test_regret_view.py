"""The sentence on regret: right grammar in every case, and no certainty from some hundred draws."""

from __future__ import annotations

from grouping.recommendation import Regret
from grouping.report.regret_view import regret_text


def said(best: float, high: float = 0.02, *, untrained: bool = False) -> str:
    # Numbers keep their units on their line by spaces that do not break.
    return regret_text(Regret(0.01, 0.002, high, best, 200, 50, untrained)).replace("\N{NO-BREAK SPACE}", " ")


def test_it_says_by_how_much_and_how_likely() -> None:
    text = said(0.25)
    assert text.startswith("If all losses were known exactly, the best grouping of 50 networks would be better")
    assert "by 1.00 % on average, and by 0.20 % to 2.00 %" in text
    assert text.endswith("The chance that none is better is 25 %.")


def test_untrained_rivals_are_named() -> None:
    assert "of 50 networks, trained or not, would be better" in said(0.5, untrained=True)


def test_no_chance_is_none_and_none_is_certain() -> None:
    assert "is below 1 %." in said(0.0)
    assert "is above 99 %." in said(1.0)


def test_nothing_to_lose_is_said_plainly() -> None:
    assert said(1.0, high=0.0).startswith("No grouping of 50 networks is expected to be better than this one.")
