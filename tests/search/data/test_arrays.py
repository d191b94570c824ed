"""Encoded inputs: what is learnt is learnt from training rows alone, and what is missing is said to be missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.data.arrays import encode_inputs, numbers
from search.errors import DataError
from tests.search.data.frames import table
from tests.search.messages import assert_one_clear_message

TRAIN = np.arange(40)
COLUMNS = ["x_0", "x_1", "x_2", "x_place"]

cells = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")))


@settings(max_examples=40, deadline=None)
@given(later=st.lists(cells, min_size=20, max_size=20), place=st.sampled_from(["north", "west", None]))
def test_other_rows_change_nothing_in_training_rows(later: list[float], place: str | None) -> None:
    before, after = table(), table()
    after.loc[40:, "x_1"] = later
    after.loc[40:, "x_place"] = place
    one = encode_inputs(before, COLUMNS, TRAIN, categorical=["x_place"])
    two = encode_inputs(after, COLUMNS, TRAIN, categorical=["x_place"])
    assert one.names == two.names
    np.testing.assert_array_equal(one.values_NF[TRAIN], two.values_NF[TRAIN])
    assert np.isfinite(two.values_NF).all()


@given(scale=st.floats(1e-6, 1e6), shift=st.floats(-1e3, 1e3))
def test_units_of_inputs_do_not_matter(scale: float, shift: float) -> None:
    frame = table()
    one = encode_inputs(frame, ["x_0"], TRAIN).values_NF
    frame["x_0"] = frame["x_0"] * scale + shift * scale
    np.testing.assert_allclose(encode_inputs(frame, ["x_0"], TRAIN).values_NF, one, atol=1e-4)


def test_training_rows_have_mean_0_and_deviation_1() -> None:
    values_NF = encode_inputs(table(), ["x_0", "x_1", "x_2"], TRAIN).values_NF
    assert values_NF.dtype == np.float32
    np.testing.assert_allclose(values_NF[TRAIN].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(values_NF[TRAIN].std(axis=0), 1, atol=1e-6)


def test_missing_inputs_take_the_mean_and_are_marked() -> None:
    frame = table()
    frame.loc[[3, 50], "x_1"] = np.nan
    inputs = encode_inputs(frame, ["x_0", "x_1"], TRAIN)
    assert inputs.names == ("x_0", "x_1", "x_1_missing")
    assert inputs.values_NF[[3, 50], 1].tolist() == [0, 0]
    assert np.flatnonzero(inputs.values_NF[:, 2]).tolist() == [3, 50]


def test_an_input_missing_only_after_training_gets_no_column_that_cannot_be_learnt() -> None:
    frame = table()
    frame.loc[50, "x_1"] = np.nan
    inputs = encode_inputs(frame, ["x_0", "x_1"], TRAIN)
    assert inputs.names == ("x_0", "x_1")
    assert inputs.values_NF[50, 1] == 0


def test_a_category_is_one_column_and_an_unknown_one_is_none() -> None:
    frame = table()
    frame.loc[50, "x_place"] = "west"
    inputs = encode_inputs(frame, ["x_place"], TRAIN, categorical=["x_place"])
    assert inputs.names == ("x_place=east", "x_place=north", "x_place=south")
    assert inputs.values_NF.sum(axis=1).tolist() == [0.0 if row == 50 else 1.0 for row in range(60)]


def test_constant_inputs_are_left_out_and_named() -> None:
    frame = table()
    frame["x_0"] = 0.1  # its mean over 40 rows differs from it in the last bit
    frame.loc[41:, "x_0"] = 5.0
    inputs = encode_inputs(frame, ["x_0", "x_1"], TRAIN)
    assert inputs.names == ("x_1",)
    assert "x_0" in inputs.warnings[0]


@given(bits=st.integers(2, 30), fold=st.integers(1, 29), seed=st.integers(0, 99))
def test_folding_adds_up_bits_at_equal_positions(bits: int, fold: int, seed: int) -> None:
    bits_NB = np.random.default_rng(seed).integers(0, 2, (60, bits))
    frame = pd.DataFrame({f"b{k}": bits_NB[:, k] for k in range(bits)})
    if fold >= bits:
        with pytest.raises(DataError, match="shorten nothing"):
            encode_inputs(frame, list(frame.columns), TRAIN, fold=fold)
        return
    sums_NK = np.zeros((60, fold))
    for position in range(bits):
        sums_NK[:, position % fold] += bits_NB[:, position]
    varies_K = sums_NK[TRAIN].std(axis=0) > 0
    expected_NK = (sums_NK - sums_NK[TRAIN].mean(axis=0)) / np.where(varies_K, sums_NK[TRAIN].std(axis=0), 1)
    inputs = encode_inputs(frame, list(frame.columns), TRAIN, fold=fold)
    assert inputs.names == tuple(f"fold_{k}" for k in np.flatnonzero(varies_K))
    np.testing.assert_allclose(inputs.values_NF, expected_NK[:, varies_K], atol=1e-5)


def test_folding_leaves_other_inputs_alone() -> None:
    frame = table().assign(b0=np.arange(60) % 2, b1=np.arange(60) // 2 % 2, b2=np.arange(60) // 4 % 2)
    assert encode_inputs(frame, ["b0", "x_0", "b1", "b2"], TRAIN, fold=2).names == ("x_0", "fold_0", "fold_1")


BAD_CELLS: dict[str, tuple[list[object], tuple[str, ...]]] = {
    "40-infinite": ([1.0, float("inf")], ("row 2", "infinite")),
    "29-beyond-the-range-of-squares": ([1.0, 1e200], ("row 2",)),
    "43-complex": ([1j, 2j], ("complex",)),
    "47-decimal-comma": (["1,5", "2,5"], ("'1,5'", "point")),
    "55-text-among-numbers": (["3", "about 4"], ("'about 4'", "row 2")),
    "30-5000-digits": (["1", "x" + "9" * 5000], ("row 2",)),
    "times": (list(pd.date_range("2024-01-01", periods=2)), ("times",)),
}


@pytest.mark.parametrize(("cells", "words"), BAD_CELLS.values(), ids=BAD_CELLS.keys())
def test_cells_that_are_no_numbers(cells: list[object], words: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as caught:
        numbers(pd.Series(cells), "input 'a'")
    assert_one_clear_message(caught.value, "input 'a'", *words)


def test_too_many_categories_look_like_an_identifier() -> None:
    frame = pd.DataFrame({"id": [f"row {n}" for n in range(2000)]})
    with pytest.raises(DataError) as caught:
        encode_inputs(frame, ["id"], np.arange(1500), categorical=["id"])
    assert_one_clear_message(caught.value, "input 'id'", "1,500 categories", "data.exclude")


def test_nothing_to_learn_from() -> None:
    with pytest.raises(DataError) as caught:
        encode_inputs(pd.DataFrame({"a": [1.0] * 10}), ["a"], np.arange(5))
    assert_one_clear_message(caught.value, "data.inputs", "no input varies")


def test_a_value_out_of_all_proportion_is_named() -> None:
    frame = pd.DataFrame({"a": [1.0, 1.0 + 1e-9, 1.0, 1e30]})
    with pytest.raises(DataError) as caught:
        encode_inputs(frame, ["a"], np.arange(3))
    assert_one_clear_message(caught.value, "input 'a'", "row 4")
