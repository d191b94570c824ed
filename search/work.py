"""What is done for a run, by its kind; who owns it meanwhile, and what may stop it, is ``supervisor``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate

from grouping.recommendation import Recommendation
from search.architecture_run import run_search
from search.decision.lattice import Lattice
from search.desk import Desk
from search.documents import parse_spec
from search.documents.variations import variations
from search.execution.ray_executor import RayExecutor
from search.lattice import measure_lattices, prepare_lattices, settle_engine, write_lattices
from search.run import Job, prepare, run_recommendation
from search.spec import ClusterSpec
from search.store.records import RunRecord
from search.store.store import Store

__all__ = ["Measured", "measure", "prepared_job", "prepared_lattices", "recommend", "search"]


@dataclass(frozen=True)
class Measured:
    """A complete table.

    Args:
        files: Losses, curves, and how they were made.
        failures: Why trainings failed, one each.
    """

    files: tuple[Path, Path, Path]
    failures: tuple[str, ...]


def recommend(desk: Desk, job: Job | None = None) -> Recommendation:
    """Make a recommendation; ``job`` is what ``prepared_job`` says, where the caller has it already."""
    return _recommended(desk, job, "recommend", run_recommendation)


def search(desk: Desk, job: Job | None = None) -> Recommendation:
    """Search settings, and make a recommendation with what was found; ``job`` as for ``recommend``."""
    return _recommended(desk, job, "search", run_search)


def _recommended(
    desk: Desk, job: Job | None, kind: str, work: Callable[Concatenate[Job, ...], Recommendation]
) -> Recommendation:
    if job is None:
        desk.note("reading the data")
        job = prepared_job(desk.store, desk.record)
    for warning in job.experiments[0].dataset.warnings:
        desk.warn(warning)
    desk.note(_starting(job.spec.cluster))
    with _workers(job.spec.cluster) as executor:
        return work(
            job,
            desk.store,
            desk.run,
            desk.folder,
            executor,
            desk.progress,
            tell=desk.note,
            command=f"taskgroup {kind} {desk.folder.path / 'spec.yaml'}",
        )


def measure(desk: Desk, lattices: tuple[Lattice, ...] | None = None) -> Measured | None:
    """Fill a table; None if the time was over before. ``lattices`` as ``prepared_lattices`` says."""
    store, run, plan = desk.store, desk.run, desk.record.plan
    lattices = lattices or prepared_lattices(desk.record)
    for warning in dict.fromkeys(w for one in lattices for w in one.experiment.dataset.warnings):
        desk.warn(warning)
    trainings = sum(len(one.trials) for one in lattices)
    desk.note(f"{trainings:,} trainings in {len(lattices)} settings")
    desk.note(_starting(lattices[0].plan.spec.cluster))
    with _workers(lattices[0].plan.spec.cluster) as executor:
        chosen = [event.payload["engine"] for event in store.events(run) if event.kind == "engine"]
        lattices, engine = settle_engine(lattices, executor, chosen[0] if chosen else None)
        if not chosen:
            store.add_event(run, "engine", {"engine": engine})
        desk.note(f"engine {engine}")
        deadline = float("inf") if desk.minutes is None else time.monotonic() + 60 * desk.minutes
        stop = lambda: time.monotonic() > deadline  # noqa: E731
        found = measure_lattices(lattices, store, run, executor, engine, desk.progress, stop=stop)
    if found is None:
        return None
    return Measured(write_lattices(Path(plan["output"]), lattices, *found, plan["command"]), tuple(found[1].values()))


def prepared_job(store: Store, record: RunRecord) -> Job:
    """The job of a run of kind ``recommend`` or ``search``, from what the store remembers.

    Raises:
        SpecError, DataError, InfeasibleError: the spec or its data can be used no more.
    """
    latencies: dict[str, float] = {}
    for event in store.events(record.id):
        if event.kind == "latency":
            latencies.update(event.payload)
    return prepare(parse_spec(record.spec, f"run {record.id}"), Path(str(record.plan.get("base", "."))), latencies)


def prepared_lattices(record: RunRecord) -> tuple[Lattice, ...]:
    """The settings of a run of kind ``measure``, from what the store remembers.

    Raises:
        SpecError, DataError, InfeasibleError: the spec or its data can be used no more.
    """
    varied = variations(parse_spec(record.spec, f"run {record.id}"), record.plan["vary"])
    return prepare_lattices(varied, Path(record.plan["base"]))


def _starting(cluster: ClusterSpec) -> str:
    place = "on this machine" if cluster.address == "local" else f"on the cluster at {cluster.address}"
    return f"starting workers {place}"


def _workers(cluster: ClusterSpec) -> RayExecutor:
    return RayExecutor(cluster.address, cluster.workers, cluster.gpu_share)
