"""The tables of a report as plain text cells: written once, shown by the HTML page and by Markdown alike.

Cells are unescaped; each face escapes for itself. A table without rows is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grouping.budget import BudgetUnit
from grouping.recommendation import Confirmed, Estimate, Network, Recommendation, Selection
from grouping.report.blocks import Column, Table
from grouping.report.knee import knee
from grouping.report.trainer_view import paired_over, same
from grouping.report.wording import (
    MISSING,
    change,
    cost,
    difference,
    duration,
    interval,
    loss,
    metric,
    number,
    plain,
    reading,
    sentence,
    share,
    signed,
)

__all__ = [
    "affinity",
    "alternative_networks",
    "alternatives",
    "audited",
    "confirmed_elsewhere",
    "environment",
    "estimates",
    "frontier",
    "groupings",
    "metrics",
    "networks",
    "paired",
    "pairs",
    "random_groupings",
    "relative_losses",
    "repeated_splits",
    "routing",
    "runner_up",
    "search_cost",
    "sharing_cost",
]

RELATIVE = "relative loss"
_LONGEST_TITLE = 64
_UP, _DOWN = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"


def _table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Columns whose title ends in ``#`` are numeric."""
    heads = tuple(Column(title.removesuffix("#"), title.endswith("#")) for title in columns)
    body = tuple(tuple(row) for row in rows)
    assert all(len(row) == len(heads) for row in body)
    return Table(caption, heads, body)


def network_title(network: Network) -> str:
    """A network's tasks, with its label where tasks do not identify it."""
    return network.network + (f" ({network.candidate})" if network.candidate else "")


def short_title(network: Network) -> str:
    """The same where there is no room for all its tasks: how many there are; the table of networks names them."""
    title = network_title(network)
    return title if len(title) <= _LONGEST_TITLE else f"network of {len(network.tasks)} tasks"


def listing(networks_shown: Iterable[Network]) -> str:
    """Several networks on one line: a grouping."""
    return " | ".join(network_title(network) for network in networks_shown)


def networks(recommendation: Recommendation, chosen: Sequence[Network], caption: str) -> Table:
    """Who is trained where, whom it serves, and every measured cost."""
    return _table(
        caption,
        ("Network", "Trained", "Serves", "Cost#", "FLOPs per row#", "Parameters#", "Latency (ms)#"),
        (
            (
                network_title(n),
                ", ".join(n.tasks),
                ", ".join(n.serves) or MISSING,
                *_costs(recommendation, n),
            )
            for n in chosen
        ),
    )


def _costs(recommendation: Recommendation, network: Network) -> tuple[str, str, str, str]:
    measured = number(network.flops, 6), number(network.parameters, 6), number(network.latency_ms)
    return (cost(network.cost, recommendation.unit), *measured)


def routing(recommendation: Recommendation, selection: Selection) -> Table:
    """Each task's network, weight and validation loss: what the choice was made on."""
    serving = {task: f"{i}: {short_title(n)}" for i, n in enumerate(selection.networks, 1) for task in n.serves}
    return _table(
        "Each task's network, and the validation loss the choice was made on (against single-task)",
        ("Task", "Served by", "Selection loss#", "Weight#", "Type", "Role"),
        (
            (
                t.name,
                serving.get(t.name, "not served"),
                change(selection.losses.get(t.name)),
                number(t.weight),
                t.type if t.metric == "loss" else f"{t.type}, by {t.metric}",
                t.role,
            )
            for t in recommendation.tasks
        ),
    )


def relative_losses(recommendation: Recommendation) -> tuple[Confirmed, ...]:
    """The served tasks' confirmed relative test losses, in task order."""
    position = {task.name: i for i, task in enumerate(recommendation.tasks)}
    rows = [c for c in recommendation.confirmed if c.grouping == "chosen" and c.metric == RELATIVE]
    return tuple(sorted(rows, key=lambda c: position.get(c.task, len(position))))


