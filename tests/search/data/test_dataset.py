"""The loaded data set as a whole: parts, masks, caps, clusters, fingerprints, and what it warns of or refuses."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grouping.errors import InputError
from search.data.dataset import Dataset, load_dataset
from search.data.resolution import resolve
from search.documents import dump_spec, read_spec
from search.errors import DataError, SpecError
from tests.search.data.frames import load, spec_for, table
from tests.search.messages import assert_one_clear_message

PARTS = ("train", "validation", "test")


def _unsplit(rows: int = 60) -> pd.DataFrame:
    return table(rows).drop(columns=["split"])


def test_a_table_with_prefixes_needs_nothing_else(tmp_path: Path) -> None:
    dataset = load(table(), tmp_path)
    assert [(task.name, task.type) for task in dataset.tasks] == [
        ("level", "regression"),
        ("flag", "binary"),
        ("kind", "multiclass"),
    ]
    assert dataset.classes_T == (1, 1, 3)
    assert dataset.class_names == ((), ("0", "1"), ("high", "low", "mid"))
    assert dataset.input_names == ("x_0", "x_1", "x_2", "x_place=east", "x_place=north", "x_place=south")
    assert [len(getattr(dataset, part)) for part in PARTS] == [36, 12, 12]
    assert dataset.target_scale_T[1:].tolist() == [1, 1]
    assert dataset.target_mean_T[1:].tolist() == [0, 0]


def test_what_every_part_is_made_of(tmp_path: Path) -> None:
    dataset = load(table(), tmp_path)
    for part in (dataset.train, dataset.validation, dataset.test):
        assert part.inputs_NF.dtype == np.float32
        assert part.targets_NT.dtype == np.float32
        assert part.cluster_N.dtype == np.int64
        assert not part.inputs_NF.flags.writeable
        assert np.isfinite(part.inputs_NF).all()
        assert np.unique(part.cluster_N).tolist() == list(range(part.cluster_N.max() + 1))


def test_missing_labels_are_nan_and_keep_their_rows(tmp_path: Path) -> None:
    frame = table()
    frame.loc[[0, 1, 20], "y_level"] = np.nan
    dataset = load(frame, tmp_path)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 60
    assert int(np.isnan(dataset.train.targets_NT[:, 0]).sum()) == 2
    assert int(np.isnan(dataset.validation.targets_NT[:, 0]).sum()) == 1
    assert not np.isnan(dataset.train.targets_NT[:, 1:]).any()


def test_other_parts_cannot_change_the_training_part(tmp_path: Path) -> None:
    changed = table()
    later = changed["split"] != "train"
    changed.loc[later, ["x_0", "y_level"]] *= 100
    one, two = load(table(), tmp_path), load(changed, tmp_path)
    np.testing.assert_array_equal(one.train.inputs_NF, two.train.inputs_NF)
    np.testing.assert_array_equal(one.train.targets_NT, two.train.targets_NT)
    assert one.target_scale_T.tolist() == two.target_scale_T.tolist()
    assert one.fingerprint != two.fingerprint


def test_loading_twice_gives_the_same_and_travels_between_processes(tmp_path: Path) -> None:
    one, two = load(table(), tmp_path), load(table(), tmp_path)
    assert one.fingerprint == two.fingerprint
    copy: Dataset = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy.train.inputs_NF, one.train.inputs_NF)
    assert copy.tasks == one.tasks


def test_rows_caps_training_rows_only(tmp_path: Path) -> None:
    dataset = load(table(), tmp_path, rows=20)
    assert [len(getattr(dataset, part)) for part in PARTS] == [20, 12, 12]
    again = load(table(), tmp_path, rows=20)
    assert dataset.fingerprint == again.fingerprint


def test_redraws_give_other_training_rows(tmp_path: Path) -> None:
    split = {"fractions": [0.6, 0.2, 0.2], "seed": 5}
    fingerprints = {load(_unsplit(), tmp_path, draw=draw, split=split).fingerprint for draw in range(3)}
    assert len(fingerprints) == 3


def test_the_cluster_column_says_what_is_resampled_together(tmp_path: Path) -> None:
    dataset = load(table(), tmp_path, cluster="week")
    assert dataset.cluster_name == "week"
    assert np.bincount(dataset.test.cluster_N).tolist() == [6, 6]
    assert not any("week" in warning for warning in dataset.warnings)


def test_without_a_cluster_every_row_stands_for_itself(tmp_path: Path) -> None:
    dataset = load(table().drop(columns=["week"]), tmp_path)
    assert dataset.cluster_name == "row"
    assert dataset.test.cluster_N.tolist() == list(range(12))


def test_a_glob_passes_over_targets_and_other_roles(tmp_path: Path) -> None:
    dataset = load(table(), tmp_path, inputs=["*"], exclude=["day"], cluster="week")
    assert dataset.input_names[:3] == ("x_0", "x_1", "x_2")
    assert all(name.startswith("x_") for name in dataset.input_names)


def test_tasks_take_type_and_target_from_the_data(tmp_path: Path) -> None:
    tasks = [{"name": "height", "target": "y_level", "unit": "m"}, {"name": "y_flag", "role": "auxiliary"}]
    dataset = load(table(), tmp_path, tasks=tasks)
    assert [task.type for task in dataset.tasks] == ["regression", "binary"]
    assert dataset.units == ("m", "")


def test_resolving_is_complete_and_idempotent(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    resolved = resolve(spec_for("t.csv"), tmp_path)
    assert resolved.data.source == str(tmp_path / "t.csv")
    assert resolved.data.inputs == ("x_*",)
    assert resolved.data.categorical == ("x_place",)
    assert resolved.data.split is not None
    assert resolved.data.split.column == "split"
    assert all(task.type is not None for task in resolved.tasks)
    assert resolve(resolved) == resolved
    (tmp_path / "spec.yaml").write_text(dump_spec(resolved))
    written = read_spec(tmp_path / "spec.yaml")
    assert written == resolved
    assert load_dataset(written).fingerprint == load_dataset(spec_for("t.csv"), tmp_path).fingerprint


def test_the_data_variable_is_replaced_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setenv("TASKGROUP_DATA", str(tmp_path))
    assert len(load_dataset(spec_for("${TASKGROUP_DATA}/t.csv")).train) == 36
    assert resolve(spec_for("${TASKGROUP_DATA}/t.csv")).data.source == "${TASKGROUP_DATA}/t.csv"


WARNINGS: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "copy-of-a-target": (table().assign(x_copy=lambda f: 3 - 2 * f["y_level"]), {}, "'x_copy' is a copy of the target"),
    "named-like-a-target": (
        table(),
        {"inputs": ["x_*", "y_flag"], "tasks": [{"name": "y_level"}]},
        "'y_flag' is named like a target",
    ),
    "51-overlap": (
        pd.concat([table(), table().iloc[[0, 1]].assign(split="test")], ignore_index=True),
        {},
        "2 of 14 test rows also stand in the training part",
    ),
    "constant-input": (table().assign(x_same=1.0), {}, "x_same"),
    "cluster-over-parts": (table(), {"cluster": "x_place"}, "data.split.group: x_place"),
    "few-labels": (table(), {}, "only 12 labelled validation rows"),
}


@pytest.mark.parametrize(("frame", "data", "words"), WARNINGS.values(), ids=WARNINGS.keys())
def test_what_is_warned_of(tmp_path: Path, frame: pd.DataFrame, data: dict[str, Any], words: str) -> None:
    assert any(words in warning for warning in load(frame, tmp_path, **data).warnings)


def test_a_sound_table_gives_no_warning(tmp_path: Path) -> None:
    assert load(table(600), tmp_path).warnings == ()


BAD: dict[str, tuple[pd.DataFrame, dict[str, Any], str, tuple[str, ...]]] = {
    "10-no-tasks-to-be-told": (table().rename(columns=lambda n: n.replace("y_", "z_")), {}, "tasks", ("--targets",)),
    "53-unknown-task": (table(), {"tasks": [{"name": "y_levl"}]}, "tasks[0].target", ("Did you mean 'y_level'?",)),
    "target-among-inputs": (table(), {"inputs": ["x_*", "y_flag"]}, "data.inputs", ("target of task 'flag'",)),
    "only-targets-as-inputs": (table(), {"inputs": ["y_*"]}, "data.inputs", ("no input columns are left",)),
    "unknown-input": (table(), {"inputs": ["x_9"]}, "data.inputs", ("'x_9'",)),
    "unknown-glob": (table(), {"inputs": ["z_*"]}, "data.inputs", ("'z_*'",)),
    "unknown-exclude": (table(), {"exclude": ["x_9"]}, "data.exclude", ("'x_9'",)),
    "unknown-category": (table(), {"categorical": ["week"]}, "data.categorical", ("'week'",)),
    "unknown-cluster": (table(), {"cluster": "weak"}, "data.cluster", ("Did you mean 'week'?",)),
    "missing-cluster": (
        table().assign(week=lambda f: f["week"].mask(f.index == 3)),
        {"cluster": "week"},
        "'week'",
        ("row 4",),
    ),
    "nothing-to-fold": (table(), {"fold": 2}, "data.fold", ("zeros and ones",)),
    "47-decimal-commas": (
        table().assign(x_0=lambda f: f["x_0"].map("{:.2f}".format).str.replace(".", ",")),
        {},
        "input 'x_0'",
        ("point",),
    ),
    "55-mixed-input": (
        table().assign(x_0=lambda f: f["x_0"].astype(str).mask(f.index == 7, "?")),
        {},
        "input 'x_0'",
        ("'?'", "row 8", "data.categorical"),
    ),
    "48-constant-target": (
        table().assign(y_level=1.0),
        {"tasks": [{"name": "y_level", "type": "regression"}]},
        "target 'y_level'",
        ("constant",),
    ),
    "52-no-validation-rows": (table().query("split != 'val'"), {}, "data.split", ("validation part has no rows",)),
}


@pytest.mark.parametrize(("frame", "data", "where", "words"), BAD.values(), ids=BAD.keys())
def test_data_that_does_not_fit_the_spec(
    tmp_path: Path, frame: pd.DataFrame, data: dict[str, Any], where: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(DataError) as caught:
        load(frame, tmp_path, **data)
    assert_one_clear_message(caught.value, where, *words)


BAD_SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "misspelt-data-set": ("nyc-wether", ("Did you mean 'nyc-weather'?", ".csv")),
    "other-variable": ("${HOME}/t.csv", ("TASKGROUP_DATA",)),
    "variable-inside": ("a/${TASKGROUP_DATA}/t.csv", ("TASKGROUP_DATA",)),
    "variable-not-set": ("${TASKGROUP_DATA}/t.csv", ("not set", "export")),
}


@pytest.mark.parametrize(("source", "words"), BAD_SOURCES.values(), ids=BAD_SOURCES.keys())
def test_sources_that_lead_nowhere(source: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKGROUP_DATA", raising=False)
    with pytest.raises((DataError, SpecError)) as caught:
        load_dataset(spec_for(source))
    assert_one_clear_message(caught.value, "data.source", *words)


def test_an_unknown_group_column_is_named_where_it_was_asked_for(tmp_path: Path) -> None:
    split = {"fractions": [0.6, 0.2, 0.2], "group": "wek"}
    with pytest.raises(DataError, match="there is no column 'wek'") as caught:
        load(_unsplit(), tmp_path, split=split)
    assert caught.value.where == "data.split.group"


def test_a_declared_metric_reaches_the_tasks(tmp_path: Path) -> None:
    tasks = [{"name": "level", "target": "y_level", "metric": "absolute error"}, {"name": "flag", "target": "y_flag"}]
    assert [task.metric for task in load(table(), tmp_path, tasks=tasks).tasks] == ["absolute error", "loss"]


def test_a_metric_is_held_against_the_type_that_was_inferred(tmp_path: Path) -> None:
    tasks = [{"name": "flag", "target": "y_flag"}, {"name": "level", "target": "y_level", "metric": "error rate"}]
    with pytest.raises(InputError) as caught:
        load(table(), tmp_path, tasks=tasks)
    words = ("'error rate'", "'level'", "regression", "metric: absolute error")
    assert_one_clear_message(caught.value, "tasks[1].metric", *words)
