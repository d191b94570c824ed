"""What a task is called and what it is: names that are safe everywhere, types, weights and roles."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from grouping.errors import InputError

__all__ = [
    "SEPARATOR",
    "Metric",
    "Role",
    "Task",
    "TaskType",
    "check_metric",
    "check_task_name",
    "check_task_names",
    "nearest_name",
]

TaskType = Literal["regression", "binary", "multiclass"]
Role = Literal["main", "auxiliary"]
Metric = Literal["loss", "absolute error", "error rate"]
"""What a task is judged by: its training loss, or an error that goes with its type. Lower is better."""

_ERRORS: dict[TaskType, Metric] = {"regression": "absolute error", "binary": "error rate", "multiclass": "error rate"}

SEPARATOR = "+"
"""Joins task names into the name of a network, so no task name may contain it."""

_LONGEST_NAME = 200
# Characters that change how the *rest* of a line is displayed: a name could then pretend to be another.
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@dataclass(frozen=True)
class Task:
    """One output of the networks.

    Args:
        name: Unique among the tasks, also after Unicode normalisation and case folding.
        type: What is predicted; decides the training loss and the natural metrics.
        weight: Share of the task in the objective, positive.
        role: ``auxiliary`` tasks are trained for the others' sake and never served.
        metric: What networks are compared on; they are always trained on the loss.
    """

    name: str
    type: TaskType = "regression"
    weight: float = 1.0
    role: Role = "main"
    metric: Metric = "loss"

    def __post_init__(self) -> None:
        check_task_name(self.name)
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise InputError(
                f"weight {self.weight} of task '{self.name}' is not a positive finite number",
                where=f"tasks.{self.name}.weight",
                fix="Give a weight above 0, or role: auxiliary for a task that is never served",
            )
        check_metric(self.name, self.type, self.metric, f"tasks.{self.name}.metric")


def check_task_name(name: str, where: str = "tasks") -> None:
    """Refuse names that cannot be shown, joined or written to a file safely.

    Raises:
        InputError: empty, over 200 characters, control or direction-changing characters, surrounding blanks, ``+``.
    """
    if not name.strip():
        raise InputError("a task name is empty", where=where, fix="Name every task")
    if len(name) > _LONGEST_NAME:
        raise InputError(
            f"a task name has {len(name)} characters, at most {_LONGEST_NAME} are allowed: '{name[:20]}...'",
            where=where,
            fix="Shorten it",
        )
    if name != name.strip():
        raise InputError(f"task name {name!r} starts or ends with a blank", where=where, fix="Strip it")
    if SEPARATOR in name:
        raise InputError(
            f"task name {name!r} contains '{SEPARATOR}', which joins task names into network names",
            where=where,
            fix=f"Rename it, for example {name.replace(SEPARATOR, '_')!r}",
        )
    for character in name:
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in _BIDIRECTIONAL:
            raise InputError(
                f"task name {name!a} contains the control character {character!a}",
                where=where,
                fix="Use printable characters only",
            )


def check_metric(name: str, kind: TaskType, metric: Metric, where: str) -> None:
    """Refuse a metric that is not defined for the type of its task.

    Raises:
        InputError: ``absolute error`` without regression, or ``error rate`` without classes.
    """
    if metric != "loss" and metric != _ERRORS[kind]:
        raise InputError(
            f"the metric '{metric}' does not go with task '{name}', whose type is {kind}",
            where=where,
            fix=f"Use metric: {_ERRORS[kind]}, or leave it out to judge by the training loss",
        )


def check_task_names(names: Sequence[str], where: str = "tasks") -> None:
    """Check every name, and that no two are equal after normalisation (NFC) and case folding.

    Raises:
        InputError: a bad name, or two names nobody could tell apart.
    """
    seen: dict[str, str] = {}
    for name in names:
        check_task_name(name, where)
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            twin = seen[key]
            how = "appears twice" if twin == name else f"cannot be told from '{twin}' (only case or accents differ)"
            raise InputError(f"task name '{name}' {how}", where=where, fix="Rename one of them")
        seen[key] = name


def nearest_name(name: str, known: Iterable[str]) -> str:
    """A sentence that helps after a wrong name: the nearest known one, or the list of them."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return f"Known: {shown}" if names else "None is known"
