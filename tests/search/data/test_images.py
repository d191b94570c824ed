"""Pictures as inputs: pixels keep their places, channels are scaled as a whole, and a cnn learns what it looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.errors import InputError
from search.data.dataset import Dataset, load_dataset
from search.data.draft import draft_spec
from search.data.images import encode_images
from search.data.infer import infer_layout
from search.data.resolution import resolve
from search.data.tables import read_source
from search.documents import parse_spec, spec_from
from search.errors import DataError
from search.spec import Spec
from tests.search.data.frames import pictures
from tests.search.messages import assert_one_clear_message

MULTIMNIST = Path("../shared/data/tasks/multimnist/data.npz")


def spec(folder: Path, network: dict[str, object], arrays: dict[str, Any] | None = None, **data: object) -> Spec:
    np.savez(folder / "t.npz", **(arrays or pictures()))
    document = {"name": "t", "data": {"source": "t.npz", **data}, "network": network, "budget": {"inference": 1}}
    return spec_from(document)


CNN: dict[str, object] = {"trunk": "cnn", "widths": [4, 8]}


def test_what_an_input_row_shows_is_read_off_the_data(tmp_path: Path) -> None:
    resolved = resolve(spec(tmp_path, CNN), tmp_path)
    assert resolved.data.inputs == ("x",)
    assert resolved.network.image == (2, 6, 5)
    assert [task.type for task in resolved.tasks] == ["multiclass", "regression"]
    assert resolved.network.shape(60).n_inputs == 60


def test_an_image_that_was_given_stays_and_other_trunks_get_none(tmp_path: Path) -> None:
    assert resolve(spec(tmp_path, {**CNN, "image": [1, 12, 5]}), tmp_path).network.image == (1, 12, 5)
    assert resolve(spec(tmp_path, {"widths": [4]}), tmp_path).network.image is None


def test_pixels_keep_their_places_and_channels_are_scaled_by_the_training_rows(tmp_path: Path) -> None:
    arrays = pictures()
    arrays["split"] = np.array(["train"] * 80 + ["val"] * 20 + ["test"] * 20)
    dataset = load_dataset(spec(tmp_path, CNN, arrays), tmp_path)
    assert dataset.input_names[:6] == ("x[0,0,0]", "x[0,0,1]", "x[0,0,2]", "x[0,0,3]", "x[0,0,4]", "x[0,1,0]")
    assert dataset.input_names[-1] == "x[1,5,4]"
    train = arrays["x"][:80].astype(np.float64)
    mean_C, scale_C = train.mean(axis=(0, 2, 3)), train.std(axis=(0, 2, 3))
    for part, rows in ((dataset.train, slice(0, 80)), (dataset.test, slice(100, 120))):
        wanted = (arrays["x"][rows] - mean_C[:, None, None]) / scale_C[:, None, None]
        np.testing.assert_allclose(part.inputs_NF.reshape(-1, 2, 6, 5), wanted, atol=1e-5)


def test_constant_channels_are_zero_and_stay_in_place() -> None:
    images_NCHW = pictures()["x"]
    images_NCHW[:, 1] = 7
    encoded = encode_images(images_NCHW, "x", np.arange(60))
    assert not encoded.values_NF[:, 30:].any()
    assert encoded.values_NF[:, :30].any()


def test_arrays_of_the_parts_are_put_together(tmp_path: Path) -> None:
    whole = pictures()
    ends = {"train": slice(0, 80), "val": slice(80, 100), "test": slice(100, 120)}
    apart = {f"{name}_{part}": array[rows] for part, rows in ends.items() for name, array in whole.items()}
    dataset = load_dataset(spec(tmp_path, CNN, apart), tmp_path)
    whole["split"] = np.repeat(list(ends), [80, 20, 20])
    assert load_dataset(spec(tmp_path, CNN, whole), tmp_path).fingerprint == dataset.fingerprint
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [80, 20, 20]


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ({"y_light_val": None}, "t.npz", "has no array 'y_light_val'"),
        ({"x_val": np.zeros((20, 2, 6, 6))}, "arrays 'x_*'", "the parts have the shapes"),
        ({"x_val": np.zeros((19, 2, 6, 5))}, "array 'x_val'", "has 19 rows, others of that part have 20"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    tmp_path: Path, change: dict[str, Any], where: str, words: str
) -> None:
    ends = {"train": slice(0, 80), "val": slice(80, 100), "test": slice(100, 120)}
    apart = {
        f"{name}_{part}": array[rows] for part, rows in ends.items() for name, array in pictures().items()
    } | change
    np.savez(tmp_path / "t.npz", **{name: array for name, array in apart.items() if array is not None})
    with pytest.raises(DataError) as refused:
        read_source(tmp_path / "t.npz")
    assert_one_clear_message(refused.value, where, words)


def test_pictures_and_columns_may_be_inputs_of_an_mlp_side_by_side(tmp_path: Path) -> None:
    arrays = pictures() | {"age": np.arange(120.0), "place": np.array(["a", "b"] * 60)}
    dataset = load_dataset(spec(tmp_path, {"widths": [4]}, arrays, inputs=["x", "age", "place"]), tmp_path)
    assert dataset.input_names[59:] == ("x[1,5,4]", "age", "place=a", "place=b")
    assert dataset.train.inputs_NF.shape[1] == 63


def test_a_cnn_is_told_when_its_image_is_not_known(tmp_path: Path) -> None:
    arrays = pictures() | {"age": np.arange(120.0)}
    resolved = resolve(spec(tmp_path, CNN, arrays, inputs=["x", "age"]), tmp_path)
    with pytest.raises(InputError) as refused:
        resolved.network.shape(61)
    assert_one_clear_message(refused.value, "network.image", "needs to know what an input row shows")


def test_a_picture_that_stands_in_two_parts_is_noticed(tmp_path: Path) -> None:
    arrays = pictures()
    arrays["split"] = np.array(["train"] * 80 + ["val"] * 20 + ["test"] * 20)
    for array in arrays.values():
        if array.dtype.kind != "U":
            array[100] = array[0]
    dataset = load_dataset(spec(tmp_path, CNN, arrays), tmp_path)
    assert "1 of 20 test row also stands in the training part, value for value" in dataset.warnings


@pytest.mark.parametrize("pixel", [np.nan, np.inf, -1e20])
def test_a_pixel_that_is_no_number_is_refused(pixel: float) -> None:
    images_NCHW = pictures()["x"].astype(np.float64)
    images_NCHW[7, 1, 2, 3] = pixel
    with pytest.raises(DataError) as refused:
        encode_images(images_NCHW, "x", np.arange(60))
    assert_one_clear_message(refused.value, "input 'x'", "data row 8")


def test_pictures_without_a_picture_are_refused() -> None:
    with pytest.raises(DataError) as refused:
        encode_images(np.full((9, 1, 4, 4), 3), "x", np.arange(6))
    assert_one_clear_message(refused.value, "input 'x'", "all pixels of the training rows are equal")


@pytest.mark.parametrize("array", [np.zeros((3, 300, 300)), np.zeros((3, 0, 4)), np.full((3, 2, 2), "a")])
def test_pictures_that_are_too_large_or_no_numbers_are_refused(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    np.savez(tmp_path / "t.npz", x=array, y=np.arange(3))
    with pytest.raises(DataError) as refused:
        read_source(tmp_path / "t.npz")
    assert_one_clear_message(refused.value, "array 'x'", "pictures")


@pytest.mark.parametrize(
    ("data", "tasks", "where"),
    [({"inputs": ["y_light"]}, [{"name": "x"}], "tasks"), ({"categorical": ["x"]}, None, "data.categorical")],
)
def test_pictures_are_neither_targets_nor_categories(
    tmp_path: Path, data: dict[str, object], tasks: object, where: str
) -> None:
    np.savez(tmp_path / "t.npz", **pictures())
    document = {"name": "t", "data": {"source": "t.npz", **data}, "budget": {"inference": 1}}
    asked = spec_from(document | ({"tasks": tasks} if tasks else {}))
    with pytest.raises(DataError) as refused:
        resolve(asked, tmp_path)
    assert_one_clear_message(refused.value, where, "'x' holds pictures")


def drafted(path: Path) -> tuple[Spec, Dataset]:
    source = read_source(path)
    made = parse_spec(draft_spec("t", str(path), source, infer_layout(source.table)))
    return resolve(made), load_dataset(made)


def test_a_drafted_spec_for_pictures_has_a_cnn(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **pictures())
    made, dataset = drafted(tmp_path / "t.npz")
    assert (made.network.trunk, made.network.image, made.data.inputs) == ("cnn", (2, 6, 5), ("x",))
    assert made.network.shape(len(dataset.input_names)).image == (2, 6, 5)


@pytest.mark.skipif(not MULTIMNIST.exists(), reason=f"needs {MULTIMNIST}")
def test_multimnist_is_read_as_pictures_of_two_digits() -> None:
    made, dataset = drafted(MULTIMNIST)
    assert [task.name for task in dataset.tasks] == ["left", "right"]
    assert dataset.classes_T == (10, 10)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [20_000, 4_000, 4_000]
    assert made.network.image == (1, 28, 28)
    assert dataset.warnings == ()
    assert abs(float(dataset.train.inputs_NF.std()) - 1) < 1e-4
