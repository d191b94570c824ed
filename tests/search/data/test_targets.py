"""Encoded targets: scaled or numbered by the training rows, NaN exactly where a label is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.tasks import TaskType
from search.data.splits import Rows
from search.data.targets import encode_target
from search.errors import DataError
from search.spec import TaskSpec
from tests.search.messages import assert_one_clear_message

ROWS = Rows(np.arange(6), np.arange(6, 8), np.arange(8, 10))
NAN = float("nan")


def _task(kind: TaskType) -> TaskSpec:
    return TaskSpec(name="t", target="y", type=kind)


@settings(deadline=None)
@given(later=st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_the_scale_is_learnt_from_training_rows_alone(later: list[float]) -> None:
    column = pd.Series([1.0, 2, 3, NAN, 5, 6, *later])
    target = encode_target(column, _task("regression"), ROWS)
    assert target.mean == pytest.approx(17 / 5)
    assert target.scale == pytest.approx(np.std([1, 2, 3, 5, 6]))
    back = target.values_N.astype(float) * target.scale + target.mean
    np.testing.assert_allclose(back, column, rtol=1e-5, atol=1e-5)


@given(missing=st.sets(st.integers(0, 9), max_size=9), kind=st.sampled_from(["regression", "binary", "multiclass"]))
def test_nan_exactly_where_the_label_is_missing(missing: set[int], kind: TaskType) -> None:
    whole = [0.0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    column = pd.Series([NAN if row in missing else value for row, value in enumerate(whole)])
    learnable = len({whole[row] for row in range(6) if row not in missing}) == 2
    judged = not ({6, 7} <= missing or {8, 9} <= missing)
    if learnable and judged:
        target = encode_target(column, _task(kind), ROWS)
        assert np.flatnonzero(np.isnan(target.values_N)).tolist() == sorted(missing)
    else:
        with pytest.raises(DataError):
            encode_target(column, _task(kind), ROWS)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([0, 1, 1, 0, 0, 1, 1, 0, 0, 1], ("0", "1")),
        ([False, True] * 5, ("0", "1")),
        ([True, False, None, True, False, True, False, True, False, True], ("0", "1")),
        (["no", "yes"] * 5, ("no", "yes")),
        ([0.0, 1.0, NAN, 1.0, 0.0, 1.0, 0.0, 1.0, NAN, 1.0], ("0", "1")),
    ],
    ids=["integers", "truth-values", "truth-values-with-gaps", "texts", "floats-with-gaps"],
)
def test_binary_targets_as_people_write_them(values: list[object], classes: tuple[str, ...]) -> None:
    target = encode_target(pd.Series(values), _task("binary"), ROWS)
    assert target.classes == classes
    assert set(target.values_N[~np.isnan(target.values_N)].tolist()) == {0.0, 1.0}


def test_classes_are_numbered_in_their_own_order() -> None:
    target = encode_target(pd.Series([10, 9, 2, 10, 9, 2, 2, 9, 10, 2]), _task("multiclass"), ROWS)
    assert target.classes == ("2", "9", "10")
    assert target.values_N.tolist() == [2, 1, 0, 2, 1, 0, 0, 1, 2, 0]


def test_a_part_of_one_class_is_warned_of() -> None:
    target = encode_target(pd.Series([0, 1, 0, 1, 0, 1, 0, 0, 0, 1]), _task("binary"), ROWS)
    assert len(target.warnings) == 1
    assert "validation" in target.warnings[0]


def test_39_equal_labels_in_the_other_parts_are_no_error() -> None:
    target = encode_target(pd.Series([1.0, 2, 3, 4, 5, 6, 7, 7, 7, 7]), _task("regression"), ROWS)
    assert len(set(target.values_N[6:].tolist())) == 1


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_an_auxiliary_task_needs_labels_in_the_training_part_only(kind: TaskType) -> None:
    column = pd.Series([0.0, 1, 0, 1, 0, 1, NAN, NAN, NAN, NAN])
    task = TaskSpec(name="t", target="y", type=kind, role="auxiliary")
    target = encode_target(column, task, ROWS)
    assert np.isnan(target.values_N[6:]).all()
    assert target.warnings == ()
    with pytest.raises(DataError, match=r"validation part has no labelled row.*may have the role auxiliary"):
        encode_target(column, _task(kind), ROWS)
    with pytest.raises(DataError, match="train part has no labelled row"):
        encode_target(column[::-1].reset_index(drop=True), task, ROWS._replace(train=np.arange(4)))


BAD: dict[str, tuple[TaskType, Sequence[object], tuple[str, ...]]] = {
    "48-constant-target": ("regression", [0.1] * 6 + [1.0, 2, 3, 4], ("constant (0.1)",)),
    "49-single-class": ("binary", [0] * 6 + [1, 0, 1, 0], ("all training labels are '0'",)),
    "49-single-class-of-texts": ("multiclass", ["a"] * 6 + ["b"] * 4, ("all training labels are 'a'",)),
    "50-all-missing": ("regression", [NAN] * 10, ("every label is missing",)),
    "50-missing-in-training": ("regression", [NAN] * 6 + [1.0, 2, 3, 4], ("train part has no labelled row",)),
    "50-missing-in-validation": ("regression", [1.0, 2, 3, 4, 5, 6, NAN, NAN, 1, 2], ("validation part",)),
    "50-missing-in-test": ("binary", [0, 1, 0, 1, 0, 1, 0, 1, NAN, NAN], ("test part",)),
    "54-class-index-out-of-range": ("binary", [0, 1, 2, 1, 0, 1, 0, 1, 0, 1], ("holds 2", "multiclass")),
    "54-class-index-negative": ("binary", [0, 1, -1, 1, 0, 1, 0, 1, 0, 1], ("holds -1",)),
    "54-class-only-in-test": ("multiclass", [0, 1, 2, 1, 0, 2, 0, 1, 0, 7], ("'7'", "row 10", "training")),
    "54-class-only-in-test-of-a-binary-target": ("binary", [0, 1, 0, 1, 0, 1, 0, 1, 0, 2], ("'2'", "row 10")),
    "three-texts-for-a-binary-target": ("binary", ["a", "b", "c"] * 3 + ["a"], ("3 different values",)),
    "fraction-as-class": ("multiclass", [0, 1, 2.5, 1, 0, 2, 0, 1, 0, 1], ("2.5", "row 3")),
    "55-text-for-a-regression": ("regression", ["1", "2", "about 3", *"1234567"], ("'about 3'", "row 3")),
    "43-times-for-a-regression": ("regression", list(pd.date_range("2024", periods=10)), ("times",)),
    "40-infinite-label": ("regression", [1.0, 2, float("inf"), 4, 5, 6, 7, 8, 9, 10], ("row 3", "infinite")),
    "identifiers-as-classes": ("multiclass", [f"row {n}" for n in range(10)], ("training rows",)),
}


@pytest.mark.parametrize(("kind", "values", "words"), BAD.values(), ids=BAD.keys())
def test_targets_that_cannot_be_learnt(kind: TaskType, values: Sequence[object], words: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as caught:
        encode_target(pd.Series(values), _task(kind), ROWS)
    assert_one_clear_message(caught.value, "target 'y' of task 't'", *words)
