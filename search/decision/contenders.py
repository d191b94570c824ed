"""What is trained again on fresh seeds: the choice, and every honest alternative at the same inference budget.

A contender is a set of networks and a routing of the served tasks to them. Costs are in the budget's unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.solver.baselines import clustering, partition_count, random_groupings
from grouping.solver.solution import Solution
from grouping.tasks import SEPARATOR
from search.decision.plan import STANDARD, Plan
from search.networks.sharing import HARD

__all__ = ["Contender", "Member", "alternatives", "from_groups", "from_solution", "random_contenders", "random_count"]


@dataclass(frozen=True)
class Member:
    """One network of a contender: who is trained in it, how large, how many copies are averaged, what tasks share."""

    tasks: tuple[str, ...]
    capacity: float
    copies: int = 1
    sharing: str = HARD

    @property
    def name(self) -> str:
        """Task names joined by ``+``; copies and sharing of another kind than one trunk are marked."""
        joined = SEPARATOR.join(self.tasks)
        joined = joined if self.sharing == HARD else f"{joined} ({self.sharing})"
        return joined if self.copies == 1 else f"{self.copies} x {joined}"


@dataclass(frozen=True)
class Contender:
    """Networks and a routing.

    Args:
        name: Short and unique: ``chosen``, ``all-in-one``, ``random-3``.
        label: For people.
        members: The networks.
        routing: Index into ``members`` for every served task.
        cost: Summed cost in the budget's unit.
        comparable: Whether it keeps the budget; references outside it are shown, never compared.
        note: Why not, or what else to know.
    """

    name: str
    label: str
    members: tuple[Member, ...]
    routing: Mapping[str, int]
    cost: float
    comparable: bool = True
    note: str = ""

    @property
    def identity(self) -> frozenset[tuple[Member, frozenset[str]]]:
        """What makes two contenders the same: the networks and whom each serves."""
        served: dict[int, set[str]] = {}
        for task, member in self.routing.items():
            served.setdefault(member, set()).add(task)
        return frozenset((self.members[m], frozenset(tasks)) for m, tasks in served.items())


_STEPS = 100

CostOf = Callable[[Sequence[str], float, str], float]
"""Tasks of a network, its capacity and what they share -> cost in the budget's unit."""


def from_solution(plan: Plan, solution: Solution, name: str, label: str) -> Contender:
    """The networks a solver chose, with the routing of the selection losses."""
    members = tuple(
        Member(plan.group(c), float(plan.capacity_C[c]), sharing=plan.sharing_C[c]) for c in solution.chosen.tolist()
    )
    routing = {plan.tasks[t].name: int(solution.serves_T[t]) for t in plan.main}
    return Contender(name, label, members, routing, solution.cost)


def from_groups(
    plan: Plan,
    groups: Iterable[Sequence[str]],
    name: str,
    label: str,
    cost_of: CostOf,
    capacity: float,
    way: str = HARD,
) -> Contender:
    """Groups as networks of one capacity that share in one way; a task in several groups is served by the first."""
    members = tuple(
        Member(tuple(task.name for task in plan.tasks if task.name in set(g)), capacity, sharing=way) for g in groups
    )
    main = [plan.tasks[t].name for t in plan.main]
    routing = {task: next(m for m, member in enumerate(members) if task in member.tasks) for task in main}
    used = sorted(set(routing.values()))
    kept = tuple(members[m] for m in used)
    cost = sum(cost_of(member.tasks, capacity, way) for member in kept)
    allowed = plan.spec.budget.max_networks
    fits_cost = cost <= plan.spec.budget.inference * (1 + 1e-9)
    fits_count = allowed is None or len(kept) <= allowed
    note = "" if fits_cost else f"costs {cost:g}, the budget is {plan.spec.budget.inference:g}"
    if fits_cost and not fits_count:
        note = f"{len(kept)} networks, {allowed} are allowed"
    return Contender(
        name, label, kept, {t: used.index(m) for t, m in routing.items()}, cost, fits_cost and fits_count, note
    )


