"""``taskgroup init``: look at a table, guess what its columns are for, and write a spec to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, print_result, warn

if TYPE_CHECKING:
    from search.data.dataset import Dataset
    from search.data.layout import Layout

__all__ = ["init"]


def init(
    data: Annotated[str, typer.Argument(help="CSV, Parquet or npz file, or nyc-weather, synthetic, synthetic-faces.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="SPEC", help="Default: NAME.yaml.")] = None,
    targets: Annotated[
        list[str] | None, typer.Option(help="Target columns or globs, separated by commas; may be repeated.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the spec if it is there.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a commented spec for a table: inputs, tasks, types and split are guessed from its columns."""
    from search.data.blanks import blanks
    from search.data.dataset import load_dataset
    from search.data.draft import draft_spec
    from search.data.infer import infer_layout
    from search.data.layout import match_columns
    from search.data.registry import is_registered
    from search.data.resolution import open_source
    from search.documents.parsing import parse_yaml
    from search.documents.reading import spec_from
    from search.spec import DataSpec

    name = data if is_registered(data) else Path(data).stem
    file = output if output is not None else Path(f"{name}.yaml")
    _check_output(file, force=force)
    source = open_source(DataSpec(source=data or "."))
    layout = source.layout
    patterns = [part.strip() for option in targets or [] for part in option.split(",") if part.strip()]
    if layout is None or patterns:
        layout = infer_layout(source.table, patterns)
    text = draft_spec(name[:100], _source_in(file, data), source, layout)
    names = [str(name) for name in source.table.columns]
    read = [name for name in layout.inputs if name not in source.images]
    used = match_columns(read, names, "inputs") if read else []
    missing = blanks(source.table, [task.target or task.name for task in layout.tasks], used)
    dataset = load_dataset(spec_from(parse_yaml(text).data), file.parent)  # what is written runs: this very text did
    _write(file, text)
    for warning in dataset.warnings:
        warn(warning)
    if as_json:
        emit_json(_summary(file, dataset, layout, missing))
        return
    print_result(_story(file, dataset, layout, missing) if not quiet else str(file))


def _check_output(file: Path, *, force: bool) -> None:
    from grouping.errors import InputError

    if file.is_dir():
        raise InputError("is a folder", where=str(file), fix="Name a file: -o spec.yaml")
    if file.exists() and not force:
        raise InputError("is there already", where=str(file), fix="Choose another name with -o, or add --force")
    if not file.parent.is_dir():
        raise InputError(f"there is no folder {file.parent}", where=str(file), fix="Create it first")


def _source_in(file: Path, data: str) -> str:
    """How the spec names the data: relative paths start from the spec's folder, not from where ``init`` was called."""
    import os

    from search.data.registry import is_registered

    if is_registered(data) or "${" in data or Path(data).is_absolute():
        return data
    return Path(os.path.relpath(data, file.parent)).as_posix()


def _write(file: Path, text: str) -> None:
    from search.errors import DiskError

    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DiskError(f"cannot be written: {error.strerror}", where=str(file), fix="Choose another folder") from None


def _summary(file: Path, dataset: Dataset, layout: Layout, missing: tuple[str, ...]) -> dict[str, object]:
    return {
        "spec": str(file),
        "tasks": [{"name": task.name, "type": task.type} for task in dataset.tasks],
        "inputs": len(dataset.input_names),
        "rows": {"train": len(dataset.train), "validation": len(dataset.validation), "test": len(dataset.test)},
        "cluster": dataset.cluster_name,
        "notes": list(layout.notes),
        "blanks": list(missing),
        "warnings": list(dataset.warnings),
    }


def _story(file: Path, dataset: Dataset, layout: Layout, missing: tuple[str, ...]) -> str:
    tasks = [f"{task.name} ({task.type})" for task in dataset.tasks]
    shown = ", ".join(tasks[:12]) + (f", ... {len(tasks) - 12} more" if len(tasks) > 12 else "")
    lines = [
        f"wrote   {file}",
        f"tasks   {len(tasks)}: {shown}",
        f"inputs  {len(dataset.input_names)} after encoding",
        f"rows    {len(dataset.train):,} train, {len(dataset.validation):,} validation, {len(dataset.test):,} test",
        *(f"blanks  {sentence.removeprefix('blank ')}" for sentence in missing),
        *(f"guess   {sentence}" for sentence in layout.notes),
    ]
    if len(tasks) > 20:
        pairs = len(tasks) * (len(tasks) - 1) // 2
        lines.append(f"beware  {pairs:,} pairs of tasks would be trained: list candidates.groups, or take fewer tasks")
    next_steps = f"next    taskgroup plan {file}        what will be trained, and what it costs\n"
    next_steps += f"        taskgroup recommend {file}   do it, and write the report"
    return escape_controls("\n".join([*lines, "", next_steps]))
