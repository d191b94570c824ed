"""How much longer a run takes: the prediction first, what is measured later; never more than there is to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.pace import Forecast, about

SECONDS = st.floats(0.01, 1e6)


@given(st.integers(1, 10_000), SECONDS, SECONDS, st.integers(0, 1000))
def test_at_the_predicted_pace_the_rest_takes_its_share(
    trainings: int, seconds: float, before: float, done: int
) -> None:
    seen = Forecast(trainings, seconds, done, before)
    assert seen.left(done + trainings, done, before) == pytest.approx(seconds)
    half = trainings // 2
    worked = before + seconds * half / trainings
    assert seen.left(done + trainings, done + half, worked) == pytest.approx(seconds * (trainings - half) / trainings)
    assert seen.left(done + trainings, done + trainings, worked) == 0 or half == trainings


def test_a_wrong_prediction_gives_way_to_what_is_measured() -> None:
    seen = Forecast(1000, 100.0)
    told = [seen.left(1000, done, 1.0 * done) for done in (1, 100, 900)]  # ten times as slow as predicted
    assert told[0] < 300 < told[1]
    assert told[2] == pytest.approx(100.0, rel=0.03)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.4, "3 s"), (43, "45 s"), (200, "3 min"), (5000, "83 min"), (12_000, "3 h 20 min"), (36_000, "10 h")],
)
def test_a_time_is_rounded_as_people_do(seconds: float, text: str) -> None:
    assert about(seconds) == f"about {text}"
