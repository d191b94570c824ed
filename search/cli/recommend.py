"""``taskgroup recommend`` and ``taskgroup resume``: the main job in the foreground, with progress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, note, print_result, warn

if TYPE_CHECKING:
    from search.decision.engine_choice import EngineChoice
    from search.decision.probe import Speed
    from search.run import Job
    from search.store.store import Store

__all__ = ["recommend", "resume"]


def recommend(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file.", show_default=False)],
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a recommendation: train, choose, confirm, and write the run folder and its report."""
    from search.data.resolution import resolve
    from search.documents import dump_spec, read_spec
    from search.run import prepare
    from search.store.home import runs_home
    from search.store.store import Store

    base = spec.parent.resolve()
    resolved = resolve(read_spec(spec), base)
    latencies: dict[str, float] = {}
    job = prepare(resolved, base, latencies)  # what cannot be done is said before there is a run
    with Store.open(runs_home()) as store:
        run = store.create_run(
            resolved.name,
            "recommend",
            dump_spec(resolved),
            {"base": str(base)},
            tasks=[task.name for task in resolved.tasks],
        )
        if latencies:
            store.add_event(run, "latency", latencies)
        _work(store, run, job, as_json=as_json, quiet=quiet)


def resume(
    run: Annotated[str, typer.Argument(help="Id of the run, its beginning, or 'latest'.", show_default=False)],
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Of 'taskgroup measure' only: stop after about so long.")
    ] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Go on with a run that was interrupted or failed; nothing that finished is trained again."""
    from search.cli.measure import go_on
    from search.documents import parse_spec
    from search.errors import SpecError
    from search.run import prepare
    from search.store.home import runs_home
    from search.store.store import Store

    with Store.open(runs_home(), create=False) as store:
        record = store.run(run)
        if record.state == "finished":
            raise SpecError(
                f"run '{record.id}' is finished, there is nothing to resume",
                where="RUN",
                fix=f"See it with: taskgroup report {record.id}",
            )
        if record.kind == "measure":
            go_on(store, record, minutes, as_json=as_json, quiet=quiet)
            return
        if minutes is not None:
            raise SpecError(
                "only runs of 'taskgroup measure' are cut to a time",
                where="--minutes",
                fix="Leave it out; Ctrl-C stops",
            )
        latencies: dict[str, float] = {}
        for event in store.events(record.id):
            if event.kind == "latency":
                latencies.update(event.payload)
        base = Path(str(record.plan.get("base", ".")))
        job = prepare(parse_spec(record.spec, f"run {record.id}"), base, latencies)
        _work(store, record.id, job, as_json=as_json, quiet=quiet)


def _work(store: Store, run: str, job: Job, *, as_json: bool, quiet: bool) -> None:
    """Bring one run to its end, or leave it resumable."""
    from search.cli.ownership import owned
    from search.cli.progress import progress_for
    from search.decision.phases import phases_of
    from search.execution.ray_executor import RayExecutor
    from search.output.folder import RunFolder
    from search.run import run_recommendation
    from search.store.home import runs_home

    folder = RunFolder(runs_home() / run)
    quiet = quiet or as_json
    with owned(store, run, folder.append_log):
        for warning in job.experiments[0].dataset.warnings:
            warn(warning)
        note(f"run {run}", quiet=quiet)
        cluster = job.spec.cluster
        with RayExecutor(cluster.address, cluster.workers, cluster.gpus_per_worker) as executor:

            def announce(engine: EngineChoice, speed: Speed) -> None:
                phases = phases_of(job.plan)
                minutes = sum(speed.wall(phase.trials) for phase in phases) / 60
                networks = sum(phase.trainings for phase in phases)
                note(f"engine {engine.engine}: {engine.reason}", quiet=quiet)
                note(
                    f"up to {networks:,} trainings, about {minutes:.1f} minutes on {speed.workers} workers",
                    quiet=quiet,
                )

            recommendation = run_recommendation(
                job,
                store,
                run,
                folder,
                executor,
                progress_for(quiet=quiet),
                announce=announce,
                command=f"taskgroup recommend {folder.path / 'spec.yaml'}",
            )
    report = folder.path / "report.html"
    if as_json:
        emit_json({**recommendation.to_json(), "folder": str(folder.path), "report": str(report)})
        return
    lines = [recommendation.verdict_text, ""]
    for network in recommendation.solution.networks:
        helpers = sorted(set(network.tasks) - set(network.serves))
        trained_too = f" (trained with {', '.join(helpers)})" if helpers else ""
        way = f", {network.candidate}" if network.candidate else ""
        lines.append(f"  {network.cost:g} {recommendation.unit}{way}  serves {', '.join(network.serves)}{trained_too}")
    lines += ["", f"report: {report}"]
    print_result(escape_controls("\n".join(lines)))
