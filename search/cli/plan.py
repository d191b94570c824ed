"""``taskgroup plan``: what a spec amounts to, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.balancing import EQUAL, GRADIENT_METHODS, Balancing
from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, print_result, warn

if TYPE_CHECKING:
    from search.data.dataset import Dataset
    from search.decision.engine_choice import EngineChoice
    from search.decision.plan import Plan
    from search.decision.probe import Speed
    from search.pilot import Pilot
    from search.spec import Spec

__all__ = ["plan"]


def plan(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file.", show_default=False)],
    probe: Annotated[bool, typer.Option("--probe", help="Train for a few seconds and add minutes and memory.")] = False,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="Train about 5 % of the run, and tell whether grouping is likely to pay.")
    ] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Validate everything, then print candidates, trainings and their cost."""
    from search.data.dataset import load_dataset
    from search.data.resolution import resolve
    from search.decision.linear_clusters import plan_for
    from search.decision.plan_record import plan_as_json
    from search.documents import read_spec

    resolved = resolve(read_spec(spec), spec.parent)
    dataset = load_dataset(resolved, spec.parent)
    if probe and resolved.budget.unit == "latency_ms":
        from search.job import prepare

        made = prepare(resolved, spec.parent).plan
    else:
        made = plan_for(resolved, dataset)
    engine, speed = _probe(made, resolved, spec.parent) if probe else (None, None)
    seen = _pilot(resolved, spec.parent, quiet=quiet or as_json) if pilot else None
    for warning in dataset.warnings:
        warn(warning)
    if as_json:
        data = plan_as_json(made, dataset, speed, engine)
        emit_json(data if seen is None else {**data, "pilot": asdict(seen)})
    else:
        text = plan_as_text(made, dataset, speed, engine)
        print_result(text if seen is None else f"{text}\n\n{_pilot_text(seen)}")


def _probe(made: Plan, resolved: Spec, base: Path) -> tuple[EngineChoice, Speed]:
    from search.decision.way import way_to_train
    from search.execution.ray_executor import RayExecutor
    from search.job import prepare

    job = prepare(resolved, base)
    cluster, experiment = job.spec.cluster, job.experiments[0]
    with RayExecutor(cluster.address, cluster.workers, cluster.gpu_share) as executor:
        way = way_to_train(made, experiment, executor)
        return way.choice, way.speed(way.settled(experiment), executor)


def _pilot(resolved: Spec, base: Path, *, quiet: bool) -> Pilot:
    from search.cli.progress import progress_for
    from search.execution.ray_executor import RayExecutor
    from search.pilot import run_pilot

    cluster = resolved.cluster
    with RayExecutor(cluster.address, cluster.workers, cluster.gpu_share) as executor:
        return run_pilot(resolved, base.resolve(), executor, progress_for(quiet=quiet))


def _pilot_text(seen: Pilot) -> str:
    from grouping.report.adaptive_view import outlook_text
    from search.decision.adaptive import UNLIKELY

    share = f"{seen.trainings / seen.planned:.0%} of the {seen.planned:,} that the whole run takes at most"
    parts = [f"{seen.trainings} trainings, {share}."]
    if seen.outlook is None:
        parts.append("Neither one network for all nor one a task fits the budget: there is no choice but to group.")
    else:
        unlikely = seen.outlook.chance <= UNLIKELY
        parts.append("Grouping will hardly pay here." if unlikely else "Grouping may pay here: the search is worth it.")
        parts.append(outlook_text(seen.outlook, "grouping over the best without it").replace("\N{NO-BREAK SPACE}", " "))
    return fill(" ".join(parts), 118, initial_indent="Pilot        ", subsequent_indent=" " * 13)


