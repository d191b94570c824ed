"""The whole story of a search over settings, on one page: references, configurations, what is kept, recommendation.

A configuration is one network of all tasks with settings of its own, drawn by Optuna and run by Ray Tune. The best are
trained again on fresh seeds, in every group that the spec asks for, as further candidates of a recommendation: the
solver picks groups and settings together, and everything is confirmed as it always is. Resuming is running again: what
the store holds is not trained twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pandas as pd

from grouping.errors import NoResultError
from grouping.recommendation import Recommendation, SettingsSearch
from search.decision.linear_clusters import plan_for
from search.decision.measurement import Measurement, Progress
from search.decision.selection import curves_of, reference_losses
from search.errors import SpecError
from search.execution.ray_executor import RayExecutor
from search.job import Job
from search.networks.sharing import HARD
from search.output.folder import RunFolder
from search.run import run_recommendation
from search.spec.searching import SearchSpec
from search.store.configurations import ENDED, ConfigurationRecord, Configurations
from search.store.store import Store
from search.training.packs import TrainPack, train_plain
from search.trials import Remark
from search.tuning.account import grouped_reasons, kept_of, settings_record
from search.tuning.driver import Evaluate, search_configurations
from search.tuning.network import SearchedNetwork, network_of
from search.tuning.planned_search import Plan
from search.tuning.trainings import JointTraining

__all__ = ["run_search"]

_SEEDS_FROM = 30_000
"""Seeds of configurations, counted from the spec's: no other training has them, so what is kept is trained afresh."""
_OVER = "searched"
"""Kind of the event after which no configuration is begun any more."""
_BEGUN = "searching"
"""Kind of the event that says with what lag: whoever goes on with the run, with however many workers, keeps to it."""
_LAG = 6


def run_search(
    job: Job,
    store: Store,
    run: str,
    folder: RunFolder,
    executor: RayExecutor,
    progress: Progress,
    *,
    train: TrainPack | None = None,
    evaluate: Evaluate | None = None,
    tell: Callable[[str], None] = lambda text: None,
    command: str = "",
) -> Recommendation:
    """Search settings, and make a recommendation with what was found, from a plan to a written report.

    Args:
        job: From ``search.job.prepare``; its spec has a section ``search``.
        store: Where trainings and configurations are remembered; ``run`` must be running and owned by this process.
        run: Id of the run.
        folder: Where its files go.
        executor: The workers; their cores are lent to Ray Tune for a while.
        progress: Told how far the run is.
        train: What trains a pack of trials; must be picklable. Default: the engine's way.
        evaluate: What trains a configuration; must be picklable. Default: the run's own way to train.
        tell: Told, a line each, what happens before the long part begins.
        command: What reproduces the run.

    Raises:
        NoResultError: no configuration finished, or no usable result, with the reasons.
        SpecError: the spec has no section ``search``.
    """
    if job.spec.search is None:
        raise SpecError(
            "the spec says nothing about what to search",
            where="search",
            fix="Add search: {space: {...}}, or use: taskgroup recommend",
        )
    explore = partial(_explore, search=job.spec.search, executor=executor, folder=folder, evaluate=evaluate)
    return run_recommendation(
        job, store, run, folder, executor, progress, train=train, tell=tell, command=command, explore=explore
    )


def _explore(
    job: Job,
    measurement: Measurement,
    search: SearchSpec,
    executor: RayExecutor,
    folder: RunFolder,
    evaluate: Evaluate | None,
) -> tuple[Job, SettingsSearch]:
    """The job with the best settings among its ways to share, and what was tried."""
    store, run = Configurations(measurement.store.sessions), measurement.run
    training = evaluate or _training(job, measurement, search)
    plan = _plan(job, run, search, _lag(measurement, search, executor.workers))
    executor.release()
    over = any(event.kind == _OVER for event in measurement.store.events(run))
    # Where time was up, too, a run that is resumed decides on what it decided on before.
    gpus = job.spec.cluster.gpu_share
    records = store.of(run) if over else _searched(plan, search, store, training, executor, gpus, measurement)
    folder.write_table("configurations.parquet", _frame(records))
    kept = kept_of(records, plan, search.keep)
    if not kept:
        reasons = grouped_reasons(records)
        folder.write_text("report.md", _failure(job.spec.name, reasons))
        raise NoResultError(
            f"none of {len(records)} configurations finished ({'; '.join(reasons)})",
            where="search.space",
            fix="Narrow the space, above all learning_rate, or raise search.configurations",
        )
    if not over:
        measurement.store.add_event(run, _OVER, {"configurations": len(records), "planned": plan.places})
    return _joined(job, kept), settings_record(records, plan, search, kept)


