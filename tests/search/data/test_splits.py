"""Splits: every row in exactly one part, groups whole, time in order, the same seed the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.data.splits import Rows, split_rows
from search.errors import DataError
from search.spec import SplitSpec
from tests.search.data.frames import table
from tests.search.messages import assert_one_clear_message

FRACTIONS = (0.6, 0.2, 0.2)


def assert_each_row_is_in_one_part(rows: Rows, n_rows: int) -> None:
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(n_rows))
    for part in rows:
        assert len(part) > 0
        assert (np.diff(part) > 0).all()


def _frame(keys: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"key": keys, "x": range(len(keys))})


many_rows = st.integers(3, 200)
seeds = st.integers(0, 2**63 - 1)
keys = st.lists(st.integers(0, 12), min_size=3, max_size=120).filter(lambda values: len(set(values)) >= 3)


@given(n_rows=many_rows, seed=seeds, draw=st.integers(0, 5))
def test_fractions_of_rows(n_rows: int, seed: int, draw: int) -> None:
    frame = _frame(list(range(n_rows)))
    spec = SplitSpec(fractions=FRACTIONS, seed=seed)
    rows = split_rows(frame, spec, draw=draw)
    assert_each_row_is_in_one_part(rows, n_rows)
    assert abs(len(rows.train) - 0.6 * n_rows) <= 1
    for one, same in zip(rows, split_rows(frame, spec, draw=draw), strict=True):
        np.testing.assert_array_equal(one, same)


@given(keys=keys, seed=seeds)
def test_groups_never_span_parts(keys: list[int], seed: int) -> None:
    rows = split_rows(_frame(keys), SplitSpec(fractions=FRACTIONS, seed=seed, group="key"))
    assert_each_row_is_in_one_part(rows, len(keys))
    seen = [{keys[row] for row in part} for part in rows]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


@given(keys=keys)
def test_time_runs_from_train_over_validation_to_test(keys: list[int]) -> None:
    rows = split_rows(_frame(keys), SplitSpec(fractions=FRACTIONS, time="key"))
    assert_each_row_is_in_one_part(rows, len(keys))
    moments = np.array(keys)
    assert moments[rows.train].max() < moments[rows.validation].min()
    assert moments[rows.validation].max() < moments[rows.test].min()


def test_times_written_as_text_are_ordered_as_times() -> None:
    frame = pd.DataFrame({"when": ["2/1/2024", "10/1/2024", "9/1/2024", "1/1/2024", "12/1/2024"]})
    rows = split_rows(frame, SplitSpec(fractions=FRACTIONS, time="when"))
    assert rows.test.tolist() == [4]
    assert 3 in rows.train


def test_redraws_differ_and_the_first_is_the_split_itself() -> None:
    frame, spec = _frame(list(range(100))), SplitSpec(fractions=FRACTIONS)
    draws = [split_rows(frame, spec, draw=draw).train.tolist() for draw in range(4)]
    assert len({tuple(draw) for draw in draws}) == 4
    assert draws[0] == split_rows(frame, spec).train.tolist()


@pytest.mark.parametrize(
    "words", [("train", "val", "test"), ("TRAIN", "Valid", "Test"), ("training", "validation", "test")]
)
def test_a_column_says_which_part(words: tuple[str, str, str]) -> None:
    frame = pd.DataFrame({"s": [words[0], words[2], words[1], words[0]]})
    rows = split_rows(frame, SplitSpec(column="s"))
    assert [part.tolist() for part in rows] == [[0, 3], [2], [1]]


def test_a_column_of_categories_is_read_like_texts() -> None:
    frame = table().astype({"split": "category"})
    assert_each_row_is_in_one_part(split_rows(frame, SplitSpec(column="split")), len(frame))


BAD: dict[str, tuple[dict[str, object], dict[str, object], int, str, tuple[str, ...]]] = {
    "52-no-validation-rows": ({"s": ["train", "test"]}, {"column": "s"}, 0, "data.split", ("validation part has no",)),
    "52-too-few-rows": ({"s": [1, 2]}, {"fractions": FRACTIONS}, 0, "data.split", ("no rows",)),
    "unknown-word": ({"s": ["train", "holdout"]}, {"column": "s"}, 0, "column 's'", ("'holdout'", "train, val")),
    "missing-word": ({"s": ["train", None]}, {"column": "s"}, 0, "column 's'", ("missing",)),
    "no-column": ({"spilt": ["train"]}, {"column": "split"}, 0, "data.split.column", ("'spilt'",)),
    "no-group-column": ({"s": [1]}, {"fractions": FRACTIONS, "group": "g"}, 0, "data.split.group", ("'g'",)),
    "two-groups": ({"g": [1, 1, 2]}, {"fractions": FRACTIONS, "group": "g"}, 0, "column 'g'", ("at least 3",)),
    "missing-group": ({"g": [1, 2, 3, None]}, {"fractions": FRACTIONS, "group": "g"}, 0, "column 'g'", ("row 3",)),
    "no-time": (
        {"t": ["1/1/2024", "soon"]},
        {"fractions": FRACTIONS, "time": "t"},
        0,
        "column 't'",
        ("row 1", "no time"),
    ),
    "redraw-column": ({"s": ["train", "val", "test"]}, {"column": "s"}, 1, "evidence.splits", ("drawn again",)),
    "redraw-time": ({"t": [1, 2, 3]}, {"fractions": FRACTIONS, "time": "t"}, 1, "evidence.splits", ("drawn again",)),
}


@pytest.mark.parametrize(("columns", "split", "draw", "where", "words"), BAD.values(), ids=BAD.keys())
def test_splits_that_cannot_be_made(
    columns: dict[str, object], split: dict[str, object], draw: int, where: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(DataError) as caught:
        split_rows(pd.DataFrame(columns), SplitSpec.model_validate(split), draw=draw)
    assert_one_clear_message(caught.value, where, *words)
