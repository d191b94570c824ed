"""Whether the sections of a spec go together.

These raise SpecError, not ValueError: pydantic lets it through, with the field's path in ``where``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grouping.errors import InputError
from grouping.tasks import check_metric, check_task_name, check_task_names, nearest_name
from search.errors import SpecError
from search.networks.shape import BUILT_IN
from search.networks.sharing import FRESH, HARD, Sharing, check_sharing
from search.spec.sections import AffinitySpec, Estimator, HalvingSpec, NetworkSpec, SplitSpec, TaskSpec, TrainingSpec
from search.spec.settled import settled

if TYPE_CHECKING:
    from search.spec.spec import Spec

__all__ = [
    "check_adaptive",
    "check_groups",
    "check_halving",
    "check_linear_clusters",
    "check_no_harm",
    "check_redraws",
    "check_samples",
    "check_tasks",
    "ways_to_share",
]


def ways_to_share(architectures: tuple[str, ...], network: NetworkSpec, training: TrainingSpec) -> tuple[str, ...]:
    """As they are written down everywhere, each once, hard sharing first."""
    ways: dict[str, None] = {HARD: None}
    for index, text in enumerate(architectures):
        try:
            way = Sharing.parse(text)
            own, _ = settled(way.settings, network, training)
            if own.trunk in BUILT_IN or not way.modes:  # units of another trunk are known once it is built
                check_sharing(way, own.trunk, len(own.widths))
        except InputError as error:
            raise SpecError(error.what, where=f"architectures[{index}]", fix=error.fix) from error
        if way.modes and way.start != FRESH:
            what = f"'{way}' would go on from weights that only the run of its search knows"
            raise SpecError(what, where=f"architectures[{index}]", fix="Leave out modes, or start")
        ways[str(way)] = None
    return tuple(ways)


def check_tasks(tasks: tuple[TaskSpec, ...]) -> None:
    for index, task in enumerate(tasks):
        check_task_name(task.name, f"tasks[{index}].name")
        if any(character in task.name for character in "/\\") or task.name in {".", ".."}:
            what = f"task name {task.name!r} looks like a path, and names of networks become file names"
            raise SpecError(what, where=f"tasks[{index}].name", fix="Use letters, digits, '-' and '_'")
        twins = [other.name for other in tasks[:index] if other.column == task.column]
        if twins and task.name not in twins:
            what = f"task '{task.name}' has the same target column '{task.column}' as task '{twins[0]}'"
            raise SpecError(what, where=f"tasks[{index}].target", fix="Remove one of the two")
        if task.type is not None:  # else checked again once the type has been inferred
            check_metric(task.name, task.type, task.metric, f"tasks[{index}].metric")
    check_task_names([task.name for task in tasks])
    if tasks and all(task.role == "auxiliary" for task in tasks):
        raise SpecError(
            "every task is auxiliary, so nothing would be served", where="tasks", fix="Give one task the role 'main'"
        )


def check_groups(groups: tuple[tuple[str, ...], ...] | None, where: str, tasks: tuple[TaskSpec, ...]) -> None:
    """Groups name known tasks, each once, and together cover every main task (unknown before tasks are resolved)."""
    if groups is None or not tasks:
        return
    names = [task.name for task in tasks]
    for index, group in enumerate(groups):
        if not group:
            raise SpecError("the group is empty", where=f"{where}[{index}]", fix="Name at least one task, or remove it")
        for position, name in enumerate(group):
            if name not in names:
                what = f"no task is called '{name}'"
                raise SpecError(what, where=f"{where}[{index}][{position}]", fix=nearest_name(name, names))
            if name in group[:position]:
                what = f"task '{name}' appears twice in the group"
                raise SpecError(what, where=f"{where}[{index}][{position}]", fix="Name it once")
    covered = {name for group in groups for name in group}
    for task in tasks:
        if task.role == "main" and task.name not in covered:
            fix = f"Add a group that contains it, [{task.name}] for example"
            raise SpecError(f"no group contains the main task '{task.name}'", where=where, fix=fix)


def check_redraws(splits: int, split: SplitSpec | None) -> None:
    if splits == 1 or split is None:
        return
    fixed = "a split by column" if split.column is not None else "a split by time" if split.time is not None else ""
    if fixed:
        fix = "Give data.split.fractions without 'time', or evidence.splits: 1"
        raise SpecError(f"{fixed} cannot be drawn again {splits} times", where="evidence.splits", fix=fix)


def check_linear_clusters(spec: Spec) -> None:
    if spec.candidates.linear_clusters and spec.evidence.splits > 1:
        raise SpecError(
            f"clusters found in one training part may know test rows of the other {spec.evidence.splits - 1} splits",
            where="candidates.linear_clusters",
            fix="Set evidence.splits to 1, or leave it out",
        )


def check_adaptive(spec: Spec) -> None:
    if spec.affinity.estimator != "adaptive":
        return
    if spec.budget.training is None:
        raise SpecError(
            "an adaptive search needs to know how much it may train",
            where="budget.training",
            fix="Add it to the budget: training: {trainings: 120}, or {minutes: 10}",
        )
    if spec.candidates.halving is not None:
        raise SpecError(
            "an adaptive search decides by itself what is trained, so there is nothing to halve",
            where="candidates.halving",
            fix="Leave it out, or use affinity.estimator: higher-order or measured",
        )


def check_samples(affinity: AffinitySpec) -> None:
    if affinity.samples is not None and affinity.estimator != "linear-surrogate":
        raise SpecError(
            f"the estimator {affinity.estimator} samples no groups",
            where="affinity.samples",
            fix="Leave it out, or use affinity.estimator: linear-surrogate",
        )


def check_no_harm(spec: Spec) -> None:
    asked = spec.evidence.no_harm
    if asked.against == "grouping" and spec.evidence.grouping is None:
        raise SpecError(
            "no grouping is given that tasks could be compared with",
            where="evidence.no_harm.against",
            fix="Add evidence.grouping, or use: single-task",
        )
    if asked.constrain and spec.training.seeds < 2:
        raise SpecError(
            "one seed says nothing of its error, so no network can be shown to do no harm",
            where="evidence.no_harm.constrain",
            fix="Set training.seeds to 2 or more",
        )
    if asked.constrain and spec.affinity.estimator == "early-stopping":
        raise SpecError(
            "with affinity.estimator: early-stopping no final loss is measured that a limit could be put on",
            where="evidence.no_harm.constrain",
            fix="Use another estimator, or drop the constraint",
        )


def check_halving(halving: HalvingSpec | None, estimator: Estimator) -> None:
    if halving is not None and estimator == "early-stopping":
        raise SpecError(
            "with affinity.estimator: early-stopping no group is trained to the end, so there is nothing to halve",
            where="candidates.halving",
            fix="Leave it out, or use affinity.estimator: higher-order or measured",
        )