def plan_as_text(made: Plan, dataset: Dataset, speed: Speed | None = None, engine: EngineChoice | None = None) -> str:
    """What ``plan`` prints for people."""
    from search.decision.plan_record import plan_as_json

    data = plan_as_json(made, dataset, speed, engine)
    rows = data["rows"]
    estimator = {
        "measured": "measured losses only",
        "higher-order": "pairs are trained, larger groups estimated from them (HOA)",
        "adaptive": "the rest is trained where it is expected to improve the choice most",
        "linear-surrogate": "the others are estimated from each partner's share, learnt from random groups",
        "look-ahead": "the others are estimated from looks ahead in trainings of all tasks (TAG)",
        "first-order": "the others are estimated from products of gradients in trainings of all tasks (ETAP)",
        "cosine": "the others are estimated from angles between gradients in trainings of all tasks",
        "linearised": "the others are estimated from trained networks of all tasks, linearised (Grad-TAG)",
        "early-stopping": f"groups are trained for {made.spec.affinity.fraction:.0%} of the epochs (ESA)",
    }[made.spec.affinity.estimator]
    seen = (
        f"{data['inputs']} inputs, rows {rows['train']:,} train / {rows['validation']:,} validation / "
        f"{rows['test']:,} test"
    )
    lines = [
        f"{made.spec.name}: {len(made.tasks)} tasks, {'the trainer has the data' if dataset.opaque else seen}",
        *([f"Trainer      {data['trainer']}"] if "trainer" in data else []),
        (
            f"Candidates   {data['candidates']:,} networks of up to {made.largest_group} tasks, "
            f"{data['trained_candidates']:,} of them trained at once; {estimator}"
        ),
        *([f"Sharing      {', '.join(made.spec.architectures)}"] if len(made.spec.architectures) > 1 else []),
        *(f"             {sentence}" for sentence in made.left_out),
        f"Budget       {made.spec.budget.as_budget()}",
        *_balancing(made),
        *_checkpoints(made),
        f"Seeds        {data['search_seeds']} for the search, {data['fresh_seeds']} fresh ones for the confirmation",
        "",
        f"{'Trainings':<41}{'expected':>9}{'at most':>9}{'= standard':>12}" + (f"{'minutes':>9}" if speed else ""),
    ]
    if "linear_clusters" in data:
        groups = "; ".join("+".join(group) for group in data["linear_clusters"]) or "none of two or more tasks"
        lines.insert(2 + ("trainer" in data), fill(f"Clusters     {groups}", 118, subsequent_indent=" " * 13))
    for phase in data["phases"]:
        lines.append(_phase(phase))
        if "least_standard_trainings" in phase:
            lines.append(f"    {'after halving, at least':<55}{phase['least_standard_trainings']:>12,.1f}")
    total = {key: data[key] for key in ("expected_trainings", "trainings")}
    standard = sum(phase["standard_trainings"] for phase in data["phases"])
    minutes = {"minutes": data["probe"]["minutes"]} if speed else {}
    lines.append(_phase({"label": "together", **total, "standard_trainings": standard, **minutes}))
    lines.append(
        "A training is one network with one seed. = standard: those expected, in trainings of the standard network."
    )
    if speed:
        lines.append(f"On {speed.workers} workers, {data['probe']['memory_mb']:,.0f} MiB of memory together.")
    if engine and "trainer" not in data:
        lines.append(f"Engine {engine.engine}: {engine.reason}.")
    if not speed:
        lines.append("Minutes and memory: taskgroup plan --probe")
    return escape_controls("\n".join(lines))


def _phase(phase: Mapping[str, Any]) -> str:
    """One line of the table of trainings."""
    line = f"  {phase['label']:<39}{phase['expected_trainings']:>9,}{phase['trainings']:>9,}"
    line += f"{phase['standard_trainings']:>12,.1f}"
    return line + (f"{phase['minutes']:>9.1f}" if "minutes" in phase else "")


def _checkpoints(made: Plan) -> list[str]:
    """Where long trainings go on after a kill and where not; on one machine there is nothing to ask."""
    spec = made.spec
    if spec.cluster.address == "local":
        return []
    own = (
        "what trainings leave in {folder} stays" if spec.trainer else f"every {spec.training.checkpoint_minutes:g} min"
    )
    where = "on nodes that see the folder of runs (TASKGROUP_HOME); elsewhere a killed training begins anew"
    return [f"Checkpoints  {own}, {where}"]


def _balancing(made: Plan) -> list[str]:
    """How tasks are kept in balance, and what that costs in training; nothing where they are not."""
    balancing = Balancing.parse(made.spec.training.balancing)
    if balancing.name == EQUAL:
        return []
    cost = "a backward pass for each task" if balancing.name in GRADIENT_METHODS else "one backward pass"
    return [f"Balancing    {balancing}: {cost} in a step, networks trained one by one"]
