"""The whole story of a recommendation, on one page: data, plan, trainings, choice, confirmation, report.

A run is a pure function of its spec and of trainings that the store remembers, so resuming is running again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from grouping.affinity import pair_affinity
from grouping.errors import NoResultError
from grouping.recommendation import Controls, Domination, PhaseCost, Recommendation, SettingsSearch, Tuning
from grouping.recommendation.recommend import affinity_entries, stability_record
from grouping.tasks import SEPARATOR
from search.decision import assembly
from search.decision.adaptive_record import adaptive_record
from search.decision.controls import measure_controls
from search.decision.decide import Decision, decide
from search.decision.domination import measure_domination
from search.decision.engine_choice import EngineChoice, with_engine
from search.decision.forecast import forecast, trainings_text
from search.decision.linear_clusters import plan_for
from search.decision.measurement import Measurement, Progress
from search.decision.no_harm import no_harm_record
from search.decision.phases import SEARCHING, phases_of
from search.decision.plan import Plan
from search.decision.policy_records import policy_records
from search.decision.probe import Speed
from search.decision.selection import affinity_capacity
from search.decision.tuning import tune, with_learning_rate
from search.decision.way import way_to_train
from search.decision.wording import next_steps, repeated_split
from search.documents import dump_spec
from search.errors import SpecError, TrialError
from search.execution.executor import Executor, workers_text
from search.faults import passing
from search.job import Job
from search.networks.sharing import HARD, Sharing
from search.output.environment import describe_environment
from search.output.failure import write_failure
from search.output.files import write_run
from search.output.folder import RunFolder
from search.spec import TrainingBudgetSpec
from search.store.store import Store
from search.training.experiment import Experiment
from search.training.foreign.experiment import ForeignExperiment
from search.training.packs import TrainPack
from search.training.state_files import StateFiles

__all__ = ["PHASES", "Explore", "run_recommendation"]

PHASES = {
    "tuning": "learning rates of every way to share",
    "policy": "searches of policies",
    "search": "groups of the search",
    "audit": "random groups that audit the estimates",
    "check": "choices that rested on estimates",
    "compare": "as many random groups, for comparison",
    "confirm": "confirmation on fresh seeds",
    "controls": "controls of the affinities",
    "domination": "who dominates one network of all tasks",
}
"""Phases of a run in the order they are charged, with their labels."""


Explore = Callable[[Job, Measurement], tuple[Job, SettingsSearch | None]]
"""What finds further candidates: the job with them, and an account of how."""


def run_recommendation(
    job: Job,
    store: Store,
    run: str,
    folder: RunFolder,
    executor: Executor,
    progress: Progress,
    *,
    train: TrainPack | None = None,
    tell: Callable[[str], None] = lambda text: None,
    command: str = "",
    explore: Explore | None = None,
) -> Recommendation:
    """Make a recommendation, from a plan to a written report.

    Args:
        job: From ``prepare``.
        store: Where trainings are remembered; ``run`` must be running and owned by this process.
        run: Id of the run.
        folder: Where its files go.
        executor: The workers.
        progress: Told how far the run is.
        train: What trains a pack of trials; must be picklable. Default: the engine's way.
        tell: Told, a line each, what happens before the long part begins: engine, trainings, minutes.
        command: What reproduces the run.
        explore: Finds further candidates before anything is decided (``search.architecture_run``).

    Raises:
        NoResultError: no usable result, with the reasons.
        SpecError: the search would take longer than ``budget.training.minutes``; the spec asks for more than this.
    """
    if job.spec.search is not None and explore is None:
        fix = "Use: taskgroup search SPEC, or take the section out"
        raise SpecError("the spec asks for a search over settings", where="search", fix=fix)
    began = time.monotonic() - store.run(run).seconds  # what earlier attempts worked counts
    files = StateFiles(folder.open_checkpoints(), job.spec.training.checkpoint_minutes)
    job = replace(job, experiments=tuple(replace(one, state_files=files) for one in job.experiments))
    with _explained(job, store, run, folder):
        tell(f"timing networks of this run on {workers_text(executor.workers)}")
        way = way_to_train(job.plan, job.experiments[0], executor, train)
        tell(f"engine {way.choice.engine}: {way.choice.reason}")
        job = _settled(job, way.choice, store, run)
        _remember_trainer(job.experiments[0], store, run)
        speed = way.speed(job.experiments[0], executor, store.trials(run))
        _check_minutes(job, speed)
        job = _counted(job, speed, store, run)
        folder.write_text("spec.yaml", dump_spec(job.spec))
        tell(trainings_text(job.plan, speed))
        measurement = Measurement(store, run, executor, way.train, progress, way.networks)
        asked = job.plan
        measurement.foresee(forecast(asked, speed, done=measurement.known, worked=time.monotonic() - began))
        job, tuning = _tuned(job, measurement)
        job, searched = (job, None) if explore is None else explore(job, measurement)
        if explore is not None:
            measurement.foresee(
                forecast(asked, speed, done=measurement.known, worked=time.monotonic() - began, searched=True)
            )
        decisions = [
            decide(job.plan, experiment, measurement, job.cost_of, split)
            for split, experiment in enumerate(job.experiments)
        ]
        controls = measure_controls(job.plan, job.experiments[0], measurement)
        domination = measure_domination(job.plan, job.experiments[0], measurement, decisions[0].reference_T)
        recommendation = _recommendation(
            job,
            decisions,
            controls,
            domination,
            tuning,
            searched,
            measurement,
            executor,
            run,
            command,
            time.monotonic() - began,
        )
        passing("run.decided")
        weights = partial(measurement.weights, job.experiments[0])
        write_run(folder, recommendation, decisions[0], store.trials(run), weights)
        passing("run.written")
        store.set_progress(run, planned=measurement.asked_for, best=recommendation.solution.objective)
        return recommendation


@contextmanager
def _explained(job: Job, store: Store, run: str, folder: RunFolder) -> Iterator[None]:
    """A run that comes to nothing leaves a report too: why it did.

    Raises:
        NoResultError: also where nothing at all could be trained.
    """
    try:
        yield
    except (NoResultError, TrialError) as error:
        write_failure(folder, job.spec.name, run, error, store.trials(run))
        if isinstance(error, NoResultError):
            raise
        raise NoResultError(error.what, where=error.where, fix=error.fix) from error


def _settled(job: Job, choice: EngineChoice, store: Store, run: str) -> Job:
    """The job with its engine in the spec, for this run and every time it is resumed."""
    if job.spec.training.engine == choice.engine:
        return job
    experiments = tuple(with_engine(experiment, choice.engine) for experiment in job.experiments)
    spec = job.spec.model_copy(update={"training": experiments[0].training})
    store.set_spec(run, dump_spec(spec))
    store.add_event(run, "engine", {"engine": choice.engine, "reason": choice.reason, "seconds": dict(choice.seconds)})
    return replace(job, spec=spec, plan=replace(job.plan, spec=spec), experiments=experiments)


def _remember_trainer(experiment: Experiment, store: Store, run: str) -> None:
    """Keep what a foreign trainer was when the run began, and tell the run's history where it is that no longer."""
    if not isinstance(experiment, ForeignExperiment):
        return
    trainer = experiment.trainer
    known = [event.payload["fingerprint"] for event in store.events(run) if event.kind == "trainer"]
    if known[-1:] == [trainer.fingerprint]:
        return
    if known:
        text = "the trainer is not what it was before: all that it trained is trained again, so nothing is mixed"
        store.add_event(run, "warning", {"text": text})
    store.add_event(run, "trainer", {"name": trainer.name, "fingerprint": trainer.fingerprint})


