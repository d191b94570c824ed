"""Every way a spec file can be wrong gives one message with file, line or field, and the way out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.documents import read_spec, spec_from
from search.errors import SpecError
from tests.search.messages import assert_one_clear_message

GOOD = """\
name: demo
data: {source: nyc-weather}
tasks:
  - {name: temp, type: regression}
  - {name: rain, type: binary}
training: {epochs: 3, learning_rate: 1e-3, seeds: 3}
budget: {inference: 3}
"""

# id (number in the list of bad inputs, where it has one): document, place, words
DOCUMENTS: dict[str, tuple[str | bytes, str, tuple[str, ...]]] = {
    "1-empty": ("", "spec.yaml", ("is empty",)),
    "1-only-comments": ("# nothing\n", "spec.yaml", ("is empty",)),
    "2-null": ("null", "spec.yaml", ("is empty",)),
    "3-list-at-the-top": ("[1, 2]", "spec.yaml", ("list",)),
    "3-text-at-the-top": ("hello", "spec.yaml", ("mapping",)),
    "5-utf-16": (GOOD.encode("utf-16"), "spec.yaml", ("UTF-16", "UTF-8")),
    "6-invalid-utf-8": (b"name: demo\nx: \xff\n", "spec.yaml:2", ("0xff",)),
    "two-documents": (f"{GOOD}---\n{GOOD}", "spec.yaml:8", ("more than one document",)),
    "not-yaml": (f"{GOOD}evidence: [1, 2\n", "spec.yaml", ("is not YAML",)),
    "tabs": ("name:\n\t- demo\n", "spec.yaml:2", ("tabs",)),
    "S6-tag": (GOOD.replace("demo", "!!python/object/apply:os.system [id]"), "spec.yaml:1", ("tag",)),
    "S6-anchor": (GOOD.replace("demo", "&a demo"), "spec.yaml:1", ("anchor",)),
    "S6-alias": (GOOD.replace("demo", "*a"), "spec.yaml:1", ("alias",)),
    "S6-billion-laughs": ("a: &a [x, x]\nb: &b [*a, *a]\nname: [*b, *b]\n", "spec.yaml:1", ("anchor",)),
    "S6-too-large": (GOOD + "#" * 1_000_000, "spec.yaml", ("1,000,000",)),
    "63-deep": ("[" * 100_000, "spec.yaml", ("nested",)),
    "63-deep-blocks": ("\n".join(" " * n + "a:" for n in range(60)), "spec.yaml", ("nested",)),
    "long-text": (GOOD.replace("demo", "d" * 20_000), "spec.yaml:1, name", ("20,000",)),
    "list-as-key": ("? [a]\n: 1\n", "spec.yaml:1", ("key",)),
}

JSON_DOCUMENTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "7-lone-surrogate": (
        r'{"name": "\ud800", "data": {"source": "x"}, "budget": {"inference": 1}}',
        "name",
        ("control",),
    ),
    "8-duplicate-keys": ('{"name": "a", "name": "b"}', "spec.json", ("'name'", "twice")),
    "27-nan": ('{"name": "a", "data": {"source": "x"}, "budget": {"inference": NaN}}', "budget.inference", ("finite",)),
    "28-infinity": ('{"name": "a", "budget": {"inference": Infinity}}', "budget.inference", ("infinite",)),
    "29-1e999": ('{"name": "a", "budget": {"inference": 1e999}}', "budget.inference", ("infinite",)),
    "30-5000-digits": (f'{{"name": "a", "budget": {{"inference": {"9" * 5000}}}}}', "budget.inference", ("infinite",)),
    "63-100,000-deep": ("[" * 100_000 + "]" * 100_000, "spec.json", ("nested",)),
    "63-100-deep": ('{"name": ' + "[" * 100 + "]" * 100 + "}", "name", ("nested",)),
    "not-json": ('{"name": }', "spec.json:1", ("is not JSON",)),
}

# id: what is replaced in GOOD, by what, place, words
FIELDS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "8-duplicate-key": ("name: demo", "name: demo\nname: again", "spec.yaml:2", ("twice", "line 1")),
    "8-duplicate-nested-key": ("epochs: 3", "epochs: 3, epochs: 4", "training", ("'epochs'",)),
    "9-unknown-key": ("budget:", "bugdet:", "bugdet", ("Did you mean 'budget'?",)),
    "9-unknown-nested-key": ("epochs: 3", "epoch: 3", "training.epoch", ("Did you mean 'epochs'?",)),
    "9-unknown-key-in-a-list": ("type: binary", "typ: binary", "tasks[1].typ", ("Did you mean 'type'?",)),
    "9-merge-key": ("epochs: 3", "<<: {epochs: 3}", "training", ("unknown key '<<'",)),
    "11-no-tasks": (
        "tasks:\n  - {name: temp, type: regression}\n  - {name: rain, type: binary}",
        "tasks: []",
        "tasks",
        ("empty",),
    ),
    "missing-budget": ("budget: {inference: 3}", "", "budget", ("'budget' is missing",)),
    "14-duplicate-names": ("name: rain", "name: temp", "tasks", ("'temp'", "twice")),
    "14-duplicate-names-of-two-targets": ("name: rain", "name: temp, target: y", "tasks", ("twice",)),
    "15-equal-after-case-folding": ("name: rain", "name: TEMP", "tasks", ("cannot be told from",)),
    "15-equal-after-nfc": (
        "{name: temp, type: regression}\n  - {name: rain",
        '{name: "caf\\xe9"}\n  - {name: "cafe\\u0301"',
        "tasks",
        ("cannot be told from",),
    ),
    "16-empty-name": ("name: rain", 'name: ""', "tasks[1].name", ("empty",)),
    "17-newline": ("name: rain", r'name: "ra\nin"', "tasks[1].name", ("control",)),
    "17-tab": ("name: rain", r'name: "ra\tin"', "tasks[1].name", ("control",)),
    "17-ansi": ("name: rain", r'name: "\e[31mrain"', "tasks[1].name", ("control",)),
    "18-path": ("name: rain", "name: ../x", "tasks[1].name", ("path",)),
    "19-right-to-left": ("name: rain", r'name: "ra\u202Ein"', "tasks[1].name", ("control",)),
    "20-very-long": ("name: rain", f"name: {'r' * 5000}", "tasks[1].name", ("5000",)),
    "20-100,000-characters": ("name: rain", f"name: {'r' * 100_000}", "tasks[1].name", ("100,000",)),
    "plus": ("name: rain", "name: a+b", "tasks[1].name", ("'+'", "a_b")),
    "22-formula": ("name: rain", "name: =1+1", "tasks[1].name", ("'=1+1'", "'+'")),
    "23-number-as-name": ("name: rain", "name: 1", "tasks[1].name", ('"1"',)),
    "24-true-as-name": ("name: rain", "name: true", "tasks[1].name", ("truth value", '"true"')),
    "24-null-as-name": ("name: rain", "name: null", "tasks[1].name", ("text",)),
    "24-sexagesimal": ("epochs: 3", "epochs: 1:30", "training.epochs", ("'1:30'", "whole number")),
    "25-budget-0": ("inference: 3", "inference: 0", "budget.inference", ("above 0",)),
    "26-budget-negative": ("inference: 3", "inference: -1", "budget.inference", ("above 0",)),
    "27-nan": ("inference: 3", "inference: .nan", "budget.inference", ("finite",)),
    "27-nan-word": ("inference: 3", "inference: nan", "budget.inference", ("number",)),
    "28-infinity": ("inference: 3", "inference: .inf", "budget.inference", ("infinite",)),
    "29-1e999": ("inference: 3", "inference: 1e999", "budget.inference", ("infinite",)),
    "30-5000-digits": ("inference: 3", f"inference: {'9' * 5000}", "budget.inference", ("infinite",)),
    "30-5000-digits-for-a-whole-number": ("seeds: 3", f"seeds: {'9' * 5000}", "training.seeds", ("too large",)),
    "31-number-as-text": ("epochs: 3", 'epochs: "4"', "training.epochs", ("'4'", "without quotes")),
    "31-budget-as-text": ("inference: 3", 'inference: "4"', "budget.inference", ("without quotes",)),
    "32-true-as-number": ("epochs: 3", "epochs: true", "training.epochs", ("truth value",)),
    "32-true-as-budget": ("inference: 3", "inference: true", "budget.inference", ("truth value",)),
    "34-seed-too-large": ("seeds: 3", f"seed: {2**64}", "training.seed", ("out of range",)),
    "34-seed-negative": ("seeds: 3", "seed: -1", "training.seed", ("at least 0",)),
    "53-unknown-type": ("type: binary", "type: binry", "tasks[1].type", ("Did you mean 'binary'?",)),
    "unknown-metric": ("type: binary", "type: binary, metric: accuracy", "tasks[1].metric", ("'error rate'",)),
    "metric-of-another-type": (
        "type: binary",
        "type: binary, metric: absolute error",
        "tasks[1].metric",
        ("'absolute error'", "'rain'", "binary", "metric: error rate"),
    ),
    "64-rate-0": ("1e-3", "0", "training.learning_rate", ("above 0",)),
    "many-seeds": ("seeds: 3", "seeds: 100000000", "training.seeds", ("at most 1000",)),
    "endless-training": ("epochs: 3", "epochs: 1000000000000", "training.epochs", ("at most",)),
    "huge-width": ("budget:", "network: {widths: [1000000000000]}\nbudget:", "network.widths[0]", ("at most 65536",)),
    "huge-capacity": ("budget:", "network: {capacities: [1e9]}\nbudget:", "network.capacities[0]", ("at most 1000",)),
    "many-draws": ("budget:", "evidence: {draws: 1000000000}\nbudget:", "evidence.draws", ("at most",)),
    "many-workers": ("budget:", "cluster: {workers: 1000000}\nbudget:", "cluster.workers", ("at most 1000",)),
    "65-no-workers": ("budget:", "cluster: {workers: 0}\nbudget:", "cluster.workers", ("at least 1",)),
    "fraction-of-a-seed": ("seeds: 3", "seeds: 2.5", "training.seeds", ("whole number",)),
    "section-is-null": ("training: {epochs: 3, learning_rate: 1e-3, seeds: 3}", "training:", "training", ("mapping",)),
    "section-is-a-list": ("{inference: 3}", "[3]", "budget", ("list", "mapping")),
    "text-for-a-list": ("{source: nyc-weather}", "{source: nyc-weather, inputs: x_*}", "data.inputs", ("list",)),
    "unknown-trunk": ("budget:", "network: {trunk: cmn}\nbudget:", "network.trunk", ("'cmn'", "Did you mean 'cnn'?")),
    "image-for-an-mlp": ("budget:", "network: {image: [1, 8, 8]}\nbudget:", "network.image", ("not images", "cnn")),
    "cnn-of-one-width": ("budget:", "network: {trunk: cnn, widths: [4]}\nbudget:", "network.widths", ("two widths",)),
    "image-too-small": (
        "budget:",
        "network: {trunk: cnn, widths: [4, 4, 4, 4], image: [1, 7, 9]}\nbudget:",
        "network.widths",
        ("leave nothing of an image 1 x 7 x 9", "3 widths at most"),
    ),
    "image-without-channels": (
        "budget:",
        "network: {trunk: cnn, image: [8, 8]}\nbudget:",
        "network.image",
        ("the list has no entry 3",),
    ),
    "unknown-norm": ("budget:", "network: {norm: layer}\nbudget:", "network.norm", ("'layer'",)),
    "dropping-everything": ("budget:", "network: {dropout: 1}\nbudget:", "network.dropout", ("below 1",)),
    "no-widths": ("budget:", "network: {widths: []}\nbudget:", "network.widths", ("at least 1",)),
    "fractions-not-1": (
        "{source: nyc-weather}",
        "{source: x.csv, split: {fractions: [0.5, 0.2, 0.2]}}",
        "data.split",
        ("0.9, not 1",),
    ),
    "two-ways-to-split": (
        "{source: nyc-weather}",
        "{source: x.csv, split: {column: s, fractions: [0.5, 0.3, 0.2]}}",
        "data.split",
        ("exactly one",),
    ),
    "early-stopping-at-the-end": (
        "budget:",
        "affinity: {estimator: early-stopping, fraction: 1.0}\nbudget:",
        "affinity.fraction",
        ("below 1",),
    ),
    "redraw-of-a-column": (
        "{source: nyc-weather}",
        "{source: x.csv, split: {column: s}}\nevidence: {splits: 3}",
        "evidence.splits",
        ("column",),
    ),
    "unknown-task-in-a-group": (
        "budget:",
        "evidence: {grouping: [[temp, rainn]]}\nbudget:",
        "evidence.grouping[0][1]",
        ("Did you mean 'rain'?",),
    ),
    "task-twice-in-a-group": (
        "budget:",
        "candidates: {groups: [[temp, temp], [rain]]}\nbudget:",
        "candidates.groups[0][1]",
        ("twice",),
    ),
    "empty-group": ("budget:", "candidates: {groups: [[]]}\nbudget:", "candidates.groups[0]", ("empty",)),
    "task-in-no-group": ("budget:", "candidates: {groups: [[temp]]}\nbudget:", "candidates.groups", ("'rain'",)),
    "all-auxiliary": (
        "{name: temp, type: regression}\n  - {name: rain, type: binary}",
        "{name: temp, role: auxiliary}",
        "tasks",
        ("auxiliary",),
    ),
    "size-and-groups": (
        "budget:",
        "candidates: {max_size: 2, groups: [[temp, rain]]}\nbudget:",
        "candidates",
        ("not both",),
    ),
}


def _complaint(path: Path) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_spec(path)
    return caught.value


def _write(path: Path, document: str | bytes) -> Path:
    path.write_bytes(document if isinstance(document, bytes) else document.encode())
    return path


@pytest.mark.parametrize(("document", "where", "words"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_document_that_holds_no_spec(
    tmp_path: Path, document: str | bytes, where: str, words: tuple[str, ...]
) -> None:
    assert_one_clear_message(_complaint(_write(tmp_path / "spec.yaml", document)), where, *words)


@pytest.mark.parametrize(("document", "where", "words"), JSON_DOCUMENTS.values(), ids=JSON_DOCUMENTS.keys())
def test_a_json_document_that_holds_no_spec(tmp_path: Path, document: str, where: str, words: tuple[str, ...]) -> None:
    assert_one_clear_message(_complaint(_write(tmp_path / "spec.json", document)), where, *words)


@pytest.mark.parametrize(("old", "new", "where", "words"), FIELDS.values(), ids=FIELDS.keys())
def test_a_wrong_field(tmp_path: Path, old: str, new: str, where: str, words: tuple[str, ...]) -> None:
    assert old in GOOD
    error = _complaint(_write(tmp_path / "spec.yaml", GOOD.replace(old, new)))
    assert_one_clear_message(error, where, *words)
    assert error.where.startswith(f"{tmp_path / 'spec.yaml'}:"), "no line"


def test_one_message_says_how_many_more_there_are(tmp_path: Path) -> None:
    bad = GOOD.replace("epochs: 3", "epochs: 0").replace("inference: 3", "inference: 0")
    assert "1 more problem" in str(_complaint(_write(tmp_path / "spec.yaml", bad)))


def test_values_from_a_request_are_named_by_field_alone() -> None:
    with pytest.raises(SpecError) as caught:
        spec_from({"name": "a", "data": {"source": "x"}, "budget": {"inference": -1}})
    assert caught.value.where == "budget.inference"


def test_61_a_folder(tmp_path: Path) -> None:
    assert_one_clear_message(_complaint(tmp_path), str(tmp_path), "folder")


def test_missing_names_the_nearest_file(tmp_path: Path) -> None:
    _write(tmp_path / "quickstart.yaml", GOOD)
    assert_one_clear_message(_complaint(tmp_path / "quikstart.yaml"), "quikstart", "Did you mean 'quickstart.yaml'?")


def test_59_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "b.yaml")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "a.yaml")
    assert_one_clear_message(_complaint(tmp_path / "a.yaml"), "a.yaml", "cannot be opened")


def test_60_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "spec.yaml")
    assert_one_clear_message(_complaint(tmp_path / "spec.yaml"), "spec.yaml", "not a regular file")


def test_60_a_device_is_not_read() -> None:
    assert_one_clear_message(_complaint(Path("/dev/zero")), "/dev/zero", "not a regular file")


def test_62_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path / "spec.yaml", GOOD)

    def refuse(*_: object, **__: object) -> None:  # root may read everything, so permissions alone would prove nothing
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert_one_clear_message(_complaint(path), "spec.yaml", "cannot be read", "readable")


@pytest.mark.parametrize("name", ["a\0b.yaml", "x" * 300 + ".yaml"], ids=["NUL", "300-bytes"])
def test_a_path_no_file_can_have(tmp_path: Path, name: str) -> None:
    assert_one_clear_message(_complaint(tmp_path / name), "", "cannot be opened")
