"""Ids of runs are ours: no name can make one that is unsafe as a folder, an address or a line of a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.store.run_ids import is_run_id, looks_like_id, new_run_id, slug

_MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))


def test_an_id_tells_when_and_what() -> None:
    moment = datetime(2026, 11, 22, 12, 35, 12, tzinfo=timezone(timedelta(hours=2)))
    assert re.fullmatch(r"20261122-103512-nyc-weather-[0-9a-f]{4}", new_run_id("NYC  Weather!", moment))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("..", "run"),
        ("", "run"),
        ("C:\\con", "c-con"),
        ("Größe µ", "groe"),
        ("\u202ereversed\x00\n", "reversed"),
        ("天気", "run"),
        ("-rf --help", "rf-help"),
        ("a" * 300, "a" * 24),
    ],
)
def test_evil_names_become_harmless(name: str, expected: str) -> None:
    assert slug(name) == expected


@given(st.text())
def test_every_id_is_safe_and_is_recognised(name: str) -> None:
    run_id = new_run_id(name)
    assert re.fullmatch(r"[0-9]{8}-[0-9]{6}-[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{4}", run_id)
    assert len(run_id) <= 45
    assert looks_like_id(run_id)
    assert all(looks_like_id(run_id[:length]) for length in range(1, len(run_id)))


@given(_MOMENTS, _MOMENTS)
def test_ids_sort_by_time(one: datetime, other: datetime) -> None:
    earlier, later = sorted([one.replace(microsecond=0), other.replace(microsecond=0)])
    if earlier < later:
        assert new_run_id("z", earlier) < new_run_id("a", later)


@given(name=st.text(max_size=40), moment=_MOMENTS)
def test_every_new_id_is_known_as_one(name: str, moment: datetime) -> None:
    assert is_run_id(new_run_id(name, moment))


@pytest.mark.parametrize("name", ["datasets", "uploads", "20261122", "latest", "20261122-103512-x"])
def test_other_folders_of_the_home_are_no_runs(name: str) -> None:
    assert not is_run_id(name)
