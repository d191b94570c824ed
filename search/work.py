"""What is done for a run, by its kind; who owns it meanwhile, and what may stop it, is ``supervisor``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Concatenate

from grouping.recommendation import Recommendation
from search.architecture_run import run_search
from search.decision.gpu_measured import measured_share
from search.decision.lattice import Lattice, with_cluster
from search.decision.phases import phases_of
from search.decision.plan import Plan
from search.desk import Desk
from search.documents import dump_spec, parse_spec
from search.documents.variations import variations
from search.errors import SpecError
from search.execution.ray_executor import RayExecutor
from search.job import Job, prepare
from search.lattice import measure_lattices, prepare_lattices, settle_engine, write_lattices
from search.run import run_recommendation
from search.spec import ClusterSpec
from search.store.records import RunRecord
from search.store.store import Store
from search.training.experiment import Experiment
from search.training.foreign.experiment import ForeignExperiment
from search.training.gpu_share import Gpus, wanted_workers
from search.training.state_files import StateFiles

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
    with _workers(desk, job.plan, job.experiments[0]) as (executor, cluster):
        spec = job.spec.model_copy(update={"cluster": cluster})
        job = replace(job, spec=spec, plan=replace(job.plan, spec=spec))
        if _gpus_are_ours_to_share(desk):
            desk.store.set_spec(desk.run, dump_spec(spec))  # whoever resumes or reproduces it does likewise
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
    files = StateFiles(desk.folder.open_checkpoints(), lattices[0].experiment.training.checkpoint_minutes)
    lattices = tuple(replace(one, experiment=replace(one.experiment, state_files=files)) for one in lattices)
    trainings = sum(len(one.trials) for one in lattices)
    desk.note(f"{trainings:,} trainings in {len(lattices)} settings")
    with _workers(desk, lattices[0].plan, lattices[0].experiment) as (executor, cluster):
        lattices = tuple(with_cluster(one, cluster) for one in lattices)
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
        SpecError, DataError, InfeasibleError: the spec or its data can be used no more, or it asks for more trainings
            than a service allows.
    """
    latencies: dict[str, float] = {}
    for event in store.events(record.id):
        if event.kind == "latency":
            latencies.update(event.payload)
    job = prepare(parse_spec(record.spec, f"run {record.id}"), Path(str(record.plan.get("base", "."))), latencies)
    _check_trainings(job.plan, record.plan.get("most_trainings"))
    return job


def _check_trainings(plan: Plan, most: int | None) -> None:
    """Refuse what the service could not count: costs in milliseconds and other packages' networks are known only here.

    Raises:
        SpecError: more trainings than the service's operator allows.
    """
    trainings = 0 if most is None else sum(phase.trainings for phase in phases_of(plan))
    if most is not None and trainings > most:
        fix = f"At most {most:,} are allowed: use fewer seeds or candidates, or ask the operator for more"
        raise SpecError(f"up to {trainings:,} trainings are too many", where="candidates", fix=fix)


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


def _gpus_are_ours_to_share(desk: Desk) -> bool:
    return parse_spec(desk.record.spec, f"run {desk.run}").cluster.gpus_per_worker == "auto"


@contextmanager
def _workers(desk: Desk, plan: Plan, experiment: Experiment) -> Iterator[tuple[RayExecutor, ClusterSpec]]:
    """The run's workers, and its cluster with the share of a GPU that was measured where the spec leaves it to us."""
    cluster, most = plan.spec.cluster, desk.record.plan.get("most_workers")
    desk.note(_starting(cluster))
    if not _gpus_are_ours_to_share(desk) or not cluster.gpu_share or isinstance(experiment, ForeignExperiment):
        with RayExecutor(cluster.address, cluster.workers, cluster.gpu_share, most_workers=most) as executor:
            yield executor, cluster
        return
    # No worker is begun with this share: it asks for no more GPUs than there are, however many are wanted.
    share = min(cluster.gpu_share, Gpus.seen().count / wanted_workers(cluster))
    with RayExecutor(cluster.address, cluster.workers, share, most_workers=most) as executor:
        known = [event.payload["share"] for event in desk.store.events(desk.run) if event.kind == "gpu"]
        if known:
            found, workers = known[-1], executor.share_gpus(known[-1], cluster.workers)
        else:
            measured = measured_share(plan, experiment, executor)
            found, workers = measured.share, measured.workers
            desk.store.add_event(desk.run, "gpu", measured.as_event())
            desk.note(measured.text)
        yield executor, cluster.model_copy(update={"gpus_per_worker": found, "workers": workers})
