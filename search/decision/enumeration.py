"""Which candidates a spec amounts to: groups times capacities, with their costs, and which of them are trained.

Needs neither torch nor Ray (torch only for trunks of other packages). Costs are counted for one input row: FLOPs and
parameters by closed form, SNT nominally.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations, pairwise
from math import ceil, comb
from typing import NamedTuple

import numpy as np

from grouping.budget import BudgetUnit
from grouping.candidates import BoolArray, Candidates, FloatArray
from grouping.errors import InfeasibleError, InputError
from grouping.estimators.one_run import ONE_RUN
from grouping.tasks import Task
from search.decision.costs import Costs, Latency, fits_somewhere
from search.decision.declared_costs import DeclaredCosts
from search.decision.plan import STANDARD, Plan
from search.decision.samples import sampled_groups
from search.errors import SpecError
from search.networks.sharing import HARD, Sharing
from search.spec import Spec
from search.trials import Identity

__all__ = ["make_plan"]

_MOST_CANDIDATES = 20_000
_MOST_ADAPTIVE = 5_000
"""All of these are judged anew after every round, which takes seconds beyond."""


def make_plan(
    spec: Spec,
    tasks: Sequence[Task],
    n_inputs: int,
    outputs: Sequence[int],
    latency: Latency | None = None,
    proposed: Sequence[Sequence[str]] = (),
    searched: int = 0,
) -> Plan:
    """Enumerate the candidates of a resolved spec and what is trained.

    Args:
        spec: With tasks and types filled in.
        tasks: The task set, T long.
        n_inputs: Encoded input columns.
        outputs: Outputs per task, T long.
        latency: Measures a network; needed where the budget is in milliseconds.
        proposed: Groups that are trained too, whatever the spec says of sizes; task names.
        searched: Trainings that a search over settings took; what it kept is among the spec's ways to share.

    Raises:
        SpecError: a capacity that no integer width reaches, or more trainings than ``budget.training`` allows.
        InfeasibleError: no candidate combination fits the budget.
    """
    _check_fraction(spec)
    _check_rungs(spec)
    names = [task.name for task in tasks]
    trained = {**_trained_groups(spec, names), **_groups(proposed, names)}
    largest = _largest_group(spec, len(names))
    wide = spec.affinity.estimator in (*ONE_RUN, "adaptive", "linear-surrogate")
    if spec.candidates.max_size is not None and wide:
        largest = min(largest, spec.candidates.max_size)
    everything = tuple(range(len(names)))
    universe = dict.fromkeys(trained)
    if spec.affinity.estimator == "higher-order":
        for size in range(3, largest + 1):
            universe.update(dict.fromkeys(g for g in combinations(everything, size) if _has_pairs(g, trained)))
    if wide:
        universe.update(_listed_groups(spec, names))
        for size in range(2, largest + 1) if spec.candidates.groups is None else ():
            universe.update(dict.fromkeys(combinations(everything, size)))
    if spec.affinity.estimator == "linear-surrogate":
        trained |= sampled_groups(spec, universe, len(names))
    costs = DeclaredCosts(spec) if spec.trainer is not None else Costs(spec, tasks, n_inputs, outputs, latency)
    capacities = sorted({STANDARD, *spec.network.capacities})
    rows = [_Row(group, capacity, Sharing(), group in trained) for capacity in capacities for group in universe]
    others, left_out = _other_ways(spec, trained if wide else universe, trained, names, costs)
    rows += others
    charged = np.array([_cost(row, names, costs)[spec.budget.unit] for row in rows])
    fits = _admissible(rows, charged, spec, {t for t, task in enumerate(tasks) if task.role == "main"})
    keep = fits | np.array([len(row.group) == 1 and row.capacity == STANDARD for row in rows])
    rows = [row for row, kept in zip(rows, keep, strict=True) if kept]
    members_CT = np.array([[t in row.group for t in everything] for row in rows], dtype=bool)
    all_costs = [_cost(row, names, costs) for row in rows]
    candidates = Candidates(
        tuple(names),
        members_CT,
        np.array([row.capacity for row in rows]),
        tuple("" if str(row.sharing) == HARD else str(row.sharing) for row in rows),
        other_costs_C={unit: np.array([cost[unit] for cost in all_costs]) for unit in all_costs[0] if unit != "snt"},
    )
    plan = Plan(
        spec,
        tuple(tasks),
        candidates,
        charged[keep],
        np.array([row.trained for row in rows]),
        fits[keep],
        largest,
        costs,
        proposed=tuple(tuple(group) for group in proposed),
        left_out=left_out,
        searches=_searches(spec, trained, names, costs),
        searched=searched,
    )
    _check_training_budget(plan)
    return plan


def _trained_groups(spec: Spec, names: Sequence[str]) -> dict[tuple[int, ...], None]:
    """Groups the search trains, smaller first: always the singles (the reference) and the all-in-one (free)."""
    n = len(names)
    groups: dict[tuple[int, ...], None] = dict.fromkeys((t,) for t in range(n))
    if spec.evidence.no_harm.constrain and spec.evidence.no_harm.against == "grouping":
        groups.update(_groups(spec.evidence.grouping, names))
    if spec.affinity.estimator in (*ONE_RUN, "adaptive", "linear-surrogate"):
        return {**groups, tuple(range(n)): None}
    if spec.candidates.groups is not None:
        groups.update(_listed_groups(spec, names))
    else:
        default = 2 if spec.affinity.estimator == "higher-order" else n
        size = min(spec.candidates.max_size or default, n)
        count = sum(comb(n, s) for s in range(1, size + 1))
        if count > _MOST_CANDIDATES:
            raise SpecError(
                f"all groups of up to {size} of {n} tasks are {count:,} networks to train",
                where="candidates.max_size",
                fix="Use affinity.estimator: higher-order, a smaller max_size, or list candidates.groups",
            )
        for s in range(2, size + 1):
            groups.update(dict.fromkeys(combinations(range(n), s)))
    groups.setdefault(tuple(range(n)))
    return groups


def _listed_groups(spec: Spec, names: Sequence[str]) -> dict[tuple[int, ...], None]:
    """The groups that the spec lists; none where it lists none."""
    return _groups(spec.candidates.groups, names)


def _groups(groups: Sequence[Sequence[str]] | None, names: Sequence[str]) -> dict[tuple[int, ...], None]:
    position = {name: t for t, name in enumerate(names)}
    return dict.fromkeys(tuple(sorted(position[name] for name in group)) for group in groups or ())


def _largest_group(spec: Spec, n: int) -> int:
    """The largest size whose groups, with all smaller ones, still make a list of reasonable length."""
    total, most = 0, _MOST_ADAPTIVE if spec.affinity.estimator == "adaptive" else _MOST_CANDIDATES
    for size in range(1, n + 1):
        total += comb(n, size)
        if total * len(spec.network.capacities) > most:
            return size - 1
    return n


def _has_pairs(group: tuple[int, ...], trained: dict[tuple[int, ...], None]) -> bool:
    return all(pair in trained for pair in combinations(group, 2))


class _Row(NamedTuple):
    """A candidate in the making.

    Args:
        group: Its tasks.
        capacity: In SNT.
        sharing: What they share.
        trained: Whether the search trains it.
    """

    group: tuple[int, ...]
    capacity: float
    sharing: Sharing
    trained: bool


def _other_ways(
    spec: Spec,
    groups: Iterable[tuple[int, ...]],
    trained: Collection[tuple[int, ...]],
    names: Sequence[str],
    costs: Costs | DeclaredCosts,
) -> tuple[list[_Row], tuple[str, ...]]:
    """The groups of two or more in every other way to share, and what no whole widths bring to the asked capacity."""
    rows: list[_Row] = []
    missing: dict[str, list[InputError]] = {}
    shared = [group for group in groups if len(group) > 1]
    for way in map(Sharing.parse, spec.architectures[1:]):
        own = way.settings.capacity
        for capacity in () if way.to_search else spec.network.capacities if own is None else (own,):
            for group in [*_single(way, groups), *shared]:
                sharing = way if len(group) > 1 else Sharing(settings=way.settings)
                if way.settings and way.modes and len(group) != way.policy.n_tasks:
                    continue  # the policy was searched for others
                row = _Row(group, capacity, sharing, group in trained)
                try:
                    _cost(row, names, costs)
                except InputError as error:
                    missing.setdefault(f"{way} at capacity {capacity:g}", []).append(error)
                else:
                    rows.append(row)
    return rows, tuple(
        f"left out: {len(errors)} of {len(shared)} groups by {name}, the first because {errors[0].what}"
        for name, errors in missing.items()
    )


def _single(way: Sharing, groups: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Single tasks, where settings make them another network than the spec does: sharing is not better tuned then."""
    return [group for group in groups if len(group) == 1] if way.settings else []


