"""A form holds a whole spec: nothing is lost on the way there and back, and complaints come back to their field."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.documents import read_spec, spec_from
from search.errors import SpecError
from search.service.web.draft_form import FIELDS, DraftForm, TaskRow
from search.spec import Spec
from tests.search.service.web.samples import spec

CONFIGS = sorted((Path(__file__).parents[4] / "configs").glob("*.yaml"))


def sent(form: DraftForm) -> list[tuple[str, str]]:
    """What a browser sends of a form."""
    items = [("csrf", "secret"), ("source", form.source), ("rest", form.rest.replace("\n", "\r\n"))]
    items += [(one.key, form.values[one.path]) for one in FIELDS]
    for i, row in enumerate(form.tasks):
        items += [("task-on", str(i))] * row.on
        items += [(f"task-{key}", getattr(row, key)) for key in ("name", "target", "type", "role", "weight", "metric")]
        items.append(("task-unit", row.unit))
    return items


def refused(form: DraftForm) -> DraftForm:
    with pytest.raises(SpecError) as caught:
        spec_from(form.document())
    return form.refused(caught.value)


def changed(path: str, text: str, form: DraftForm | None = None) -> DraftForm:
    form = form or DraftForm.of_spec(spec(), "plants")
    return replace(form, values={**form.values, path: text})


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_spec_survives_the_form(file: Path) -> None:
    asked = read_spec(file)
    form = DraftForm.of_form(sent(DraftForm.of_spec(asked, asked.data.source)))
    assert spec_from(form.document()) == asked


@given(
    st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1), min_size=1, max_size=4)
)
def test_columns_with_commas_and_quotes_survive(names: list[str]) -> None:
    names = [name.strip() or "x" for name in names]
    asked = spec()
    asked = asked.model_copy(update={"data": asked.data.model_copy(update={"inputs": tuple(names)})})
    form = DraftForm.of_form(sent(DraftForm.of_spec(asked, "plants")))
    assert form.document()["data"]["inputs"] == names


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("budget.inference", "lots", "a number is needed"),
        ("budget.inference", "-1", "-1"),
        ("training.epochs", "0", "0"),
        ("training.epochs", "", "a whole number is needed"),
        ("network.widths", "64, wide", "wide"),
        ("network.trunk", "mlpp", "mlp"),
        ("affinity.estimator", "guess", "guess"),
        ("training.learning_rate", "nan", "nan"),
        ("name", "", "Give at least 1"),
    ],
)
def test_a_complaint_stands_beside_its_field(path: str, text: str, says: str) -> None:
    form = refused(changed(path, text))
    assert list(form.errors) == [path]
    assert says in form.errors[path]


def test_a_complaint_about_a_task_counts_unmarked_rows_too() -> None:
    form = DraftForm.of_spec(spec(), "plants")
    first, second, third = form.tasks
    form = refused(replace(form, tasks=(replace(first, on=False), second, replace(third, type="number"))))
    assert list(form.errors) == ["tasks[2].type"]


def test_without_a_marked_task_nothing_can_be_asked() -> None:
    form = DraftForm.of_spec(spec(), "plants")
    form = refused(replace(form, tasks=tuple(replace(row, on=False) for row in form.tasks)))
    assert list(form.errors) == ["tasks"]


@pytest.mark.parametrize(
    "rest", ["budget: {inference: 9}", "tasks: []", "data: {source: other}", "[a, b]", "a: *b", "a: [", "data: x"]
)
def test_what_cannot_stand_in_everything_else_is_refused_there(rest: str) -> None:
    form = refused(replace(DraftForm.of_spec(spec(), "plants"), rest=rest))
    assert list(form.errors) == ["rest"]


def test_a_complaint_about_a_key_without_a_field_names_the_key() -> None:
    form = refused(replace(DraftForm.of_spec(spec(), "plants"), rest="evidence: {splits: 0}"))
    assert list(form.errors) == ["rest"]
    assert form.errors["rest"].startswith("Evidence.splits")


def test_a_complaint_about_no_key_at_all_stands_above_the_form() -> None:
    form = DraftForm.of_spec(spec(), "plants").refused(SpecError("the table is damaged", where="plants.csv:3"))
    assert form.errors == {"": "Plants.csv:3: the table is damaged"}


def test_whatever_is_sent_is_read_without_an_error() -> None:
    form = DraftForm.of_form([("task-name", "a"), ("task-on", "7"), ("name", "x"), ("name", "y"), ("junk", "\x00")])
    assert form.tasks == ()
    assert form.values["name"] == "x"


def test_an_empty_optional_field_is_left_out_of_the_spec() -> None:
    form = changed("budget.max_networks", "")
    assert "max_networks" not in form.document()["budget"]
    assert isinstance(spec_from(form.document()), Spec)


def test_a_task_keeps_its_column_apart_from_its_name() -> None:
    form = replace(DraftForm.of_spec(spec(), "plants"), tasks=(TaskRow("rain", "y_rain", "binary", weight="0.5"),))
    task = spec_from(form.document()).tasks[0]
    assert (task.name, task.column, task.weight) == ("rain", "y_rain", 0.5)
