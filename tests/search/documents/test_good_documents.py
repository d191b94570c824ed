"""What a spec file may hold: legal oddities are read as they are meant, and writing a spec loses nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.errors import InputError
from grouping.tasks import check_task_name
from search.documents import dump_spec, read_spec, spec_from
from search.documents.parsing import parse_yaml
from search.errors import SpecError
from search.spec import Spec
from tests.search.documents.test_bad_documents import GOOD


def _read(tmp_path: Path, text: str | bytes, name: str = "spec.yaml") -> Spec:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_spec(path)


def test_the_plain_case(tmp_path: Path) -> None:
    spec = _read(tmp_path, GOOD)
    assert [task.name for task in spec.tasks] == ["temp", "rain"]
    assert spec.training.learning_rate == 0.001


def test_4_a_byte_order_mark_changes_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()) == _read(tmp_path, GOOD)


def test_4_a_byte_order_mark_before_json(tmp_path: Path) -> None:
    json = '{"name": "demo", "data": {"source": "nyc-weather"}, "budget": {"inference": 3}}'
    assert _read(tmp_path, b"\xef\xbb\xbf" + json.encode(), "spec.json").budget.inference == 3


def test_47_line_ends_of_windows_change_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path, GOOD.replace("\n", "\r\n")) == _read(tmp_path, GOOD)


def test_10_tasks_may_be_left_out(tmp_path: Path) -> None:
    assert _read(tmp_path, "name: a\ndata: {source: nyc-weather}\nbudget: {inference: 3}\n").tasks == ()


def test_12_one_task_is_enough(tmp_path: Path) -> None:
    assert len(_read(tmp_path, GOOD.replace("  - {name: rain, type: binary}\n", "")).tasks) == 1


def test_13_hundreds_of_tasks_are_legitimate() -> None:
    tasks = [{"name": f"assay {n}"} for n in range(617)]
    spec = spec_from({"name": "toxcast", "data": {"source": "x.csv"}, "tasks": tasks, "budget": {"inference": 3}})
    assert len(spec.tasks) == 617


@pytest.mark.parametrize("name", ["no", "on", "1:30", "NA", "nan", "=1*1", "0x10", "1_000"])
def test_24_names_that_older_yaml_takes_for_something_else(tmp_path: Path, name: str) -> None:
    assert _read(tmp_path, GOOD.replace("name: rain", f"name: {name}")).tasks[1].name == name


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "0.001", "1E-03", ".001", "+1e-3"])
def test_24_numbers_as_people_write_them(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, GOOD.replace("1e-3", text)).training.learning_rate == 0.001


def test_lines_are_known_for_every_value() -> None:
    lines = parse_yaml(GOOD).lines
    assert lines["tasks", 1, "name"] == 5
    assert lines["budget", "inference"] == 7


def _is_legal(name: str) -> bool:
    with suppress(InputError):
        check_task_name(name)
        return not set(name) & set("/\\") and name not in {".", ".."}
    return False


names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
tasks = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.one_of(
                st.sampled_from(["no", "1e-3", "1:30", "null", "~", "0", "a: b", "-", "#", "<<"]),
                names.filter(_is_legal),
            )
        },
        optional={
            "type": st.sampled_from(["regression", "binary", "multiclass"]),
            "weight": st.floats(1e-300, 1e300),
            "unit": st.sampled_from(["%", "°F", "1e3", ""]),
        },
    ),
    unique_by=lambda task: normalize("NFC", str(task["name"])).casefold(),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(tasks=tasks, rate=st.floats(1e-12, 10.0), seed=st.integers(0, 2**63 - 1), fold=st.none() | st.integers(1, 99))
def test_writing_and_reading_a_spec_is_the_identity(
    tmp_path_factory: pytest.TempPathFactory, tasks: list[dict[str, object]], rate: float, seed: int, fold: int | None
) -> None:
    data = {"source": "data/x.csv", "inputs": ["x_*", "no"], "fold": fold, "split": {"fractions": [0.5, 0.25, 0.25]}}
    document: dict[str, object] = {
        "name": "1e-3",
        "data": data,
        "budget": {"inference": 3, "training": {"minutes": 1.5}},
    }
    document |= {"training": {"learning_rate": rate, "seed": seed}} | ({"tasks": tasks} if tasks else {})
    spec = spec_from(document)
    path = tmp_path_factory.mktemp("spec") / "spec.yaml"
    path.write_text(dump_spec(spec), encoding="utf-8")
    assert read_spec(path) == spec


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_no_text_gives_anything_but_a_spec_or_a_complaint(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "spec.yaml"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    with suppress(SpecError):  # any other error fails the test
        read_spec(path)