def _cost(row: _Row, names: Sequence[str], costs: Costs | DeclaredCosts) -> dict[BudgetUnit, float]:
    return costs.of([names[t] for t in row.group], row.capacity, row.sharing)


def _searches(
    spec: Spec, trained: Collection[tuple[int, ...]], names: Sequence[str], costs: Costs | DeclaredCosts
) -> tuple[Identity, ...]:
    """The policies that are searched: of every group that the search trains, in every capacity."""
    ways = [way for way in map(Sharing.parse, spec.architectures) if way.to_search]
    for way in ways:
        if way.kind == "adashare" and not any(costs.can_skip_L):
            raise SpecError(
                f"no unit of the trunk {spec.network.trunk} {list(spec.network.widths)} can be skipped",
                where="architectures",
                fix="Use network.trunk: resmlp or resnet, or give neighbouring layers the same width",
            )
    groups = [tuple(names[t] for t in group) for group in trained if len(group) > 1]
    return tuple((g, capacity, str(way)) for way in ways for capacity in spec.network.capacities for g in groups)


def _admissible(rows: Sequence[_Row], charged: FloatArray, spec: Spec, main: set[int]) -> BoolArray:
    """Candidates that some feasible grouping can contain."""
    limit = spec.budget.inference
    covers = np.array([main <= set(row.group) for row in rows])
    asked = np.array(
        [row.capacity in spec.network.capacities or row.sharing.settings.capacity is not None for row in rows]
    )
    fits = fits_somewhere(charged, covers, float(charged.min()), spec.budget) & asked
    # The cheapest way to serve everyone is one network: several have a trunk each, and no fewer heads.
    if not (fits & covers).any():
        needed = float(charged[covers & asked].min())
        raise InfeasibleError(
            f"no grouping of the {len(main)} tasks fits a budget of {limit:g} {spec.budget.unit}",
            where="budget.inference",
            fix=f"Raise it to {needed:g} {spec.budget.unit} or add a smaller capacity to network.capacities",
            minimum_budget=needed,
        )
    return np.asarray(fits)


