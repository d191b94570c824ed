"""What a trainer may report, and that nothing else gets past."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.errors import TrialError
from search.training.foreign.reported import Reported, parse_report, read_report


def read(folder: Path, text: str | bytes, tasks: tuple[str, ...] = ("a", "b")) -> Reported:
    path = folder / "out"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_report(path, tasks)


@pytest.mark.parametrize(
    "text",
    [
        '{"losses": {"b": 2, "a": 1.0}, "test": {"a": 3, "b": 4}}',
        '\ufeff{"test": {"a": 3, "b": 4}, "losses": {"a": 1, "b": 2}}',
        "task,loss,test\nb,2,4\na,1,3\n",
        " task , loss , test\r\na,1,3\r\nb,2,4\r\n",
    ],
)
def test_losses_come_in_the_order_of_the_tasks_from_json_or_csv(tmp_path: Path, text: str) -> None:
    reported = read(tmp_path, text)
    assert reported.curve_TS.tolist() == [[1.0], [2.0]]
    assert not reported.is_curve
    assert reported.test_TS is not None
    assert reported.test_TS.tolist() == [[3.0], [4.0]]


def test_losses_alone_will_do(tmp_path: Path) -> None:
    assert read(tmp_path, '{"a": 1, "b": 2}').test_TS is None
    assert read(tmp_path, "task,loss\na,1\nb,2").curve_TS.tolist() == [[1.0], [2.0]]


def test_tasks_may_have_the_names_of_keys() -> None:
    assert parse_report({"losses": 1, "error": 2}, ("losses", "error")).curve_TS.tolist() == [[1.0], [2.0]]
    assert parse_report({"losses": {"losses": 3}}, ("losses",)).curve_TS.tolist() == [[3.0]]


@pytest.mark.parametrize(
    "text",
    [
        '{"curve": {"a": [3, 2], "b": [5, 4]}, "test": {"a": [1, 2], "b": [3, 4]}}',
        "task,epoch,loss,test\na,2,2,2\nb,1,5,3\na,1,3,1\nb,2,4,4\n",
    ],
)
def test_a_curve_has_a_reading_an_epoch(tmp_path: Path, text: str) -> None:
    reported = read(tmp_path, text)
    assert reported.is_curve
    assert reported.curve_TS.tolist() == [[3.0, 2.0], [5.0, 4.0]]
    assert reported.test_TS is not None
    assert reported.test_TS.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_clusters_and_metrics_come_along() -> None:
    clusters = {"a": {"sums": [1, 2], "counts": [3, 4]}, "b": {"sums": [5, 6], "counts": [0, 4]}}
    metrics = {"a": {"AUC": 0.9, "accuracy": float("nan")}}
    reported = parse_report({"losses": {"a": 1, "b": 2}, "clusters": clusters, "metrics": metrics}, ("a", "b"))
    assert reported.sums_TG is not None
    assert reported.counts_TG is not None
    np.testing.assert_array_equal(reported.sums_TG, [[1, 2], [5, 6]])
    np.testing.assert_array_equal(reported.counts_TG, [[3, 4], [0, 4]])
    assert reported.metrics == {"a": {"AUC": 0.9}, "b": {}}


LOSS = {"b": 2}


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({"losses": {"a": float("nan"), "b": 1}}, "non-finite loss of 'a'"),
        ({"losses": {"a": float("inf"), "b": 1}}, "non-finite loss of 'a'"),
        ({"losses": {"a": float("-inf"), "b": 1}}, "non-finite loss of 'a'"),
        ({"losses": {"a": 10**400, "b": 1}}, "non-finite loss of 'a'"),
        ({"losses": {"a": 1e308, "b": 1}}, r"exploded loss of 'a' \(1e\+308\)"),
        ({"losses": {"a": -0.5, "b": 1}}, "negative loss of 'a'"),
        ({"losses": {"a": "0.5", "b": 1}}, "the loss of 'a' is the text '0.5'"),
        ({"losses": {"a": True, "b": 1}}, "the loss of 'a' is a truth value"),
        ({"losses": {"a": None, "b": 1}}, "the loss of 'a' is nothing"),
        ({"losses": {"a": [1], "b": 1}}, "the loss of 'a' is a list"),
        ({"losses": {"b": 1}}, "the loss of 'a' is missing"),
        ({"losses": {"a": 1, "b": 1, "c": 1}}, "the loss of 'c', which was not to be trained"),
        ({"losses": [1, 2]}, "a list in place of every task's loss"),
        ({"losses": {"a": 1, "b": 2}, "curve": {"a": [1], "b": [2]}}, "losses and a curve"),
        ({"test": {"a": 1, "b": 2}}, "no losses"),
        ({"loss": {"a": 1, "b": 2}}, "it reported 'loss', known are losses"),
        ({"curve": {"a": [1, 2], "b": [1]}}, "2 readings of 'a' and 1 of 'b'"),
        ({"curve": {"a": [], "b": []}}, "the loss of 'a' is a list"),
        ({"curve": {"a": [1, float("nan")], "b": [1, 1]}}, "non-finite loss of 'a' at reading 2"),
        ({"losses": {"a": 1, "b": 2}, "test": {"a": 1}}, "the test loss of 'b' is missing"),
        ({"curve": {"a": [1, 2], "b": [1, 2]}, "test": {"a": [1], "b": [1]}}, "1 test losses a task and 2 validation"),
        ({"losses": {"a": 1, "b": 2}, "clusters": {"a": {"sums": [1]}, "b": {}}}, "the clusters of 'a'"),
        (
            {
                "losses": {"a": 1, "b": 2},
                "clusters": {"a": {"sums": [1], "counts": [1]}, "b": {"sums": [1, 2], "counts": [1, 2]}},
            },
            "1 clusters in one place and 2 in another",
        ),
        (
            {
                "losses": {"a": 1, "b": 2},
                "clusters": {"a": {"sums": [1], "counts": [0]}, "b": {"sums": [1], "counts": [1]}},
            },
            "'a' has no test row",
        ),
        ({"losses": {"a": 1, "b": 2}, "metrics": {"a": {"x\n": 1}}}, "no name to show"),
        ({"losses": {"a": 1, "b": 2}, "metrics": {"c": {"AUC": 1}}}, "the metrics of 'c'"),
        ([1, 2], "it reported a list"),
        (None, "it reported nothing"),
        ({"error": "ValueError: too wide"}, "ValueError: too wide"),
    ],
)
def test_what_is_no_loss_of_each_task_fails_with_its_reason(report: Any, words: str) -> None:
    with pytest.raises(TrialError, match=words) as raised:
        parse_report(report, ("a", "b"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON, nor CSV"),
        ("done\n", "no JSON, nor CSV"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        (b"\xff\xfe{", "cannot be read"),
        ('{"losses": {"a": NaN, "b": 1}}', "non-finite loss of 'a'"),
        ('{"losses": {"a": 1e999, "b": 1}}', "non-finite loss of 'a'"),
        ("task,loss\na,nan\nb,1\n", "non-finite loss of 'a'"),
        ("task,loss\na,low\nb,1\n", "the loss of 'a' is the text 'low'"),
        ("task,loss\na,1\nb\n", "line 3 of its losses"),
        ("task,loss\na,1\nb,2,3\n", "line 3 of its losses"),
        ("task,loss\na,1\na,2\nb,3\n", "the loss of 'a' twice"),
        ("task,loss\n", "the loss of 'a' is missing"),
        ("task,loss,loss\na,1,2\nb,1,2\n", "no JSON, nor CSV"),
        ("task,epoch,loss\na,first,1\nb,1,1\n", "the epoch 'first'"),
    ],
)
def test_a_file_that_is_none_of_both_fails_with_its_reason(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(TrialError, match=words):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_not_a_file_or_too_large(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(TrialError, match="it wrote no losses"):
            read_report(path, ("a",))
    (tmp_path / "large").write_text(json.dumps({"losses": {"a": 1}}))
    with (tmp_path / "large").open("ab") as file:
        file.truncate(60_000_000)
    with pytest.raises(TrialError, match="60,000,000 bytes"):
        read_report(tmp_path / "large", ("a",))