def metrics(recommendation: Recommendation) -> Table:
    """Natural metrics of the choice beside those of the single-task networks, per task."""
    single = {(c.task, c.metric): c for c in recommendation.confirmed if c.grouping == "single-task"}
    rows = []
    for c in recommendation.confirmed:
        if c.grouping != "chosen" or c.metric == RELATIVE:
            continue
        alone = single.get((c.task, c.metric))
        rows.append(
            (
                c.task,
                f"{_named(c)} {_UP if c.higher_is_better else _DOWN}",
                metric(c.mean),
                interval(c.low, c.high, of="number"),
                metric(alone.mean) if alone else MISSING,
                interval(alone.low, alone.high, of="number") if alone else MISSING,
                str(c.seeds),
            )
        )
    return _table(
        f"Natural metrics on test data, mean over fresh seeds ({_UP} higher is better, {_DOWN} lower is better)",
        ("Task", "Metric", "Chosen#", "95 % interval#", "Single-task#", "95 % interval#", "Seeds#"),
        rows,
    )


def _named(confirmed: Confirmed) -> str:
    """The metric with the unit it is counted in."""
    return f"{confirmed.metric} ({confirmed.unit})" if confirmed.unit else confirmed.metric


def confirmed_elsewhere(recommendation: Recommendation) -> Table:
    """Every confirmed number, chosen and alternatives: nothing measured is kept back."""
    return _table(
        "All confirmed numbers per task (relative losses as a change against single-task)",
        ("Grouping", "Network", "Task", "Metric", "Mean#", "95 % interval#", "Seeds#"),
        (
            (
                c.grouping,
                c.network,
                c.task,
                _named(c),
                change(c.mean) if c.metric == RELATIVE else metric(c.mean),
                interval(c.low, c.high, of="change" if c.metric == RELATIVE else "number"),
                str(c.seeds),
            )
            for c in recommendation.confirmed
        ),
    )


def alternatives(recommendation: Recommendation) -> Table:
    """The choice and every honest alternative: cost, mean test loss, whether the budget allows it."""
    return _table(
        f"The choice and its alternatives: {same(recommendation)}",
        ("Alternative", "Cost#", "Mean loss#", "95 % interval#", "Seeds#", "Budget", "Note"),
        (
            (
                sentence(b.label),
                cost(b.cost, recommendation.unit),
                change(b.mean),
                interval(b.low, b.high, of="change"),
                str(b.seeds),
                "comparable" if b.comparable else "not comparable",
                b.note or MISSING,
            )
            for b in recommendation.baselines
        ),
    )


def alternative_networks(recommendation: Recommendation) -> Table:
    """What the alternatives consist of, network by network."""
    return _table(
        "The networks of every alternative",
        ("Alternative", "Network", "Serves", "Cost#", "FLOPs per row#", "Parameters#", "Latency (ms)#"),
        (
            (sentence(b.label), network_title(n), ", ".join(n.serves) or MISSING, *_costs(recommendation, n))
            for b in recommendation.baselines
            for n in b.networks
        ),
    )


def paired(recommendation: Recommendation) -> Table:
    """The choice minus each alternative, paired; only an interval without zero names a winner."""
    return _table(
        f"Chosen minus alternative, paired over {paired_over(recommendation)} (negative: the choice is better)",
        ("Against", "Difference#", "95 % interval#", "Pairs#", "Reading"),
        (
            (sentence(p.label), difference(p.difference), interval(p.low, p.high), str(p.n), reading(p))
            for p in recommendation.paired
        ),
    )


def runner_up(recommendation: Recommendation) -> Table:
    """The runner-up's loss per task beside the choice's, on the losses the choice was made on."""
    second, first = recommendation.runner_up, recommendation.solution.losses
    return _table(
        "Selection loss per task: the runner-up beside the choice (against single-task)",
        ("Task", "Runner-up#", "Chosen#", "Runner-up minus chosen#"),
        (
            (task, change(value), change(first.get(task)), difference(value - first.get(task, float("nan"))))
            for task, value in (second.losses if second else {}).items()
        ),
    )


def random_groupings(recommendation: Recommendation) -> Table:
    """Every random grouping's mean test loss, best first."""
    values = recommendation.random.values if recommendation.random else ()
    return _table(
        "Random groupings of the same cost, best first",
        ("Rank", "Mean loss#"),
        ((str(i), change(value)) for i, value in enumerate(sorted(values), start=1)),
    )


def frontier(recommendation: Recommendation) -> Table:
    """The best grouping for every cost, on the selection losses."""
    points = recommendation.frontier
    turn = knee([(p.cost, p.objective) for p in points]) if len(points) > 2 else None
    return _table(
        "The best grouping at each cost, on the losses the choice was made on",
        ("Cost#", "Objective#", "Against single-task#", "Proven optimal", "Networks"),
        (
            (
                cost(p.cost, recommendation.unit) + (" (the knee)" if i == turn else ""),
                loss(p.objective),
                change(p.objective),
                "yes" if p.proven_optimal else "no",
                listing(p.networks),
            )
            for i, p in enumerate(points)
        ),
    )