def _check_fraction(spec: Spec) -> None:
    readings = spec.training.epochs * spec.training.readings_per_epoch
    if spec.affinity.estimator == "early-stopping" and spec.affinity.fraction * readings < 1 - 1e-9:
        raise SpecError(
            f"no loss is read within the first {spec.affinity.fraction:g} of {spec.training.epochs} epochs",
            where="affinity.fraction",
            fix=f"Use {1 / readings:.3g} or more, or raise training.readings_per_epoch",
        )


def _check_rungs(spec: Spec) -> None:
    halving, readings = spec.candidates.halving, spec.training.epochs * spec.training.readings_per_epoch
    if halving is None:
        return
    read = [ceil(fraction * readings - 1e-9) for fraction in halving.rungs]
    for (early, late), (before, after) in zip(
        pairwise((*halving.rungs, 1.0)), pairwise((*read, readings)), strict=True
    ):
        if before == after:
            raise SpecError(
                f"no loss is read between {early:g} and {late:g} of {spec.training.epochs} epochs",
                where="candidates.halving.rungs",
                fix="Leave one of them out, or raise training.readings_per_epoch",
            )


def _check_training_budget(plan: Plan) -> None:
    if plan.spare >= 0:
        return
    allowed, needed = plan.spec.budget.training, plan.needed * plan.spec.evidence.splits
    lower = "training.seeds or candidates.max_size"
    if plan.spec.search is not None:
        lower = f"search.configurations, {lower}"
    raise SpecError(
        f"the search trains {needed} networks, {allowed.trainings if allowed else 0} are allowed",
        where="budget.training.trainings",
        fix=f"Raise it to {needed} or more (the rest is for what is decided later), or lower {lower}",
    )
