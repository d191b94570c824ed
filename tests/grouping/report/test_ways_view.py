"""What the report says about ways to share: only what the seeds show."""

from __future__ import annotations

from grouping.recommendation import WayToShare
from grouping.report.ways_view import ways_table, ways_text

WAYS = (
    WayToShare("mtan", 4, 4, 0.05, 0.02, 0.08, 3),
    WayToShare("soft", 4, 1, -0.05, -0.08, -0.02, 3),
    WayToShare("mmoe", 1, 1, 0.05, None, None, 1),
)


def test_better_worse_and_open_are_told_apart() -> None:
    text = ways_text(WAYS)
    assert "better: mtan; worse: soft; not to be told from it: mmoe." in text
    assert "worse" not in ways_text(WAYS[:1])


def test_the_table_shows_every_way() -> None:
    table = ways_table(WAYS)
    assert [row[0] for row in table.rows] == ["mtan", "soft", "mmoe"]
    assert table.rows[2][4] == "unknown with one seed"
