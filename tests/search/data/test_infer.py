"""What is guessed about a stranger's table, and that a guess which may be wrong is put in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from grouping.tasks import TaskType
from search.data.infer import infer_layout, infer_type, task_name
from search.errors import DataError
from tests.search.data.frames import table
from tests.search.messages import assert_one_clear_message

MANY = np.arange(200)


def test_prefixes_decide_where_they_are() -> None:
    layout = infer_layout(table())
    assert layout.inputs == ("x_*",)
    assert [task.target for task in layout.tasks] == ["y_level", "y_flag", "y_kind"]
    assert layout.split.column == "split"
    assert layout.cluster == "week"
    assert layout.categorical == ("x_place",)


def test_without_prefixes_targets_are_asked_for_and_identifiers_left_out() -> None:
    frame = pd.DataFrame(
        {"customer_id": MANY, "age": MANY % 50, "town": np.where(MANY % 3, "A", "B"), "sales": MANY / 7}
    )
    layout = infer_layout(frame, ["sales"])
    assert layout.inputs == ("age", "town")
    assert layout.categorical == ("town",)
    assert any("customer_id" in note for note in layout.notes)
    assert any("random" in note for note in layout.notes)


def test_targets_may_be_globs() -> None:
    assert [task.name for task in infer_layout(table(), ["y_[fk]*"]).tasks] == ["flag", "kind"]


def test_rows_with_a_time_are_split_in_its_order() -> None:
    layout = infer_layout(table(100).drop(columns=["split"]).assign(date=pd.date_range("2024", periods=100)))
    assert layout.split.time == "date"
    assert any("past" in note for note in layout.notes)


def test_rows_of_a_group_stay_together() -> None:
    assert infer_layout(table(100).drop(columns=["split"])).split.group == "week"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (MANY % 2, "binary"),
        (MANY % 2 == 0, "binary"),
        (np.where(MANY % 2, "no", "yes"), "binary"),
        (np.where(MANY % 2, "1", "2"), "binary"),
        (MANY % 3, "multiclass"),
        (MANY % 3 + 1, "multiclass"),
        (np.array(["a", "b", "c"])[MANY % 3], "multiclass"),
        (MANY % 3 * 2, "regression"),
        (MANY % 3 - 1, "regression"),
        (MANY, "regression"),
        (MANY / 7, "regression"),
        (np.where(MANY % 5 == 0, np.nan, MANY % 2), "binary"),
    ],
)
def test_types(values: np.ndarray[tuple[int], np.dtype[np.generic]], kind: TaskType) -> None:
    assert infer_type(pd.Series(values)) == kind


@pytest.mark.parametrize(
    ("column", "name"),
    [("y_temp", "temp"), ("y_", "y_"), ("a+b", "a_b"), ("km/h", "km_h"), (" x ", "x"), ("y_\u202e", "_")],
)
def test_names_of_tasks_are_legal(column: str, name: str) -> None:
    assert task_name(column) == name


def test_no_target_can_be_told() -> None:
    with pytest.raises(DataError) as caught:
        infer_layout(pd.DataFrame({"a": [1, 2], "b": [3, 4]}))
    assert_one_clear_message(caught.value, "tasks", "--targets", "(a, b)")


def test_unknown_targets_are_answered_with_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        infer_layout(table(), ["y_levle"])
    assert_one_clear_message(caught.value, "--targets", "Did you mean 'y_level'?")


def test_nothing_is_left_as_input() -> None:
    with pytest.raises(DataError) as caught:
        infer_layout(pd.DataFrame({"y_a": MANY, "id": MANY}))
    assert_one_clear_message(caught.value, "data.inputs", "no input columns")
