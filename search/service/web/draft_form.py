"""A spec as a form: the fields most people touch, and everything else as YAML, so that nothing is lost on the way.

From a spec to texts, from texts to the plain values that ``search.documents.spec_from`` checks, and from its complaint
back to the field it is about.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import yaml

from grouping.errors import GroupingError
from grouping.tasks import Metric, Role, TaskType
from search.documents.parsing import parse_yaml, plain_scalar
from search.errors import SpecError
from search.spec import Spec

__all__ = ["CHOICES", "FIELDS", "DraftForm", "Field", "TaskRow"]


@dataclass(frozen=True)
class Field:
    """One field: where in the spec it stands, what it is called, and what a newcomer should know.

    ``several`` fields hold a list, written with commas; ``choices`` are value and words.
    """

    path: str
    label: str
    hint: str
    several: bool = False
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """Its name in the form and, in the page, its id."""
        return self.path.replace(".", "-")


CHOICES: Final = {
    "estimator": (
        ("higher-order", "Train single tasks and pairs, estimate larger groups (default)"),
        ("measured", "Train every group: exact, and much dearer"),
        ("adaptive", "Train what promises to improve the choice, within a number of trainings"),
        ("early-stopping", "Train every group for a quarter of the epochs"),
        ("linear-surrogate", "Train random groups, estimate the others from them"),
        ("look-ahead", "Estimate from looks ahead in one training of all tasks"),
        ("first-order", "Estimate from gradients in one training of all tasks"),
        ("cosine", "Estimate from angles between gradients in one training of all tasks"),
        ("linearised", "Estimate from one linearised training of all tasks"),
    ),
    "unit": (
        ("snt", "standard network times (SNT)"),
        ("flops", "FLOPs per row"),
        ("parameters", "parameters"),
        ("latency_ms", "milliseconds per row"),
    ),
    "trunk": (
        ("mlp", "mlp: layers of neurons"),
        ("resmlp", "resmlp: layers with shortcuts"),
        ("cnn", "cnn: for pictures"),
        ("resnet", "resnet: for pictures, with shortcuts"),
    ),
    "type": (("", "as it looks"), ("regression", "regression"), ("binary", "binary"), ("multiclass", "multiclass")),
    "role": (("main", "main"), ("auxiliary", "auxiliary")),
    "metric": (("loss", "loss"), ("absolute error", "absolute error"), ("error rate", "error rate")),
}

FIELDS: Final = (
    Field("name", "Name of the run", "So that you find it again. Any text."),
    Field(
        "data.inputs",
        "Inputs",
        "Columns or patterns such as x_*, separated by commas. Tasks are never inputs.",
        several=True,
    ),
    Field("network.trunk", "Kind of network", "What the tasks of a group share.", choices=CHOICES["trunk"]),
    Field(
        "network.widths",
        "Widths",
        "Neurons of each layer of the standard network. That network's cost is 1 SNT.",
        several=True,
    ),
    Field(
        "network.capacities",
        "Sizes to try, in SNT",
        "1 is the standard network; 3 one three times as dear. Separated by commas.",
        several=True,
    ),
    Field("training.epochs", "Epochs", "How often each training sees all rows."),
    Field("training.batch_size", "Batch size", "Rows in one step."),
    Field("training.learning_rate", "Learning rate", "Step size of Adam."),
    Field(
        "training.seeds", "Seeds of the search", "Each network is trained so often. Below 3 nothing is told from noise."
    ),
    Field("evidence.seeds", "Fresh seeds", "They confirm the choice on rows it was not made on."),
    Field(
        "affinity.estimator",
        "How losses of groups are found",
        "What is trained before the choice is made. What is chosen is always trained and confirmed.",
        choices=CHOICES["estimator"],
    ),
    Field("budget.inference", "Serving may cost", "All networks together. One standard network costs 1 SNT."),
    Field("budget.unit", "Unit", "What the budget is counted in.", choices=CHOICES["unit"]),
    Field("budget.max_networks", "Networks at most", "Leave empty for as many as the budget holds."),
    Field(
        "budget.training.trainings",
        "Trainings of the search at most",
        "Leave empty for as many as the way above needs.",
    ),
)
"""Every field but the tasks, in the order of the page."""

_TASK_KEYS = ("name", "target", "type", "role", "weight", "metric", "unit")
_OPTIONAL = frozenset({"budget.max_networks", "budget.training.trainings", "data.inputs"})
_TASK_PATH = re.compile(r"tasks\[(\d+)\](?:\.(\w+))?")
_REST = "rest"
_MOST_TASKS = 1_000


@dataclass(frozen=True)
class TaskRow:
    """One task as texts; ``on`` says whether it takes part."""

    name: str
    target: str
    type: TaskType | str
    role: Role | str = "main"
    weight: str = "1"
    metric: Metric | str = "loss"
    unit: str = ""
    on: bool = True


@dataclass(frozen=True)
class DraftForm:
    """What stands in the form.

    Args:
        source: ``data.source``: a registered name, or the id of an uploaded table.
        values: Text of every field by its path.
        tasks: The tasks.
        rest: All other keys of the spec, as YAML.
        errors: What is wrong, by field path, by ``tasks[2].type``, or by the empty text for the whole.
    """

    source: str
    values: Mapping[str, str]
    tasks: tuple[TaskRow, ...]
    rest: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_spec(cls, spec: Spec, source: str) -> DraftForm:
        """The form that a spec fills in."""
        data = spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        whole = spec.model_dump(mode="json", exclude_none=True)
        data.pop("tasks", None)
        _take(data, "data.source")
        values = {}
        for one in FIELDS:
            _take(data, one.path)
            values[one.path] = _shown(_look_up(whole, one.path))
        tasks = tuple(
            TaskRow(t.name, t.column, t.type or "", t.role, f"{t.weight:g}", t.metric, t.unit) for t in spec.tasks
        )
        return cls(source, values, tasks, _as_yaml(_pruned(data)))

    @classmethod
    def of_form(cls, items: Sequence[tuple[str, str]]) -> DraftForm:
        """The form that a browser sent, whatever it sent."""
        given: dict[str, str] = {}
        columns: dict[str, list[str]] = {key: [] for key in _TASK_KEYS}
        on: set[str] = set()
        for key, text in items:
            if key == "task-on":
                on.add(text)
            elif key.startswith("task-") and key.removeprefix("task-") in columns:
                columns[key.removeprefix("task-")].append(text)
            else:
                given.setdefault(key, text)
        n_rows = min(_MOST_TASKS, *(len(column) for column in columns.values()))
        tasks = tuple(TaskRow(**{key: columns[key][i] for key in _TASK_KEYS}, on=str(i) in on) for i in range(n_rows))
        return cls(
            source=given.get("source", ""),
            values={one.path: given.get(one.key, "").strip() for one in FIELDS},
            tasks=tasks,
            rest=given.get(_REST, "").replace("\r\n", "\n"),
        )

    def document(self) -> dict[str, Any]:
        """Plain values of the whole spec, unchecked.

        Raises:
            SpecError: the YAML of everything else is none, or says again what has a field of its own.
        """
        data = self._rest()
        for one in FIELDS:
            text = self.values.get(one.path, "")
            if not text and one.path in _OPTIONAL:
                continue
            value: object = [plain_scalar(part) for part in _parts(text)] if one.several else plain_scalar(text)
            if one.path in {"name", "data.inputs"}:
                value = _parts(text) if one.several else text
            _put(data, one.path, value)
        if self.source:
            _put(data, "data.source", self.source)
        data["tasks"] = [self._task(row) for row in self.tasks if row.on]
        if not data["tasks"]:
            raise SpecError("no task is marked", where="tasks", fix="Mark the tasks that take part")
        return data

    def refused(self, error: GroupingError) -> DraftForm:
        """The same form with the complaint beside the field it is about."""
        text = f"{error.what}. {error.fix}" if error.fix else error.what
        place = self._place(error.where)
        if place in {"", _REST} and error.where not in {"", _REST}:
            text = f"{error.where}: {text}"
        return replace(self, errors={place: text[:1].upper() + text[1:]})

    def _rest(self) -> dict[str, Any]:
        try:
            data = parse_yaml(self.rest).data if self.rest.strip() else {}
        except SpecError as error:
            raise SpecError(error.what, where=_REST, fix=error.fix) from None
        if not isinstance(data, dict):
            raise SpecError("holds no keys of a spec", where=_REST, fix="Write lines such as evidence: {splits: 2}")
        twice = [one.path for one in FIELDS if _look_up(data, one.path) is not None]
        twice += [key for key in ("tasks", "data.source") if _look_up(data, key) is not None]
        if twice:
            raise SpecError(f"'{twice[0]}' has a field of its own", where=_REST, fix="Remove it here")
        return data

    def _task(self, row: TaskRow) -> dict[str, object]:
        task: dict[str, object] = {"name": row.name, "role": row.role, "metric": row.metric}
        if row.type:
            task["type"] = row.type
        task["weight"] = plain_scalar(row.weight.strip() or "1")
        if row.target != row.name:
            task["target"] = row.target
        return task | ({"unit": row.unit} if row.unit else {})

    def _place(self, where: str) -> str:
        """The field that a message is about: its own, the nearest one above it, or none."""
        found = _TASK_PATH.match(where)
        if found:
            marked = [i for i, row in enumerate(self.tasks) if row.on]
            index = int(found[1])
            if index < len(marked):
                return f"tasks[{marked[index]}].{found[2] or 'name'}"
            return "tasks"
        if where.startswith("tasks"):
            return "tasks"
        known = {one.path for one in FIELDS} | {_REST}
        parts = re.sub(r"\[\d+\]", "", where).split(".")
        for n in range(len(parts), 0, -1):
            path = ".".join(parts[:n])
            if path in known:
                return path
        return _REST if parts[0] in Spec.model_fields else ""


def _parts(text: str) -> list[str]:
    """What stands between commas; a name that holds one is quoted, as in CSV."""
    rows = list(csv.reader([text.replace("\n", " ")], skipinitialspace=True))
    return [part.strip() for row in rows for part in row if part.strip()]


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        parts = [_shown(one) for one in value]
        quoted = ['"' + part.replace('"', '""') + '"' if set(part) & set(',"') else part for part in parts]
        return ", ".join(quoted)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _look_up(data: object, path: str) -> object:
    for key in path.split("."):
        if not isinstance(data, dict) or key not in data:
            return None
        data = data[key]
    return data


def _take(data: dict[str, Any], path: str) -> None:
    """Remove what stands at a path, if anything does."""
    *sections, last = path.split(".")
    inner: Any = data
    for key in sections:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(last, None)


def _put(data: dict[str, Any], path: str, value: object) -> None:
    *sections, last = path.split(".")
    for key in sections:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):
            raise SpecError(f"'{key}' holds a single value, a section is needed", where=_REST, fix="Indent its keys")
        data = inner
    data[last] = value


def _pruned(data: dict[str, Any]) -> dict[str, Any]:
    """The same without empty sections."""
    kept = {key: _pruned(value) if isinstance(value, dict) else value for key, value in data.items()}
    return {key: value for key, value in kept.items() if value != {}}


def _as_yaml(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, default_flow_style=None) if data else ""