def _training(job: Job, measurement: Measurement, search: SearchSpec) -> JointTraining:
    """What trains a configuration: losses are relative to single-task networks at 1 SNT, which are trained first."""
    plan, experiment = job.plan, job.experiments[0]
    singles = plan.trials(plan.single_T.tolist())
    results = measurement.measure(experiment, "search", "single tasks", singles)
    reference_T = reference_losses(plan, curves_of(plan, results), measurement.failures)
    first = job.spec.training.seed + _SEEDS_FROM
    return JointTraining(
        experiment,
        measurement.train,
        measurement.pack_size,
        tuple(range(first, first + search.seeds)),
        plan.weights_T,
        reference_T,
        search.fractions,
        few=measurement.train if job.spec.cluster.gpu_share else train_plain,
    )


def _lag(measurement: Measurement, search: SearchSpec, workers: int) -> int:
    """How far back a configuration looks: as the spec says, or as was decided when the search began."""
    begun = [event.payload for event in measurement.store.events(measurement.run) if event.kind == _BEGUN]
    if begun:
        return int(begun[0]["lag"])
    lag = search.lag or max(_LAG, 3 * workers)
    measurement.store.add_event(measurement.run, _BEGUN, {"lag": lag, "configurations": search.configurations})
    return lag


def _plan(job: Job, run: str, search: SearchSpec, lag: int) -> Plan:
    """What is searched, within the budget."""
    spec, tasks = job.spec, [task.name for task in job.plan.tasks]

    def cost(network: SearchedNetwork) -> float:
        return job.cost_of(tasks, network.capacity, network.costs_like)

    return Plan(
        run,
        search.dimensions,
        search.configurations,
        search.brackets or (spec.budget.inference,),
        search.objective == "loss-and-cost",
        spec.training.seed,
        lag,
        spec.training.timeout_seconds * search.seeds,
        partial(network_of, spec=spec, n_inputs=len(job.experiments[0].dataset.input_names)),
        cost,
    )


def _searched(
    plan: Plan,
    search: SearchSpec,
    store: Configurations,
    evaluate: Evaluate,
    executor: RayExecutor,
    gpus: float,
    measurement: Measurement,
) -> tuple[ConfigurationRecord, ...]:
    """The configurations, as many as are planned or as the minutes allow."""
    known = store.of(plan.run)
    ended = sum(record.state in ENDED for record in known)
    # What earlier attempts took counts, as far as it was written down: process time, on that many workers.
    spent, began = sum(record.seconds for record in known) / executor.workers, time.monotonic()

    def time_is_up() -> bool:
        return search.minutes is not None and spent + time.monotonic() - began >= 60 * search.minutes

    def tell(remark: Remark) -> None:
        measurement.store.add_event(plan.run, remark.kind, {"text": remark.text})

    if ended == plan.places:
        return known
    progress = measurement.progress
    progress.start("configurations", plan.places, ended)
    try:
        return search_configurations(
            plan,
            search,
            store,
            evaluate,
            executor.workers,
            gpus=gpus,
            stop=time_is_up,
            progress=progress.advance,
            tell=tell,
            forget=evaluate.forget if isinstance(evaluate, JointTraining) else lambda network: None,
            check=executor.check_cluster,
        )
    finally:
        progress.finish()


def _joined(job: Job, kept: tuple[ConfigurationRecord, ...]) -> Job:
    """The job with what was found as further ways to share, best first; comparisons get the best settings too.

    The best of random groups is left out: they would be trained with the spec's own settings.
    """
    found = [record.found for record in kept]
    others = [way for way in job.spec.architectures if way not in {HARD, *found}]
    evidence = job.spec.evidence.model_copy(update={"best_of_random": False})
    spec = job.spec.model_copy(update={"architectures": (HARD, *found, *others), "evidence": evidence})
    plan = plan_for(spec, job.experiments[0].dataset, job.latency, job.plan.configuration_trainings)
    return replace(job, spec=spec, plan=plan, cost_of=plan.costs.charged)


def _frame(records: tuple[ConfigurationRecord, ...]) -> pd.DataFrame:
    """One row a configuration, one column a setting."""
    return pd.DataFrame(
        [
            {
                "place": record.place,
                "state": record.state,
                "loss": record.loss,
                "cost": record.cost,
                "share": record.readings[-1][0] if record.readings else 0.0,
                "seconds": record.seconds,
                "found": record.found,
                "reason": record.reason,
                **{f"set.{name}": value for name, value in record.values.items()},
            }
            for record in records
        ]
    )


def _failure(name: str, reasons: tuple[str, ...]) -> str:
    """What there is to say where nothing can be recommended."""
    listed = "\n".join(f"- {reason}" for reason in reasons)
    return f"# No recommendation for {name}\n\nNo configuration of the search finished.\n\n{listed}\n"
