"""Tables of several tasks put together: labels of the others are missing, inputs never, and each is split by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grouping.errors import GroupingError
from search.data.dataset import Dataset, load_dataset
from search.data.resolution import resolve
from search.errors import DataError
from tests.search.data.frames import pictures, spec_for, table
from tests.search.messages import assert_one_clear_message

FRACTIONS = {"fractions": [0.6, 0.2, 0.2]}
INPUTS = ["x_0", "x_1", "x_2", "x_place"]


def _two(folder: Path, second: pd.DataFrame | None = None, **data: object) -> Dataset:
    """Levels and flags in one table of 100 rows, kinds in another of 40."""
    one, other = table(100)[[*INPUTS, "y_level", "y_flag", "week"]], table(40, seed=1)[[*INPUTS, "y_kind", "week"]]
    one.to_csv(folder / "one.csv", index=False)
    (other if second is None else second).to_parquet(folder / "other.parquet", index=False)
    spec = spec_for("one.csv", **{"more": ["other.parquet"], "split": FRACTIONS, **data})
    return load_dataset(resolve(spec, folder), folder)


def test_every_task_has_its_own_rows_in_every_part(tmp_path: Path) -> None:
    dataset = _two(tmp_path)
    assert [task.name for task in dataset.tasks] == ["level", "flag", "kind"]
    for part, of_one, of_other in ((dataset.train, 60, 24), (dataset.validation, 20, 8), (dataset.test, 20, 8)):
        labelled_NT = ~np.isnan(part.targets_NT)
        assert labelled_NT.sum(axis=0).tolist() == [of_one, of_one, of_other]
        assert (labelled_NT[:, 0] ^ labelled_NT[:, 2]).all(), "a row is of one table"
        assert np.isfinite(part.inputs_NF).all()
    assert dataset.class_names[2] == ("high", "low", "mid")


def test_a_split_by_column_or_group_is_of_all_rows_together(tmp_path: Path) -> None:
    dataset = _two(tmp_path, split={**FRACTIONS, "group": "week"})
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 140
    assert dataset.cluster_name == "week"


def test_a_column_that_holds_nothing_in_one_table_changes_no_type(tmp_path: Path) -> None:
    empty = table(40, seed=1)[[*INPUTS, "y_kind", "week"]].assign(y_level=np.nan)
    dataset = _two(tmp_path, empty)
    assert [task.type for task in dataset.tasks] == ["regression", "binary", "multiclass"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (table(40)[["x_0", "x_1", "x_place", "y_kind", "week"]], "'x_2' is not in other.parquet"),
        (table(40)[[*INPUTS, "y_kind", "week"]].assign(x_9=1.0), "'x_9' is not in one.csv"),
    ],
)
def test_an_input_that_a_table_lacks_is_refused(tmp_path: Path, second: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        _two(tmp_path, second)
    assert_one_clear_message(refused.value, "data.more")


def test_the_column_of_the_split_is_needed_everywhere(tmp_path: Path) -> None:
    one = table(40)[[*INPUTS, "y_kind", "split"]]
    with pytest.raises(DataError, match="'split' is not in one") as refused:
        _two(tmp_path, one, split={"column": "split"})
    assert_one_clear_message(refused.value, "data.more")


def test_pictures_are_put_together_too(tmp_path: Path) -> None:
    one, other = pictures(60), pictures(40, seed=1)
    np.savez(tmp_path / "one.npz", x=one["x"], y_corner=one["y_corner"])
    np.savez(tmp_path / "other.npz", x=other["x"], y_light=other["y_light"])
    spec = spec_for("one.npz", more=["other.npz"], inputs=["x"], split=FRACTIONS)
    dataset = load_dataset(spec, tmp_path)
    assert len(dataset.train) == 36 + 24
    assert (~np.isnan(dataset.train.targets_NT)).sum(axis=0).tolist() == [36, 24]
    np.savez(tmp_path / "other.npz", x=other["x"][:, :, :4], y_light=other["y_light"])
    with pytest.raises(DataError, match="'x' is "):
        load_dataset(spec, tmp_path)


def test_a_data_set_of_a_name_takes_no_more_tables(tmp_path: Path) -> None:
    with pytest.raises(GroupingError, match="whole by itself") as refused:
        load_dataset(spec_for("synthetic", more=["other.csv"]), tmp_path)
    assert refused.value.fix