def affinity(recommendation: Recommendation) -> Table:
    """Who helps whom, pair by pair."""
    return _table(
        "Effect on the task of training with the partner: relative gain against alone, higher is better",
        ("Task (row)", "Partner (column)", "Gain#", "95 % interval#", "Significant"),
        (
            (e.task, e.partner, difference(e.gain), interval(e.low, e.high), "yes" if e.significant else "no")
            for e in recommendation.affinity
        ),
    )


def pairs(recommendation: Recommendation) -> Table:
    """How often two tasks shared a chosen network, most often first."""
    entries = recommendation.stability.pairs if recommendation.stability else ()
    return _table(
        "How often two tasks were trained together in re-solves",
        ("Task", "Task", "Frequency#"),
        ((p.a, p.b, share(p.frequency, 1)) for p in sorted(entries, key=lambda p: -p.frequency)),
    )


def groupings(recommendation: Recommendation, most: int | None = None) -> Table:
    """The groupings that re-solves chose, most often first; says so where not all are shown."""
    entries = recommendation.stability.groupings if recommendation.stability else ()
    cut = f", the {most} most frequent of {len(entries)}" if most is not None and most < len(entries) else ""
    return _table(
        f"Groupings chosen in re-solves on resampled search losses{cut}",
        ("Grouping", "Selection frequency#"),
        ((" | ".join(g.networks), share(g.frequency, 1)) for g in entries[:most]),
    )


def estimates(recommendation: Recommendation) -> Table:
    """Cells of the chosen networks that were estimated first and measured afterwards."""
    title = "Chosen groups: estimated first, measured afterwards (validation, against single-task)"
    return _estimated(title, recommendation.estimates, recommendation.unit)


def audited(recommendation: Recommendation) -> Table:
    """The same of the random groups that were trained for that purpose."""
    losses = recommendation.audit.losses if recommendation.audit else ()
    title = "Audited groups: estimated first, measured afterwards (validation, against single-task)"
    return _estimated(title, losses, recommendation.unit)


def _estimated(title: str, cells: Sequence[Estimate], unit: BudgetUnit) -> Table:
    return _table(
        title,
        ("Network", "Cost#", "Task", "Estimated#", "Measured#", "Measured minus estimated#"),
        (
            (
                e.network,
                cost(e.cost, unit),
                e.task,
                change(e.estimated),
                change(e.measured),
                difference(e.measured - e.estimated),
            )
            for e in cells
        ),
    )


def sharing_cost(recommendation: Recommendation) -> Table:
    """One served state against a best epoch per task."""
    return _table(
        "What serving one state costs against a best epoch per task (validation, against single-task)",
        ("Network", "Task", "Kept state#", "Best epoch of the task#", "Cost of sharing a state#"),
        (
            (s.network, s.task, change(s.kept), change(s.best_epoch), f"{signed(100 * (s.kept - s.best_epoch))} points")
            for s in recommendation.sharing_cost
        ),
    )


def search_cost(recommendation: Recommendation) -> Table:
    """What finding out cost, phase by phase, with the sum."""
    phases = recommendation.training_cost
    rows = [(p.label, str(p.trainings), str(p.failed), duration(p.seconds)) for p in phases]
    if len(rows) > 1:
        total = duration(sum(p.seconds for p in phases))
        rows.append(("Together", str(sum(p.trainings for p in phases)), str(sum(p.failed for p in phases)), total))
    return _table("Trainings by phase", ("Phase", "Trainings#", "Failed#", "Worker time#"), rows)


def repeated_splits(recommendation: Recommendation) -> Table:
    """The whole job on redrawn splits, one row each."""
    splits = recommendation.repeated_splits
    columns = list(dict.fromkeys(key for split in splits for key in split))
    return _table(
        "The whole job repeated on redrawn splits",
        columns,
        ([plain(split.get(column)) for column in columns] for split in splits),
    )


def environment(recommendation: Recommendation) -> Table:
    """Versions, seeds and hardware."""
    return _table(
        "Environment", ("Item", "Value"), ((key, plain(value)) for key, value in recommendation.environment.items())
    )
