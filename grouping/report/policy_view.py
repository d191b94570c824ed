"""Searched policies: what every unit is to every task, how that came about, who goes together, what was paid."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from grouping.recommendation import Recommendation, SearchedPolicy
from grouping.report.blocks import Block, Column, Folded, Paragraph, Table, picture
from grouping.report.labels import Figure, label
from grouping.report.wording import MISSING, duration, share

__all__ = ["policy_blocks", "shown_policies"]

_MOST_SHOWN = 3
_HARD = "hard"
_MAP = "How likely a task is to use what all share, unit by unit, when the search ended; in the cells what was chosen."
_TIME = "How that came about: within each unit the turns of the policy from left to right."
_SHOWN_TURNS = 4
_ALIKE = "alike="
_WITHOUT = "alike=0.0"
_SIGNS = {"shared": "shared", "own": "own", "skip": "skipped"}


def shown_policies(recommendation: Recommendation) -> tuple[SearchedPolicy, ...]:
    """The searches that are shown in full: those that serve, then those of the largest groups."""
    serving = {(frozenset(n.tasks), n.candidate) for n in recommendation.solution.networks}

    def serves(one: SearchedPolicy) -> bool:
        return (frozenset(one.tasks), one.candidate) in serving

    ranked = sorted(recommendation.policies, key=lambda one: (not serves(one), -len(one.tasks)))
    return tuple(ranked[:_MOST_SHOWN])


def policy_blocks(recommendation: Recommendation, figures: dict[str, Figure]) -> tuple[Block, ...]:
    """The section; nothing where no policy was searched."""
    policies = recommendation.policies
    if not policies:
        return ()
    blocks: list[Block] = [Paragraph(_text(policies))]
    for i, one in enumerate(shown_policies(recommendation)):
        title = f"{one.sharing} on {' + '.join(label(task, 24) for task in one.tasks)}"
        title += f", {one.capacity:g} SNT" if len({other.capacity for other in policies}) > 1 else ""
        for key, caption in ((f"policy-{i}", _MAP), (f"policy-time-{i}", _TIME)):
            blocks += picture(figures, key, title, caption)
        blocks += [Folded(_modes(one, title)), Folded(_course(one, title)), Folded(_together(one, title))]
    return (*blocks, Folded(_searches(policies)))


def _text(policies: Sequence[SearchedPolicy]) -> str:
    other = sum(one.candidate != _HARD for one in policies)
    fixed = {(unit, one.units) for one in policies for unit in one.fixed}
    going_on = any("start=searched" in one.sharing for one in policies)
    searches = f"{len(policies)} {'search' if len(policies) == 1 else 'searches'}"
    text = (
        f"{searches} looked for what each unit of the trunk should be to each task. "
        "Weights and policy were learnt on separate parts of the training rows, and the policies drawn in the end were "
        f"compared on validation rows. {other} came to something else than one trunk for all; those networks were "
        "trained again with every search seed, from fresh values with layers widened or narrowed to the cost of the "
        "others"
        + (" (with start=searched from the weights of the search, at the cost of the policy)" if going_on else "")
        + ", and the solver chose among them all."
    )
    if fixed:
        names = ", ".join(sorted({unit for unit, _ in fixed}))
        text += f" No way leads round {names}: every task uses it."
    return text + _likeness(policies)


def _likeness(policies: Sequence[SearchedPolicy]) -> str:
    """How much of tasks' being alike is the doing of the loss that asks for it, as far as searches without it tell."""
    alike: dict[str, dict[bool, list[float]]] = {}
    for one in policies:
        if one.alike is not None:
            way = " ".join(option for option in one.sharing.split() if not option.startswith(_ALIKE))
            alike.setdefault(way, {True: [], False: []})[_WITHOUT not in one.sharing.split()].append(one.alike)
    compared = {way: found for way, found in alike.items() if found[True] and found[False]}
    means = [
        f"{way}: {share(mean(found[True]))} alike with the loss on differences, {share(mean(found[False]))} without it"
        for way, found in compared.items()
    ]
    if means:
        return f" {'; '.join(means)} (over the units that a task uses)."
    if any(found[True] for found in alike.values()):
        return f" A loss asks tasks to be alike; what it does is seen beside the same search with {_WITHOUT}."
    return ""


def _searches(policies: Sequence[SearchedPolicy]) -> Table:
    rows = tuple(
        (
            " + ".join(one.tasks),
            one.sharing,
            one.candidate.partition("modes=")[2].partition(" ")[0].replace(",", ", ") or "one trunk",
            f"{one.flops:.2f}",
            MISSING if one.size is None else f"{one.size.trunk_flops:,} + {one.size.head_flops:,}",
            MISSING if one.size is None else f"{one.size.trunk_parameters:,} + {one.size.head_parameters:,}",
            MISSING if one.alike is None else share(one.alike),
            str(one.draws),
            duration(one.seconds),
        )
        for one in policies
    )
    columns = (
        Column("Tasks"),
        Column("Way to share"),
        Column("Found (s shared, o own, - skipped)"),
        Column("FLOPs of one trunk", numeric=True),
        Column("FLOPs, trunk + heads", numeric=True),
        Column("Parameters, trunk + heads", numeric=True),
        Column("Tasks alike", numeric=True),
        Column("Draws", numeric=True),
        Column("Search", numeric=True),
    )
    return Table("Searches of policies", columns, rows)


def _modes(one: SearchedPolicy, title: str) -> Table:
    last = one.probability[-1] if one.probability else ()

    def cell(task: int, level: int) -> str:
        mode = one.chosen[task][level]
        likely = share(last[level][task][one.modes.index(mode)]) if last else MISSING
        return f"{_SIGNS[mode]} ({likely})"

    rows = tuple((task, *(cell(t, level) for level in range(len(one.units)))) for t, task in enumerate(one.tasks))
    return Table(f"Chosen modes and their probabilities: {title}", (Column("Task"), *map(Column, one.units)), rows)


def _course(one: SearchedPolicy, title: str) -> Table:
    """Probabilities of the shared unit, from the first turn of the policy to the last."""
    last = len(one.turns) - 1
    shown = sorted({round(last * step / (_SHOWN_TURNS - 1)) for step in range(_SHOWN_TURNS)}) if one.turns else []

    def cell(task: int, level: int) -> str:
        return " \N{RIGHTWARDS ARROW} ".join(share(one.probability[turn][level][task][0]) for turn in shown) or MISSING

    rows = tuple((task, *(cell(t, level) for level in range(len(one.units)))) for t, task in enumerate(one.tasks))
    turns = ", ".join(str(one.turns[turn]) for turn in shown)
    caption = f"Probability of the shared unit after turns {turns}: {title}"
    return Table(caption, (Column("Task"), *map(Column, one.units)), rows)


def _together(one: SearchedPolicy, title: str) -> Table:
    known = {frozenset(pair): found for *pair, found in one.together}
    rows = tuple(
        (task, *(MISSING if task == other else share(known[frozenset((task, other))]) for other in one.tasks))
        for task in one.tasks
    )
    columns = (Column("Task"), *(Column(task, numeric=True) for task in one.tasks))
    return Table(f"Units that two tasks use in common, of those that either uses: {title}", columns, rows)
