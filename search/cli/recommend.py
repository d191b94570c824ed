"""``taskgroup recommend`` and ``taskgroup resume``: the main job in the foreground, with progress."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import DetachFlag, JsonFlag, QuietFlag, emit_json, escape_controls, note, print_result
from search.cli.curves import TensorboardOption, check_attended, write_curves_of
from search.cli.elsewhere import resume_there
from search.cli.submit import ServerOption

if TYPE_CHECKING:
    from grouping.recommendation import Recommendation
    from search.job import Job
    from search.spec import Spec

__all__ = ["recommend", "resume", "search"]


def recommend(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file.", show_default=False)],
    detached: DetachFlag = False,
    tensorboard: TensorboardOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a recommendation: train, choose, confirm, and write the run folder and its report."""
    check_attended(tensorboard, detached=detached)
    _start(spec, "recommend", tensorboard, detached=detached, as_json=as_json, quiet=quiet)


def search(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file with a section 'search'.", show_default=False)],
    detached: DetachFlag = False,
    tensorboard: TensorboardOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Search networks and settings with Ray Tune and Optuna, then recommend groups of them as 'recommend' does."""
    check_attended(tensorboard, detached=detached)
    _start(spec, "search", tensorboard, detached=detached, as_json=as_json, quiet=quiet)


def _start(spec: Path, kind: str, curves: Path | None, *, detached: bool, as_json: bool, quiet: bool) -> None:
    """A new run, worked on here or by a process of its own."""
    from functools import partial

    note(f"reading {spec} and its data", quiet=quiet or as_json)
    from search.cli.detached import RESERVED_SECONDS, detach
    from search.data.resolution import resolve
    from search.documents import dump_spec, read_spec
    from search.store.home import runs_home
    from search.store.store import Store

    base = spec.parent.resolve()
    resolved = resolve(read_spec(spec), base)
    _check_kind(resolved, kind)
    latencies: dict[str, float] = {}
    # What cannot be done is said before there is a run; who works on it elsewhere need not load what trains.
    job = None if detached and _planned(resolved, base) else _prepared(resolved, base, latencies)
    home = runs_home()
    with Store.open(home) as store:
        run = store.create_run(
            resolved.name,
            kind,
            dump_spec(resolved),
            {"base": str(base)},
            tasks=[task.name for task in resolved.tasks],
            reserved_seconds=RESERVED_SECONDS,
        )
        if latencies:
            store.add_event(run, "latency", latencies)
        if detached:
            detach(store, run, home, resolved.cluster, as_json=as_json, quiet=quiet)
            return
        from search import work
        from search.cli.foreground import in_foreground

        found = in_foreground(store, run, home, partial(getattr(work, kind), job=job), quiet=quiet or as_json)
        write_curves_of(store, run, curves, quiet=quiet or as_json)
    if found is not None:
        _show(found, home / run, as_json=as_json)


def _prepared(spec: Spec, base: Path, latencies: dict[str, float]) -> Job:
    from search.job import prepare

    return prepare(spec, base, latencies)


def _planned(spec: Spec, base: Path) -> bool:
    """Check a spec by planning it, if that needs nothing of what trains; False: it does.

    Raises:
        SpecError, DataError, InfeasibleError: what is wrong, where, and the way out.
    """
    if spec.trainer is not None or spec.budget.unit == "latency_ms" or spec.cluster.gpus_per_worker == "auto":
        return False
    from search.data.dataset import load_dataset
    from search.decision.linear_clusters import plan_for

    plan_for(spec, load_dataset(spec, base))
    return True


def resume(
    run: Annotated[str, typer.Argument(help="Id of the run, its beginning, or 'latest'.", show_default=False)],
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Of 'taskgroup measure' only: stop after about so long.")
    ] = None,
    detached: DetachFlag = False,
    tensorboard: TensorboardOption = None,
    server: ServerOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Go on with a run that was interrupted or failed; nothing that finished is trained again."""
    if server:
        if minutes is not None or tensorboard is not None:
            from grouping.errors import InputError

            fix = "Leave out --minutes and --tensorboard, or --server"
            raise InputError("a service decides that for its runs", where="--server", fix=fix)
        resume_there(server, run, as_json=as_json, quiet=quiet)
        return
    from search.cli.detached import detach
    from search.cli.foreground import in_foreground
    from search.cli.measure import go_on
    from search.documents import parse_spec
    from search.errors import SpecError
    from search.store.home import runs_home
    from search.store.store import Store
    from search.work import recommend as work
    from search.work import search as search_work

    check_attended(tensorboard, detached=detached)
    home = runs_home()
    with Store.open(home, create=False) as store:
        record = store.run(run)
        if record.state == "finished":
            raise SpecError(
                f"run '{record.id}' is finished, there is nothing to resume",
                where="RUN",
                fix=f"See it with: taskgroup report {record.id}",
            )
        if record.state == "cancelled":
            raise SpecError(
                f"run '{record.id}' was cancelled, which is for good",
                where="RUN",
                fix="Start it anew from its spec: taskgroup recommend SPEC, or taskgroup search SPEC",
            )
        if minutes is not None and (record.kind != "measure" or detached):
            raise SpecError(
                "only runs of 'taskgroup measure' are cut to a time, and in the foreground",
                where="--minutes",
                fix="Leave it out; Ctrl-C or 'taskgroup cancel' stops",
            )
        if detached:
            if record.state == "running":
                raise SpecError(
                    f"run '{record.id}' is being worked on, there is nothing to resume",
                    where="RUN",
                    fix=f"Follow it with: taskgroup logs {record.id} --follow",
                )
            if record.state in {"interrupted", "failed"}:
                store.requeue(record.id)
            cluster = parse_spec(record.spec, f"run {record.id}").cluster
            detach(store, record.id, home, cluster, as_json=as_json, quiet=quiet)
            return
        if record.kind == "measure":
            go_on(store, record, minutes, as_json=as_json, quiet=quiet)
            write_curves_of(store, record.id, tensorboard, quiet=quiet or as_json)
            return
        found = in_foreground(
            store, record.id, home, search_work if record.kind == "search" else work, quiet=quiet or as_json
        )
        write_curves_of(store, record.id, tensorboard, quiet=quiet or as_json)
    if found is not None:
        _show(found, home / record.id, as_json=as_json)


def _check_kind(spec: Spec, kind: str) -> None:
    """A search that is asked for and not done, or done and not asked for, would go unnoticed."""
    from search.errors import SpecError

    if kind == "recommend" and spec.search is not None:
        fix = "Use: taskgroup search SPEC, or take the section out"
        raise SpecError("the spec asks for a search over settings", where="search", fix=fix)
    if kind == "search" and spec.search is None:
        fix = "Add search: {space: {...}}, or use: taskgroup recommend SPEC"
        raise SpecError("the spec says nothing about what to search", where="search", fix=fix)


def _show(recommendation: Recommendation, folder: Path, *, as_json: bool) -> None:
    """The result on stdout."""
    report = folder / "report.html"
    if as_json:
        emit_json({**recommendation.to_json(), "folder": str(folder), "report": str(report)})
        return
    from grouping.report.wording import headline, lede

    told = (f"{headline(recommendation)}.", recommendation.verdict_text, lede(recommendation))
    lines = [*(fill(text.replace("\N{NO-BREAK SPACE}", " "), 100) for text in told), ""]
    for network in recommendation.solution.networks:
        helpers = sorted(set(network.tasks) - set(network.serves))
        trained_too = f" (trained with {', '.join(helpers)})" if helpers else ""
        way = f", {network.candidate}" if network.candidate else ""
        lines.append(f"  {network.cost:g} {recommendation.unit}{way}  serves {', '.join(network.serves)}{trained_too}")
    lines += ["", f"report: {report}"]
    print_result(escape_controls("\n".join(lines)))
