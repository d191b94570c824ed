"""``taskgroup measure``: train every group of a spec and write the table of their losses; nothing is chosen."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import DetachFlag, JsonFlag, QuietFlag, emit_json, escape_controls, print_result, warn

if TYPE_CHECKING:
    from search.decision.lattice import Lattice
    from search.store.records import RunRecord
    from search.store.store import Store

__all__ = ["go_on", "measure"]


def measure(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="TABLE", help="A .parquet file; curves go beside it.")
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=V,V", help="A field of the spec and its values; several: every combination."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Stop after about so long; 'taskgroup resume' goes on.")
    ] = None,
    detached: DetachFlag = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train every group with every seed, read validation and test losses, and write the complete table."""
    from search.cli.detached import RESERVED_SECONDS, detach
    from search.documents import dump_spec, read_spec
    from search.documents.variations import variations
    from search.lattice import prepare_lattices
    from search.store.home import runs_home
    from search.store.store import Store

    _check_output(output)
    base = spec.parent.resolve()
    asked = read_spec(spec)
    lattices = prepare_lattices(variations(asked, vary or ()), base)
    plan = {
        "base": str(base),
        "vary": vary or [],
        "output": str(output.resolve()),
        "command": shlex.join(
            ["taskgroup", "measure", str(spec), *(f"--vary={text}" for text in vary or ()), "-o", str(output)]
        ),
    }
    home = runs_home()
    with Store.open(home) as store:
        tasks = [task.name for task in lattices[0].plan.tasks]
        spec_text = dump_spec(asked)
        run = store.create_run(asked.name, "measure", spec_text, plan, tasks=tasks, reserved_seconds=RESERVED_SECONDS)
        if detached:
            detach(store, run, home, asked.cluster, as_json=as_json, quiet=quiet)
            return
        _work(store, run, lattices, minutes, as_json=as_json, quiet=quiet)


def go_on(store: Store, record: RunRecord, minutes: float | None, *, as_json: bool, quiet: bool) -> None:
    """``taskgroup resume`` for such a run."""
    from search.work import prepared_lattices

    _work(store, record.id, prepared_lattices(record), minutes, as_json=as_json, quiet=quiet)


def _check_output(output: Path) -> None:
    from grouping.errors import InputError

    if output.suffix != ".parquet":
        raise InputError("is no Parquet file", where=str(output), fix="Choose a name that ends in .parquet")
    if output.exists():
        raise InputError("is there already", where=str(output), fix="Choose another name with -o, or move it away")
    if not output.resolve().parent.is_dir():
        raise InputError(f"there is no folder {output.parent}", where=str(output), fix="Create it first")


def _work(
    store: Store, run: str, lattices: tuple[Lattice, ...], minutes: float | None, *, as_json: bool, quiet: bool
) -> None:
    """Train until all is done or the time is over, and show what came of it."""
    from functools import partial

    from search.cli.foreground import in_foreground
    from search.store.home import runs_home
    from search.work import measure as work

    found = in_foreground(
        store, run, runs_home(), partial(work, lattices=lattices), quiet=quiet or as_json, minutes=minutes
    )
    trainings = sum(len(one.trials) for one in lattices)
    if found is None:
        done = store.run(run).finished
        message = f"stopped after {minutes:g} minutes, {done:,} of {trainings:,} trainings are done"
        if as_json:
            emit_json({"run": run, "state": "interrupted", "trainings": trainings, "done": done})
        else:
            print_result(f"{message}; go on with: taskgroup resume {run}")
        return
    for reason in dict.fromkeys(found.failures):
        warn(f"trainings failed: {reason}")
    if as_json:
        names = dict(zip(("losses", "curves", "about"), map(str, found.files), strict=True))
        emit_json({"run": run, "state": "finished", "trainings": trainings, "failed": len(found.failures), **names})
    else:
        print_result(escape_controls("\n".join(map(str, found.files))))
