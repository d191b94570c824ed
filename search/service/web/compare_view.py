"""Several runs side by side: what each recommends, how sure it is, and what was asked differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grouping.recommendation import Recommendation
from grouping.recommendation.agreement import agreements
from grouping.report.blocks import Column, Table
from grouping.report.tables import relative_losses
from grouping.report.wording import (
    MISSING,
    VERDICT_LABELS,
    change,
    chosen_score,
    cost,
    count,
    difference,
    duration,
    headline,
    interval,
    plain,
    share,
)
from search.service.web.run_view import spec_of
from search.service.web.wording import STATES, budget_text
from search.store.records import RunRecord

__all__ = ["MOST_COMPARED", "Compared", "Comparison", "compare"]

MOST_COMPARED = 6


@dataclass(frozen=True)
class Compared:
    """One of the runs."""

    id: str
    label: str
    name: str
    state: str
    state_label: str
    headline: str
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """The page."""

    runs: tuple[Compared, ...]
    tables: tuple[Table, ...]
    sentences: tuple[str, ...]


def compare(pairs: Sequence[tuple[RunRecord, Recommendation | None]]) -> Comparison:
    """Runs side by side, in the order given; those without a recommendation show what they have."""
    labels = _labels([run for run, _ in pairs])
    runs = tuple(_compared(run, label, found) for (run, found), label in zip(pairs, labels, strict=True))
    heads = tuple(Column(label) for label in labels)
    tables = (
        Table("At a glance", (Column(""), *heads), _glance(pairs)),
        Table(
            "Which network serves each task, and who else is trained in it", (Column("Task"), *heads), _routing(pairs)
        ),
        Table(
            "Test loss of each task against its own network, fresh seeds (95 % interval); lower is better",
            (Column("Task"), *heads),
            _losses(pairs),
        ),
        Table("What was asked differently", (Column("Key of the spec"), *heads), _asked([run for run, _ in pairs])),
    )
    return Comparison(
        runs, tuple(table for table in tables if table.rows), tuple(_agreement([found for _, found in pairs], labels))
    )


def _labels(runs: Sequence[RunRecord]) -> list[str]:
    """Names where they tell the runs apart, else names with the end of the id."""
    names = [run.name for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({run.id[-4:]})" for name, run in zip(names, runs, strict=True)
    ]


def _compared(run: RunRecord, label: str, found: Recommendation | None) -> Compared:
    return Compared(
        id=run.id,
        label=label,
        name=run.name,
        state=run.state,
        state_label=STATES[run.state][0],
        headline=headline(found) if found else "No recommendation yet",
        verdict=VERDICT_LABELS[found.verdict] if found else "",
    )


def _glance(pairs: Sequence[tuple[RunRecord, Recommendation | None]]) -> tuple[tuple[str, ...], ...]:
    columns = [_facts(run, found) for run, found in pairs]
    return tuple((key, *(column.get(key, MISSING) for column in columns)) for key in columns[0])


def _facts(run: RunRecord, found: Recommendation | None) -> dict[str, str]:
    facts = dict.fromkeys(_FACTS, MISSING) | {"State": STATES[run.state][0], "Budget": budget_text(run.spec)}
    if found is None:
        return facts
    solution, score = found.solution, chosen_score(found)
    random = next((p for p in found.paired if p.against == "random"), None)
    facts |= {
        "Verdict": VERDICT_LABELS[found.verdict],
        "Networks": str(len(solution.networks)),
        "Serving cost": cost(solution.cost, found.unit),
        "Proven best": "yes" if solution.proven_optimal else "no",
        "Trainings": f"{sum(phase.trainings for phase in found.training_cost):,}",
        "Time": duration(found.wall_seconds),
    }
    if score is not None:
        ends = interval(score.low, score.high, of="change")
        facts["Test loss against one network per task"] = f"{change(score.mean)} {ends}"
    if random is not None:
        facts["Test loss against random groupings"] = (
            f"{difference(random.difference)} {interval(random.low, random.high)}"
        )
    if found.stability is not None:
        facts["Selection frequency"] = share(found.stability.frequency, 1)
    return facts


_FACTS = (
    "State",
    "Verdict",
    "Networks",
    "Serving cost",
    "Budget",
    "Test loss against one network per task",
    "Test loss against random groupings",
    "Selection frequency",
    "Proven best",
    "Trainings",
    "Time",
)


def _tasks(pairs: Sequence[tuple[RunRecord, Recommendation | None]]) -> list[str]:
    return list(dict.fromkeys(task.name for _, found in pairs if found for task in found.tasks))


def _routing(pairs: Sequence[tuple[RunRecord, Recommendation | None]]) -> tuple[tuple[str, ...], ...]:
    def cell(found: Recommendation | None, task: str) -> str:
        for i, network in enumerate(found.solution.networks if found else (), 1):
            if task in network.serves:
                others = ", ".join(other for other in network.tasks if other != task)
                return f"{i}, with {others}" if others else f"{i}, alone"
        return MISSING

    return tuple((task, *(cell(found, task) for _, found in pairs)) for task in _tasks(pairs))


def _losses(pairs: Sequence[tuple[RunRecord, Recommendation | None]]) -> tuple[tuple[str, ...], ...]:
    measured = [{c.task: c for c in relative_losses(found)} if found else {} for _, found in pairs]
    if not any(measured):
        return ()

    def cell(column: Mapping[str, Any], task: str) -> str:
        one = column.get(task)
        return MISSING if one is None else f"{change(one.mean)} {interval(one.low, one.high, of='change')}"

    return tuple((task, *(cell(column, task) for column in measured)) for task in _tasks(pairs))


def _asked(runs: Sequence[RunRecord]) -> tuple[tuple[str, ...], ...]:
    """Keys of the specs whose values are not all the same."""
    specs = [spec_of(run) for run in runs]
    flat = [_flat(spec.model_dump(mode="json", exclude={"name"})) if spec else {} for spec in specs]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    rows = ((key, *(plain(one.get(key)) for one in flat)) for key in keys)
    return tuple(row for row in rows if len(set(row[1:])) > 1)


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        elif key == "tasks" and isinstance(value, list):
            found[f"{prefix}{key}"] = [task["name"] for task in value]
            found |= {
                f"tasks.{task['name']}.{part}": task[part]
                for task in value
                for part in ("type", "weight", "role", "metric")
            }
        else:
            found[f"{prefix}{key}"] = value
    return found


def _agreement(found: Sequence[Recommendation | None], labels: Sequence[str]) -> list[str]:
    """For every two runs that recommend something: how many pairs of tasks they treat alike."""
    sentences = []
    for pair in agreements(found):
        a, b = labels[pair.first], labels[pair.second]
        if not pair.pairs:
            sentences.append(f"{a} and {b} have no two tasks in common.")
        elif pair.alike == pair.pairs and pair.same_tasks:
            sentences.append(f"{a} and {b} serve the same tasks together.")
        else:
            sentences.append(f"{a} and {b} agree on {pair.alike} of {count(pair.pairs, 'pair')} of tasks.")
    return sentences
