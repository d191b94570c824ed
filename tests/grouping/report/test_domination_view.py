"""The sentence on who dominates: a name only where one does, a cure only where it is sure."""

from __future__ import annotations

from grouping.recommendation import Conflict, Cure, Domination, TaskShare
from grouping.report.domination_view import domination_blocks, domination_text

TASKS = (
    TaskShare("a", (0.6, 0.5, 0.7), (0.7, 0.6, 0.8), 0.8, 0.5),
    TaskShare("b", (0.4, 0.3, 0.5), (0.3, 0.2, 0.4), 0.2, 0.5),
)
CONFLICTS = (Conflict("a", "b", 0.4),)


def text(dominant: tuple[str, ...], *cures: Cure) -> str:
    return domination_text(Domination(TASKS, dominant, CONFLICTS, cures)).replace("\N{NO-BREAK SPACE}", " ")


def test_a_dominant_task_is_named_with_its_share() -> None:
    assert text(("a",)).startswith(
        "One network of all tasks is dominated by a (70 % of the gradient); a fair share is 50 %."
    )


def test_the_largest_share_is_named_where_nobody_dominates() -> None:
    assert "the largest share of the gradient is that of a, 70 %" in text(())
    assert "point apart most often for a and b: at 40 % of steps" in text(())


def test_only_a_sure_gain_is_called_a_cure() -> None:
    sure, open_ = Cure("pcgrad", (0.1, 0.05, 0.15), (0.1, 0.05, 0.15)), Cure("dwa", (0.1, -0.1, 0.3), (0.1, -0.1, 0.3))
    assert "Balancing by pcgrad lowers the mean loss" in text(("a",), sure, open_)
    assert "Balancing (dwa) does not surely lower" in text(("a",), open_)
    assert "Balancing" not in text(("a",))


def test_nothing_is_shown_where_nobody_looked() -> None:
    assert domination_blocks(None) == ()
