"""The knee of a frontier, and which points nothing beats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grouping.report.knee import dominated, knee

POINTS = st.lists(st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float)), max_size=12)


def test_the_knee_is_where_most_is_won_for_the_least() -> None:
    assert knee([(1, 1.0), (2, 0.5), (3, 0.45), (4, 0.44)]) == 1
    assert knee([(1, 1.0)]) == 0
    assert knee([(1, 1.0), (2, 1.0)]) == 0
    assert knee([(1, 3.0), (2, 2.0), (3, 1.0)]) == 0  # a straight line has none: the cheapest stands


@given(POINTS)
def test_a_point_is_dominated_where_another_is_no_worse_in_both_and_better_in_one(
    points: list[tuple[float, float]],
) -> None:
    expected = [
        any(other != (cost, loss) and other[0] <= cost and other[1] <= loss for other in points)
        for cost, loss in points
    ]
    assert dominated(points) == expected