def alternatives(
    plan: Plan, label_similarity_TT: FloatArray | None, cost_of: CostOf, chosen_cost: float
) -> tuple[tuple[Contender, ...], tuple[str, ...]]:
    """The honest alternatives, and a sentence for each that cannot be built.

    Args:
        plan: Tasks, budget and networks.
        label_similarity_TT: Absolute correlation of the training labels, [T, T]; None where nobody sees them.
        cost_of: Cost of a network.
        chosen_cost: What the choice costs; alternatives are made as large where plain networks would cost less.
    """
    everything = tuple(task.name for task in plan.tasks)
    main = [plan.tasks[t].name for t in plan.main]
    limit = plan.spec.budget.inference
    unit = plan.spec.budget.unit.replace("snt", "SNT")
    way, tuned = plan.plain_way, "" if plan.plain_way == HARD else ", with searched settings"
    found: list[Contender] = [
        from_groups(
            plan, [(task,) for task in main], "single-task", "one standard network per task", cost_of, STANDARD
        ),
        from_groups(
            plan, [everything], "all-in-one", f"one standard network for all tasks{tuned}", cost_of, STANDARD, way
        ),
    ]
    missing: list[str] = []
    whole = cost_of(everything, STANDARD, way)
    optional: list[tuple[str, str, list[tuple[str, ...]]]] = []
    if abs(limit / whole - 1) > 1e-9 and len(main) > 1:
        optional.append(("wide", f"one network for all, as wide as the budget ({limit:g} {unit})", [everything]))
    if len(main) > 1:
        optional.append(("independent", "one network per task, all of one size", [(task,) for task in main]))
    trainer = plan.spec.trainer
    for name, label, groups in optional:
        if trainer is not None and "capacity" not in trainer.hears and limit != len(groups) * whole:
            missing.append(f"left out: {label}: the trainer is not told how large a network is to be")
            continue
        try:
            capacity = _filling(groups, limit, cost_of, way)
            found.append(from_groups(plan, groups, name, f"{label}{tuned}", cost_of, capacity, way))
        except InputError as error:
            missing.append(f"left out: {label}: {error.what}")
    copies = min(int(limit / whole + 1e-9), plan.spec.budget.max_networks or len(everything))
    if copies > 1 and trainer is not None and "copies" not in trainer.hears:
        missing.append(f"left out: the average of {copies} all-in-one networks: the trainer reports no predictions")
    elif copies > 1:
        capacity = _at_least([everything] * copies, STANDARD, chosen_cost, cost_of, way)
        found.append(
            Contender(
                "ensemble",
                f"the average of {copies} all-in-one networks with other seeds{tuned}",
                (Member(everything, capacity, copies, way),),
                dict.fromkeys(main, 0),
                copies * cost_of(everything, capacity, way),
            )
        )
    if label_similarity_TT is None:
        missing.append("left out: tasks clustered by their labels' correlation: the trainer owns the labels")
    elif 1 < plan.networks < len(main):
        clusters = clustering(label_similarity_TT[np.ix_(plan.main, plan.main)], plan.networks)
        named = [tuple(main[t] for t in cluster) for cluster in clusters]
        capacity = _at_least(named, plan.plain_capacity, chosen_cost, cost_of, way)
        label = f"tasks clustered by their labels' correlation{tuned}"
        found.append(from_groups(plan, named, "correlation", label, cost_of, capacity, way))
    own = plan.spec.evidence.grouping
    if own is not None:
        label = f"your own grouping{tuned}"
        found.append(from_groups(plan, own, "yours", label, cost_of, plan.plain_capacity, way))
    return tuple(found), tuple(missing)


def _filling(groups: Sequence[Sequence[str]], limit: float, cost_of: CostOf, way: str) -> float:
    """The largest common capacity at which networks of these groups fit the limit.

    Where costs are counted, heads do not shrink with the trunk, and widths come in whole units: so a little less than
    the limit's share may be the most that fits.

    Raises:
        InputError: nothing above half of that share can be built.
    """
    share = limit / sum(cost_of(group, STANDARD, way) for group in groups)
    for step in range(_STEPS):
        capacity = share * (1 - step / (2 * _STEPS))
        try:
            if sum(cost_of(group, capacity, way) for group in groups) <= limit * (1 + 1e-9):
                return capacity
        except InputError:
            continue  # no whole width comes near this capacity
    raise InputError(f"no common size of {len(groups)} networks fills {limit:g} to more than a half")


def _at_least(groups: Sequence[Sequence[str]], plain: float, cost: float, cost_of: CostOf, way: str) -> float:
    """The plain capacity, or a larger one at which networks of these groups cost as much as the choice does."""
    if sum(cost_of(group, plain, way) for group in groups) >= cost * (1 - 1e-9):
        return plain
    try:
        return max(plain, _filling(groups, cost, cost_of, way))
    except InputError:
        return plain


def random_count(plan: Plan, chosen: Contender) -> int:
    """How many random groupings there could be beside the choice."""
    sizes = _served_sizes(chosen)
    if len(sizes) > 1:
        return partition_count(len(plan.main), len(sizes), sizes) - 1
    return partition_count(len(plan.main), plan.networks)


def _served_sizes(chosen: Contender) -> tuple[int, ...]:
    """How many tasks each network of the choice serves, ascending."""
    served = list(chosen.routing.values())
    return tuple(sorted(served.count(member) for member in set(served)))


def random_contenders(
    plan: Plan, cost_of: CostOf, chosen: Contender, rng: np.random.Generator
) -> tuple[Contender, ...]:
    """Random groupings that serve as many tasks by each network as the choice does, at its cost where that is higher.

    So a difference from them is due to which tasks share, not to how many. The choice is none of them. Where it is one
    network they are of as many networks as the budget holds, of any sizes. One that passes the budget all the same is
    no rival.
    """
    main = [plan.tasks[t].name for t in plan.main]
    sizes, asked = _served_sizes(chosen), plan.spec.evidence.random_groupings
    if len(sizes) > 1:
        drawn = random_groupings(len(main), len(sizes), asked + 1, rng, sizes=sizes)
    elif 1 < plan.networks < len(main):
        drawn = random_groupings(len(main), plan.networks, asked, rng)
    else:
        return ()
    own = {frozenset(task for task, by in chosen.routing.items() if by == m) for m in set(chosen.routing.values())}
    named = [[tuple(main[t] for t in group) for group in groups] for groups in drawn]
    named = [groups for groups in named if set(map(frozenset, groups)) != own][:asked]
    made = (
        from_groups(
            plan,
            groups,
            f"random-{i}",
            f"random grouping {i}",
            cost_of,
            _at_least(groups, plan.plain_capacity, chosen.cost, cost_of, plan.plain_way),
            plan.plain_way,
        )
        for i, groups in enumerate(named, start=1)
    )
    return tuple(contender for contender in made if contender.comparable)