def _counted(job: Job, speed: Speed, store: Store, run: str) -> Job:
    """The job with the minutes of an adaptive search as trainings, for this run and every time it is resumed."""
    allowed, plan = job.spec.budget.training, job.plan
    if job.spec.affinity.estimator != "adaptive" or allowed is None or allowed.minutes is None:
        return job
    splits = job.spec.evidence.splits
    first = [trial for split in range(splits) for trial in plan.search_trials(split)]
    left = 60 * allowed.minutes - speed.wall(first)
    trainings = len(first) + int(left / speed.wall([plan.typical_group]))
    budget = job.spec.budget.model_copy(
        update={"training": TrainingBudgetSpec(trainings=trainings, worthwhile=allowed.worthwhile)}
    )
    spec = job.spec.model_copy(update={"budget": budget})
    store.set_spec(run, dump_spec(spec))
    store.add_event(run, "budget", {"minutes": allowed.minutes, "trainings": trainings})
    return replace(job, spec=spec, plan=replace(plan, spec=spec))


def _tuned(job: Job, measurement: Measurement) -> tuple[Job, tuple[Tuning, ...]]:
    """The job with the learning rates that were kept, and what was tried; a resumed run looks it up and ends alike."""
    tuning = tune(job.plan, job.experiments[0], measurement)
    if not tuning:
        return job, ()
    rate = job.spec.training.learning_rate * tuning[0].kept
    ways = {one.sharing: Sharing.parse(one.sharing) for one in tuning[1:]}
    kept = [str(replace(ways[one.sharing], rate=ways[one.sharing].rate * one.kept)) for one in tuning[1:]]
    training = job.spec.training.model_copy(update={"learning_rate": rate})
    spec = job.spec.model_copy(update={"training": training, "architectures": (HARD, *kept)})
    experiments = tuple(with_learning_rate(experiment, rate) for experiment in job.experiments)
    plan = plan_for(spec, experiments[0].dataset, job.latency)
    return replace(job, spec=spec, plan=plan, experiments=experiments, cost_of=plan.costs.charged), tuning


