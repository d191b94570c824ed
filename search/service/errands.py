"""What the service has done by a process of its own: read a stranger's table, complete a spec by it, solve a table.

``python -m search.service.errands BYTES`` reads one JSON object a line and answers each with one. Tables may crash
their readers, and solving takes a while: neither happens in the process that serves. Nothing is trained here.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from grouping.errors import GroupingError, InputError

__all__ = ["ERRANDS", "main"]

_MOST_FIELDS = 1_000


def describe(file: str, source: str, name: str, targets: Sequence[str] = ()) -> dict[str, Any]:
    """What a table holds, and what its columns seem to be for.

    Args:
        file: Where it is; or, without a suffix, the name of a registered data set.
        source: What a spec calls it.
        name: What people call it.
        targets: Columns that are tasks, where somebody said so.
    """
    from search.data.draft import draft_spec
    from search.data.infer import infer_layout
    from search.data.registry import load_registered
    from search.data.tables import read_source

    table_file = Path(file)
    opened = read_source(table_file) if table_file.suffix else load_registered(file)
    table = opened.table
    about: dict[str, Any] = {
        "rows": len(table),
        "columns": len(table.columns),
        "fields": [
            {"name": str(column), "kind": _kind(table[column], str(column) in opened.images), **_counts(table[column])}
            for column in table.columns[:_MOST_FIELDS]
        ],
    }
    try:
        layout = infer_layout(table, targets) if targets or opened.layout is None else opened.layout
        about |= {
            "inputs": list(layout.inputs),
            "notes": list(layout.notes),
            "tasks": [
                {
                    "name": task.name,
                    "target": task.column,
                    "type": task.type or "regression",
                    "unit": task.unit,
                    "missing": int(table[task.column].isna().sum()),
                }
                for task in layout.tasks
            ],
            "draft": draft_spec(name[:100], source, opened, layout),
        }
    except InputError as error:  # whoever uploaded it knows what its columns are for
        about |= {"inputs": [], "tasks": [], "notes": [f"{error.what}. {error.fix}"], "draft": None}
    return about


def _kind(column: Any, picture: bool) -> str:  # noqa: ANN401 - a pandas column
    import pandas as pd

    from search.data.infer import is_text

    if picture:
        return "picture"
    return "text" if is_text(column) else "number" if pd.api.types.is_numeric_dtype(column.dtype) else "time"


def _counts(column: Any) -> dict[str, int]:  # noqa: ANN401 - a pandas column
    return {"missing": int(column.isna().sum()), "distinct": int(column.nunique())}


def prepare(spec: Mapping[str, Any], base: str, plan: bool) -> dict[str, Any]:
    """A spec with everything filled in, and what it amounts to.

    Args:
        spec: Plain values; ``data.source`` is a registered name or a file in ``base``, ``data.more`` are such files.
        base: Folder of the tables.
        plan: Whether candidates can be counted without code of other packages.
    """
    from search.data.dataset import load_dataset
    from search.data.resolution import resolve
    from search.decision.linear_clusters import plan_for
    from search.decision.plan_record import plan_as_json
    from search.documents import dump_spec, spec_from

    asked = spec_from(dict(spec))
    folder = Path(base)
    resolved = resolve(asked, folder)
    dataset = load_dataset(resolved, folder)
    cost: dict[str, Any] = {"candidates": None, "phases": [], "trainings": None, "warnings": list(dataset.warnings)}
    if plan:
        cost = plan_as_json(plan_for(resolved, dataset), dataset)
    # Paths stay what was asked: where tables are is nobody's business, and may change.
    tables = {"source": asked.data.source, "more": asked.data.more}
    kept = resolved.model_copy(update={"data": resolved.data.model_copy(update=tables)})
    return {**cost, "tasks": [task.name for task in resolved.tasks], "spec": dump_spec(kept)}


def solve(file: str, columns: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of ``taskgroup solve --json``.

    Args:
        file: The table, or a JSON file with its rows.
        columns: Where the losses stand in it.
        options: As ``SolveOptions``.
    """
    from search.questions.ask import SolveOptions, ask, infeasible
    from search.questions.loss_columns import LossColumns

    known = {field.name for field in fields(SolveOptions)}
    assert set(options) <= known, set(options) - known
    found = ask(
        LossColumns(Path(file), columns["loss"], columns["group"], columns["higher_is_better"]), SolveOptions(**options)
    )
    if not found.solutions:
        raise infeasible(found)
    return found.as_json()


ERRANDS: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    "describe": describe,
    "prepare": prepare,
    "solve": solve,
}
"""What can be asked for, by name; arguments are JSON."""


def main() -> None:
    """Answer one line after the other until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to obey
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line)), allow_nan=False) + "\n")
        answers.flush()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"found": _finite(ERRANDS[request["errand"]](**request["arguments"]))}
    except GroupingError as error:
        return {"error": error.as_json()}
    except MemoryError:
        what = "it needs more memory than the operator allows"
        return {"error": {"code": "input", "what": what, "where": "", "fix": "Give fewer rows or columns"}}
    except Exception as error:  # noqa: BLE001 - a defect of ours, told where it can be logged
        return {"defect": f"{type(error).__name__}: {error}"}


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None  # not-a-number compares false too
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


if __name__ == "__main__":
    main()
