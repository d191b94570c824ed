"""``taskgroup measure``: train every group of a spec and write the table of their losses; nothing is chosen."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, note, print_result, warn

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
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train every group with every seed, read validation and test losses, and write the complete table."""
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
    with Store.open(runs_home()) as store:
        tasks = [task.name for task in lattices[0].plan.tasks]
        run = store.create_run(asked.name, "measure", dump_spec(asked), plan, tasks=tasks)
        _work(store, store.run(run), lattices, minutes, as_json=as_json, quiet=quiet)


def go_on(store: Store, record: RunRecord, minutes: float | None, *, as_json: bool, quiet: bool) -> None:
    """``taskgroup resume`` for such a run."""
    from search.documents import parse_spec
    from search.documents.variations import variations
    from search.lattice import prepare_lattices

    varied = variations(parse_spec(record.spec, f"run {record.id}"), record.plan["vary"])
    lattices = prepare_lattices(varied, Path(record.plan["base"]))
    _work(store, record, lattices, minutes, as_json=as_json, quiet=quiet)


def _check_output(output: Path) -> None:
    from grouping.errors import InputError

    if output.suffix != ".parquet":
        raise InputError("is no Parquet file", where=str(output), fix="Choose a name that ends in .parquet")
    if output.exists():
        raise InputError("is there already", where=str(output), fix="Choose another name with -o, or move it away")
    if not output.resolve().parent.is_dir():
        raise InputError(f"there is no folder {output.parent}", where=str(output), fix="Create it first")


def _work(
    store: Store,
    record: RunRecord,
    lattices: tuple[Lattice, ...],
    minutes: float | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train until all is done or the time is over."""
    from search.cli.ownership import owned
    from search.cli.progress import progress_for
    from search.execution.ray_executor import RayExecutor
    from search.lattice import measure_lattices, settle_engine, write_lattices
    from search.output.folder import RunFolder
    from search.store.home import runs_home

    run, quiet = record.id, quiet or as_json
    with owned(store, run, RunFolder(runs_home() / run).append_log) as end:
        for warning in dict.fromkeys(w for one in lattices for w in one.experiment.dataset.warnings):
            warn(warning)
        trainings = sum(len(one.trials) for one in lattices)
        note(f"run {run}: {trainings:,} trainings in {len(lattices)} settings", quiet=quiet)
        cluster = lattices[0].plan.spec.cluster
        with RayExecutor(cluster.address, cluster.workers, cluster.gpus_per_worker) as executor:
            chosen = [event.payload["engine"] for event in store.events(run) if event.kind == "engine"]
            lattices, engine = settle_engine(lattices, executor, chosen[0] if chosen else None)
            if not chosen:
                store.add_event(run, "engine", {"engine": engine})
            note(f"engine {engine}", quiet=quiet)
            deadline = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
            found = measure_lattices(
                lattices,
                store,
                run,
                executor,
                engine,
                progress_for(quiet=quiet),
                stop=lambda: time.monotonic() > deadline,
            )
        if found is None:
            end("interrupted")
        else:
            files = write_lattices(Path(record.plan["output"]), lattices, *found, record.plan["command"])
    done = store.run(run).finished
    if found is None:
        message = f"stopped after {minutes:g} minutes, {done:,} of {trainings:,} trainings are done"
        if as_json:
            emit_json({"run": run, "state": "interrupted", "trainings": trainings, "done": done})
        else:
            print_result(f"{message}; go on with: taskgroup resume {run}")
        return
    for reason in dict.fromkeys(found[1].values()):
        warn(f"trainings failed: {reason}")
    if as_json:
        names = dict(zip(("losses", "curves", "about"), map(str, files), strict=True))
        emit_json({"run": run, "state": "finished", "trainings": trainings, "failed": len(found[1]), **names})
    else:
        print_result(escape_controls("\n".join(str(file) for file in files)))
