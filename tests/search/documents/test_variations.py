"""One spec in several variations: every combination of the values, and one clear message where there is none."""

from __future__ import annotations

import pytest

from search.documents import spec_from
from search.documents.variations import variations
from search.errors import SpecError
from search.spec import Spec


def spec() -> Spec:
    data = {"source": "synthetic", "split": {"fractions": [0.6, 0.2, 0.2]}}
    return spec_from({"name": "demo", "data": data, "budget": {"inference": 2}})


def test_nothing_varied_is_the_spec_itself() -> None:
    (only,) = variations(spec())
    assert only.spec == spec()
    assert only.factors == {}


def test_every_combination_comes_once_the_last_field_fastest() -> None:
    found = variations(spec(), ["data.rows=100,200", "network.widths=[8, 8],[16]"])
    assert [dict(one.factors) for one in found] == [
        {"data.rows": 100, "network.widths": "8-8"},
        {"data.rows": 100, "network.widths": "16"},
        {"data.rows": 200, "network.widths": "8-8"},
        {"data.rows": 200, "network.widths": "16"},
    ]
    assert [(one.spec.data.rows, one.spec.network.widths) for one in found[:2]] == [(100, (8, 8)), (100, (16,))]


def test_a_field_inside_a_field_is_varied() -> None:
    found = variations(spec(), ["data.split.seed=3,4"])
    assert [one.spec.data.split.seed for one in found if one.spec.data.split] == [3, 4]


@pytest.mark.parametrize(
    ("varied", "what", "where"),
    [
        (["data.rows"], "names no values", "--vary"),
        (["data.rows="], "names no values", "--vary"),
        (["training.seeds=3,4"], "is not varied", "--vary"),
        (["budget.inference=2"], "is not varied", "--vary"),
        (["data.rows=5,5"], "appears twice", "--vary data.rows"),
        (["data.rows=5", "data.rows=6"], "is varied twice", "--vary"),
        (["training.epoch=3"], "epoch", "--vary training.epoch"),
        (["training.epochs=none"], "whole number", "--vary training.epochs"),
        (["training.epochs.x=3"], "holds no fields", "--vary training.epochs.x"),
        (["data.rows=[1"], "is not YAML", "--vary data.rows"),
    ],
)
def test_what_cannot_be_varied_is_said(varied: list[str], what: str, where: str) -> None:
    with pytest.raises(SpecError) as caught:
        variations(spec(), varied)
    assert what in caught.value.what
    assert caught.value.where.startswith(where)
