"""What a foreign trainer reports, read and checked: nothing that is no finite loss of the asked tasks gets past here.

JSON is an object: ``losses`` {task: number} or ``curve`` {task: [number, ...]} (one an epoch), both on validation
rows; ``test`` {task: number, or a list as long as the curve}, or ``clusters`` {task: {sums: [...], counts: [...]}}, the
summed losses and numbers of test rows by cluster; ``metrics`` {task: {name: number}}. ``{task: number}`` alone will do.
CSV has a header with ``task`` and ``loss``, and ``epoch`` for a curve, ``test`` for test losses.

Axes: ``T`` tasks of the network, ``S`` epochs read, ``G`` clusters of test rows.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from grouping.candidates import FloatArray
from search.errors import TrialError
from search.training.foreign.call import OWN_ERROR

__all__ = ["Reported", "parse_report", "read_report"]

_KEYS = ("losses", "curve", "test", "clusters", "metrics")
_LARGEST_FILE = 50_000_000
_LARGEST_LOSS = 1e30
_MOST_METRICS = 50
_LONGEST_NAME = 60
_FIX = 'Write {"losses": {"task": 0.5, ...}, "test": {...}} for exactly the tasks that were trained'


@dataclass(frozen=True, eq=False)
class Reported:
    """Losses of one training.

    Args:
        curve_TS: Validation losses; a single column where no curve was reported.
        is_curve: Whether the columns are epochs.
        test_TS: Test losses, one column or as many as the curve has; None where none were reported.
        sums_TG: Summed losses of test rows by cluster; None where none were reported.
        counts_TG: Test rows by cluster.
        metrics: Natural metrics of tasks, as they were named.
    """

    curve_TS: FloatArray
    is_curve: bool
    test_TS: FloatArray | None = None
    sums_TG: FloatArray | None = None
    counts_TG: FloatArray | None = None
    metrics: Mapping[str, dict[str, float]] = field(default_factory=dict)


def read_report(path: Path, tasks: Sequence[str]) -> Reported:
    """What was written to the file, whether JSON or CSV.

    Raises:
        TrialError: no file, one that cannot be read, or what ``parse_report`` refuses.
    """
    try:
        size = path.stat().st_size if path.is_file() else -1
        if size < 0:
            raise TrialError("it wrote no losses", fix="Write them to the file that {out} names")
        if size > _LARGEST_FILE:
            raise TrialError(f"it wrote {size:,} bytes of losses, at most {_LARGEST_FILE:,} are read")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TrialError(f"its losses cannot be read ({type(error).__name__}: {error})") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith(("{", "[")):
            raise TrialError(f"its losses are no JSON ({error})", fix=_FIX) from None
        data = _from_csv(text)
    return parse_report(data, tasks)


def parse_report(data: object, tasks: Sequence[str]) -> Reported:
    """Losses from plain values.

    Raises:
        TrialError: a task that is missing or surplus; a loss that is no number, not finite, negative or exploded;
            lists of unequal length; an unknown key.
    """
    if not isinstance(data, dict):
        raise TrialError(f"it reported {_kind(data)}, not losses by task", fix=_FIX)
    if isinstance(data.get(OWN_ERROR), str) and OWN_ERROR not in tasks:
        raise TrialError(data[OWN_ERROR])
    if set(data) == set(tasks) and not any(isinstance(value, dict) for value in data.values()):
        data = {"losses": data}
    unknown = next((key for key in data if key not in _KEYS), None)
    if unknown is not None:
        raise TrialError(f"it reported {str(unknown)[:_LONGEST_NAME]!r}, known are {', '.join(_KEYS)}", fix=_FIX)
    if ("losses" in data) == ("curve" in data):
        raise TrialError("it reported " + ("losses and a curve" if "curve" in data else "no losses"), fix=_FIX)
    is_curve = "curve" in data
    curve_TS = _losses(data["curve" if is_curve else "losses"], tasks, "loss", lists=is_curve)
    test_TS = None
    if "test" in data:
        lists = isinstance(data["test"], dict) and any(isinstance(value, list) for value in data["test"].values())
        test_TS = _losses(data["test"], tasks, "test loss", lists=lists)
        if lists and test_TS.shape != curve_TS.shape:
            what = f"it reported {test_TS.shape[1]} test losses a task and {curve_TS.shape[1]} validation losses"
            raise TrialError(what, fix="Report one test loss a task, or one for every reading of the curve")
    sums_TG = counts_TG = None
    if "clusters" in data:
        sums_TG, counts_TG = _clusters(data["clusters"], tasks)
    return Reported(curve_TS, is_curve, test_TS, sums_TG, counts_TG, _metrics(data.get("metrics", {}), tasks))


def _losses(given: object, tasks: Sequence[str], what: str, *, lists: bool) -> FloatArray:
    """Losses of exactly these tasks, [T, S]."""
    by_task = _by_task(given, tasks, what)
    rows = []
    for task in tasks:
        values = by_task[task] if lists else [by_task[task]]
        if not isinstance(values, list) or not values:
            raise TrialError(f"the {what} of '{task}' is {_kind(values)}, a list of numbers is needed", fix=_FIX)
        rows.append([_loss(value, f"{what} of '{task}'", s if lists else 0) for s, value in enumerate(values, 1)])
        if len(rows[-1]) != len(rows[0]):
            what = f"it reported {len(rows[0])} readings of '{tasks[0]}' and {len(rows[-1])} of '{task}'"
            raise TrialError(what, fix="Read all tasks at the same moments")
    return np.array(rows, dtype=float)


def _by_task(given: object, tasks: Sequence[str], what: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise TrialError(f"it reported {_kind(given)} in place of every task's {what}", fix=_FIX)
    missing = next((task for task in tasks if task not in given), None)
    if missing is not None:
        raise TrialError(f"the {what} of '{missing}' is missing", fix=_FIX)
    surplus = next((task for task in given if task not in tasks), None)
    if surplus is not None:
        name = str(surplus)[:_LONGEST_NAME]
        raise TrialError(f"it reported the {what} of {name!r}, which was not to be trained", fix="Train {tasks} only")
    return given


def _loss(value: object, what: str, reading: int) -> float:
    number = _number(value, what)
    at = f" at reading {reading}" if reading else ""
    if not math.isfinite(number):
        raise TrialError(f"non-finite {what}{at} ({number})", fix="Look at the inputs or lower the learning rate")
    if number > _LARGEST_LOSS:
        raise TrialError(f"exploded {what}{at} ({number:.3g})", fix="Lower the learning rate")
    if number < 0:
        what = f"negative {what}{at} ({number:.3g})"
        raise TrialError(what, fix="Report losses that are 0 at best: they are divided by the task's own alone")
    return number


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TrialError(f"the {what} is {_kind(value)}, a number is needed", fix=_FIX)
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _clusters(given: object, tasks: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Sums and counts, [T, G] each."""
    by_task = _by_task(given, tasks, "test losses by cluster")
    sums, counts = list[list[float]](), list[list[float]]()
    for task in tasks:
        own = by_task[task]
        if not isinstance(own, dict) or set(own) != {"sums", "counts"}:
            what = f"the clusters of '{task}' are {_kind(own)}, sums and counts are needed"
            raise TrialError(what, fix='Write {"sums": [12.3, ...], "counts": [40, ...]}')
        for name, rows in (("sums", sums), ("counts", counts)):
            if not isinstance(own[name], list) or not own[name]:
                raise TrialError(f"the {name} of the clusters of '{task}' are {_kind(own[name])}, not numbers")
            rows.append([_loss(value, f"{name[:-1]} of a cluster of '{task}'", 0) for value in own[name]])
    lengths = {len(row) for row in (*sums, *counts)}
    if len(lengths) > 1:
        raise TrialError(f"it reported {min(lengths)} clusters in one place and {max(lengths)} in another")
    sums_TG, counts_TG = np.array(sums, np.float64), np.array(counts, np.float64)
    empty = np.flatnonzero(counts_TG.sum(axis=1) == 0)
    if len(empty):
        raise TrialError(f"'{tasks[empty[0]]}' has no test row in any cluster")
    return sums_TG, counts_TG


