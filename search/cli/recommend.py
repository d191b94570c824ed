"""``taskgroup recommend`` and ``taskgroup resume``: the main job in the foreground, with progress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import DetachFlag, JsonFlag, QuietFlag, emit_json, escape_controls, print_result

if TYPE_CHECKING:
    from grouping.recommendation import Recommendation

__all__ = ["recommend", "resume"]


def recommend(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file.", show_default=False)],
    detached: DetachFlag = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a recommendation: train, choose, confirm, and write the run folder and its report."""
    from functools import partial

    from search.cli.detached import RESERVED_SECONDS, detach
    from search.cli.foreground import in_foreground
    from search.data.resolution import resolve
    from search.documents import dump_spec, read_spec
    from search.run import prepare
    from search.store.home import runs_home
    from search.store.store import Store
    from search.work import recommend as work

    base = spec.parent.resolve()
    resolved = resolve(read_spec(spec), base)
    latencies: dict[str, float] = {}
    job = prepare(resolved, base, latencies)  # what cannot be done is said before there is a run
    home = runs_home()
    with Store.open(home) as store:
        run = store.create_run(
            resolved.name,
            "recommend",
            dump_spec(resolved),
            {"base": str(base)},
            tasks=[task.name for task in resolved.tasks],
            reserved_seconds=RESERVED_SECONDS,
        )
        if latencies:
            store.add_event(run, "latency", latencies)
        if detached:
            detach(store, run, home, as_json=as_json, quiet=quiet)
            return
        found = in_foreground(store, run, home, partial(work, job=job), quiet=quiet or as_json)
    if found is not None:
        _show(found, home / run, as_json=as_json)


def resume(
    run: Annotated[str, typer.Argument(help="Id of the run, its beginning, or 'latest'.", show_default=False)],
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Of 'taskgroup measure' only: stop after about so long.")
    ] = None,
    detached: DetachFlag = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Go on with a run that was interrupted or failed; nothing that finished is trained again."""
    from search.cli.detached import detach
    from search.cli.foreground import in_foreground
    from search.cli.measure import go_on
    from search.errors import SpecError
    from search.store.home import runs_home
    from search.store.store import Store
    from search.work import recommend as work

    home = runs_home()
    with Store.open(home, create=False) as store:
        record = store.run(run)
        if record.state == "finished":
            raise SpecError(
                f"run '{record.id}' is finished, there is nothing to resume",
                where="RUN",
                fix=f"See it with: taskgroup report {record.id}",
            )
        if minutes is not None and (record.kind != "measure" or detached):
            raise SpecError(
                "only runs of 'taskgroup measure' are cut to a time, and in the foreground",
                where="--minutes",
                fix="Leave it out; Ctrl-C or 'taskgroup cancel' stops",
            )
        if detached:
            if record.state in {"interrupted", "failed"}:
                store.requeue(record.id)
            detach(store, record.id, home, as_json=as_json, quiet=quiet)
            return
        if record.kind == "measure":
            go_on(store, record, minutes, as_json=as_json, quiet=quiet)
            return
        found = in_foreground(store, record.id, home, work, quiet=quiet or as_json)
    if found is not None:
        _show(found, home / record.id, as_json=as_json)


def _show(recommendation: Recommendation, folder: Path, *, as_json: bool) -> None:
    """The result on stdout."""
    report = folder / "report.html"
    if as_json:
        emit_json({**recommendation.to_json(), "folder": str(folder), "report": str(report)})
        return
    lines = [recommendation.verdict_text, ""]
    for network in recommendation.solution.networks:
        helpers = sorted(set(network.tasks) - set(network.serves))
        trained_too = f" (trained with {', '.join(helpers)})" if helpers else ""
        way = f", {network.candidate}" if network.candidate else ""
        lines.append(f"  {network.cost:g} {recommendation.unit}{way}  serves {', '.join(network.serves)}{trained_too}")
    lines += ["", f"report: {report}"]
    print_result(escape_controls("\n".join(lines)))