def _recommendation(
    job: Job,
    decisions: Sequence[Decision],
    controls: Controls | None,
    domination: Domination | None,
    tuning: tuple[Tuning, ...],
    searched: SettingsSearch | None,
    measurement: Measurement,
    executor: Executor,
    run: str,
    command: str,
    seconds: float,
) -> Recommendation:
    first, dataset = decisions[0], job.experiments[0].dataset
    capacity = affinity_capacity(job.plan, first.table)
    comparisons = [assembly.compare_contenders(decision) for decision in decisions]
    comparison = comparisons[0]
    stability = stability_record(first.stability)
    audit = assembly.audit_record(first)
    runner_up = None if first.runner_up is None else assembly.selection(first, first.runner_up)
    return Recommendation(
        name=job.spec.name,
        run=run,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=comparison.judgement.verdict,
        verdict_text=comparison.judgement.text,
        tasks=first.plan.tasks,
        budget=job.spec.budget.inference,
        unit=job.spec.budget.unit,
        max_networks=job.spec.budget.max_networks,
        solution=assembly.selection(first, first.solution),
        runner_up=runner_up,
        frontier=assembly.frontier_points(first),
        estimator=job.spec.affinity.estimator,
        estimates=assembly.estimates(first),
        audit=audit,
        affinity=affinity_entries(pair_affinity(first.table, cost=capacity)),
        affinity_measured_at=assembly.measured_at(first, len(dataset.train), capacity),
        sharing_cost=assembly.sharing_cost(first),
        confirmed=assembly.confirmed(first),
        baselines=assembly.baselines(first, comparison, job.cost_of),
        random=comparison.random,
        paired=comparison.paired,
        stability=stability,
        training_cost=(*_settings_cost(searched), *measurement.costs(PHASES)),
        wall_seconds=seconds,
        next_steps=next_steps(first, comparison, stability, audit),
        warnings=(
            *dataset.warnings,
            *first.notes,
            *_clusters(job.plan),
            *_failures(measurement),
            *_damaged(measurement),
        ),
        repeated_splits=tuple(map(repeated_split, decisions, comparisons)) if len(decisions) > 1 else (),
        environment=describe_environment(
            workers=executor.workers,
            search_seeds=list(job.plan.search_seeds),
            fresh_seeds=list(job.plan.fresh_seeds),
            engine=job.spec.training.engine,
            **_gpu(measurement),
        ),
        command=command,
        halving=assembly.halving_record(first),
        adaptive=adaptive_record(first),
        regret=first.regret,
        no_harm=no_harm_record(first),
        controls=controls,
        ways=assembly.ways(first),
        domination=domination,
        policies=policy_records(first, len(dataset.input_names)),
        tuning=tuning,
        trainer=assembly.foreign_trainer(first, job.experiments[0]),
        settings=searched,
    )


def _gpu(measurement: Measurement) -> Mapping[str, object]:
    """How many workers share a GPU, and what that rests on, where it was left to the run."""
    events = measurement.store.events(measurement.run)
    return {event.kind: event.payload for event in events if event.kind == "gpu"}


def _settings_cost(searched: SettingsSearch | None) -> tuple[PhaseCost, ...]:
    """What a search over settings cost; a training that was stopped early counts as one."""
    if searched is None:
        return ()
    begun = [one for one in searched.tried if one.state != "undone"]
    failed, seconds = searched.count("failed") * searched.seeds, sum(one.seconds for one in begun)
    return (PhaseCost("settings", "configurations of the search", len(begun) * searched.seeds, failed, seconds),)


def _clusters(plan: Plan) -> tuple[str, ...]:
    """A sentence that says which candidates linear models proposed."""
    named = "; ".join(SEPARATOR.join(group) for group in plan.proposed)
    return (f"clusters of linear models were among the candidates: {named}",) if named else ()


def _failures(measurement: Measurement) -> tuple[str, ...]:
    """One sentence for each reason that trainings failed for."""
    reasons: dict[str, list[str]] = {}
    for trial, reason in measurement.failures.items():
        reasons.setdefault(reason, []).append(trial.network)
    return tuple(
        f"{len(failed)} training{'s' * (len(failed) > 1)} failed: {reason} (the first: {failed[0]})"
        for reason, failed in reasons.items()
    )


def _damaged(measurement: Measurement) -> tuple[str, ...]:
    """A sentence that says how many results could not be read any more."""
    count = len(measurement.damaged)
    return (f"stored results of {count} trainings were damaged; they were trained again",) if count else ()


def _check_minutes(job: Job, speed: Speed) -> None:
    allowed = job.spec.budget.training
    if allowed is None or allowed.minutes is None:
        return
    least = "up to"
    searching = [phase.trials for phase in phases_of(job.plan) if phase.phase in SEARCHING]
    if job.spec.affinity.estimator == "adaptive":  # it fills the time that is left after what every search trains
        least = "at least"
        searching = [job.plan.search_trials(split) for split in range(job.spec.evidence.splits)]
    minutes = sum(map(speed.wall, searching)) / 60
    if minutes > allowed.minutes:
        raise SpecError(
            f"the search takes {least} {minutes:.1f} minutes on {speed.workers} workers, {allowed.minutes:g} are "
            "allowed",
            where="budget.training.minutes",
            fix="Raise it, or lower training.epochs, training.seeds or candidates.max_size",
        )