def _metrics(given: object, tasks: Sequence[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {task: {} for task in tasks}
    if not isinstance(given, dict):
        raise TrialError(f"its metrics are {_kind(given)}, not numbers by task and name")
    for task, own in given.items():
        if task not in found or not isinstance(own, dict) or len(own) > _MOST_METRICS:
            raise TrialError(f"the metrics of {str(task)[:_LONGEST_NAME]!r} are none of a task's, or too many")
        for name, value in own.items():
            if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
                raise TrialError(f"the metric {name[:_LONGEST_NAME]!r} of '{task}' has no name to show")
            number = _number(value, f"metric {name} of '{task}'")
            if math.isfinite(number):  # one that is not defined (AUC of a single class) is left out
                found[task][name] = number
    return found


def _from_csv(text: str) -> dict[str, Any]:
    """The same values as JSON would hold; texts that are no numbers stay texts, and are refused as such."""
    reader = csv.DictReader(text.splitlines())
    columns = [str(name).strip() for name in reader.fieldnames or ()]
    unknown = next((name for name in columns if name not in {"task", "loss", "epoch", "test"}), None)
    if unknown is not None or not {"task", "loss"} <= set(columns) or len(columns) != len(set(columns)):
        shown = ", ".join(columns)[:_LONGEST_NAME]
        raise TrialError(f"its losses are no JSON, nor CSV with the columns task and loss ({shown!r})", fix=_FIX)
    reader.fieldnames = columns
    found: dict[str, dict[str, list[tuple[float, Any]]]] = {"loss": {}, "test": {}}
    for line, row in enumerate(reader, 2):
        if None in row or None in row.values():
            raise TrialError(f"line {line} of its losses has not {len(columns)} cells")
        task, at = row["task"].strip(), _parsed(row.get("epoch", "0"))
        if not isinstance(at, float):
            raise TrialError(f"line {line} of its losses has the epoch {row['epoch'][:_LONGEST_NAME]!r}")
        for name in found:
            if name in columns:
                found[name].setdefault(task, []).append((at, _parsed(row[name])))
    for task, read in found["loss"].items():
        if len({at for at, _ in read}) != len(read):
            raise TrialError(f"it reported the loss of '{task}' twice")
    if "epoch" not in columns:
        single = {name: {task: read[0][1] for task, read in by.items()} for name, by in found.items()}
        return {"losses": single["loss"], **({"test": single["test"]} if "test" in columns else {})}
    lists = {
        name: {task: [value for _, value in sorted(read, key=lambda pair: pair[0])] for task, read in by.items()}
        for name, by in found.items()
    }
    return {"curve": lists["loss"], **({"test": lists["test"]} if "test" in columns else {})}


def _parsed(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {value[:_LONGEST_NAME]!r}"
    names = {bool: "a truth value", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")
