"""One run as its page shows it: how far it is, what was asked, what came out, and what can be taken along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from grouping.errors import GroupingError
from grouping.recommendation import Recommendation
from grouping.report.blocks import Column, Fact, Section, Table
from grouping.report.content import Content, read_content
from grouping.report.figures import figures
from grouping.report.labels import Figure
from grouping.report.sections import facts, sections
from grouping.report.wording import MISSING, VERDICT_LABELS, change, count, headline, lede, number, verdict_sentences
from search.documents import parse_spec
from search.errors import SpecError
from search.service.offered import DATA_VARIABLE
from search.service.web.certainty_view import Answer, plain_certainty
from search.service.web.history_view import Line, Phase, history, last_error, present_phase
from search.service.web.wording import (
    KINDS,
    STATES,
    Moment,
    best_text,
    budget_text,
    file_size,
    moment,
    roughly,
    since,
)
from search.spec import Spec
from search.store.records import EventRecord, RunRecord

__all__ = [
    "DOWNLOADS",
    "Download",
    "Live",
    "Result",
    "RunHead",
    "Tried",
    "asked",
    "downloads",
    "live",
    "result",
    "run_head",
]

DOWNLOADS = {
    "report.html": "The whole report in one page that opens offline",
    "report.md": "The same as Markdown",
    "recommendation.json": "Groups, costs, intervals: for programs",
    "losses.csv": "Every network's loss on every task",
    "affinity.csv": "Who helps whom, pair by pair",
    "curves.parquet": "Validation losses along training",
    "trials.parquet": "Every training: seed, time, outcome",
    "spec.yaml": "What was asked, complete: run it again",
    "environment.json": "Versions, seeds and hardware",
    "log.jsonl": "What happened, line by line",
}
"""Files of a run that its page offers, with what each is for."""

_NETWORK = "Weights of a chosen network"
_TERMINAL = frozenset({"finished", "cancelled"})


@dataclass(frozen=True)
class RunHead:
    """What the top of the page says, whatever the state."""

    id: str
    name: str
    kind: str
    question: str
    state: str
    state_label: str
    sentence: str
    budget: str
    created: Moment | None
    started: Moment | None
    ended: Moment | None
    duration: str
    owner: str
    may_cancel: bool
    may_resume: bool
    may_delete: bool
    terminal: bool


@dataclass(frozen=True)
class Tried:
    """How far an architecture search is: configurations that ended, of them failed, and the lowest loss of one."""

    ended: int
    failed: int
    planned: int
    lowest: float | None


@dataclass(frozen=True)
class Live:
    """How far a run is."""

    state: str
    sentence: str
    facts: tuple[Fact, ...]
    part: float | None
    phase: Phase | None
    lines: tuple[Line, ...]
    earlier: int
    reason: str


@dataclass(frozen=True)
class Result:
    """What came out of a finished run: the report's own story, with certainty in plain words before it."""

    recommendation: Recommendation
    headline: str
    verdict: str
    verdict_sentence: str
    basis: str
    lede: str
    facts: tuple[Fact, ...]
    certainty: tuple[Answer, ...]
    sections: tuple[Section, ...]
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Download:
    """A file to take along."""

    name: str
    about: str
    size: str


def run_head(run: RunRecord, now: float, *, steer: bool) -> RunHead:
    """The top of a run's page; ``steer``: whether who looks may cancel and resume."""
    label, sentence = STATES[run.state]
    if run.state == "finished" and run.kind != "recommend":
        sentence = "It is done. What came of it is below."
    kind, question = KINDS.get(run.kind, (run.kind, ""))
    return RunHead(
        id=run.id,
        name=run.name,
        kind=kind,
        question=question,
        state=run.state,
        state_label=label,
        sentence=sentence,
        budget=budget_text(run.spec),
        created=moment(run.created, now),
        started=moment(run.started, now),
        ended=moment(run.ended, now),
        duration=since(run.seconds) if run.started is not None else MISSING,
        owner=run.principal,
        may_cancel=steer and run.state in ("queued", "running", "interrupted"),
        may_resume=steer and run.state in ("interrupted", "failed") and run.principal != "",
        may_delete=steer and run.state not in ("queued", "running"),
        terminal=run.state in _TERMINAL,
    )


def live(
    run: RunRecord,
    events: Sequence[EventRecord],
    remaining: float | None,
    *,
    total: int | None = None,
    tried: Tried | None = None,
) -> Live:
    """How far a run is, by its counts and its events.

    Args:
        run: The run.
        events: The last of its events, in order, among them the last beginning of a part.
        remaining: Seconds it will take by its own speed so far; None where that is unknown.
        total: How many events there are, where these are not all.
        tried: Configurations of an architecture search.
    """
    done = run.finished + run.failed
    phase = present_phase(events) if run.state == "running" else None
    lines, earlier = history(events, total)
    foreseen = f"of {run.planned:,} foreseen" if run.planned else "how many is not foreseen yet"
    shown = [
        Fact("Trainings done", f"{done:,}", foreseen),
        Fact("Best so far", best_text(run.kind, run.best), _best_note(run)),
        Fact("Time worked", since(run.seconds) if run.started is not None else MISSING, _left(run, remaining)),
    ]
    if tried is not None:
        shown.insert(1, _tried(tried))
    if run.failed:
        shown.insert(1, Fact("Failed", f"{run.failed:,}", "none of them wins; the reasons are below"))
    return Live(
        state=run.state,
        sentence=_sentence(run, phase),
        facts=tuple(shown),
        part=min(1.0, done / run.planned) if run.planned else None,
        phase=phase,
        lines=lines,
        earlier=earlier,
        reason=last_error(events) if run.state in ("failed", "interrupted") else "",
    )


def _best_note(run: RunRecord) -> str:
    """What the best is the best of. A measurement, which chooses nothing, has none."""
    if run.kind == "measure":
        return "a measurement chooses nothing"
    if run.best is None:
        return "known once every task was trained alone, and a grouping fits the budget"
    return "mean validation loss of the best grouping within the budget, against one network per task"


def _tried(tried: Tried) -> Fact:
    planned = f"of {tried.planned:,} planned" if tried.planned else "none planned yet"
    failed = f", {tried.failed:,} failed" if tried.failed else ""
    best = f"; lowest loss {change(tried.lowest)}" if tried.lowest is not None else ""
    return Fact("Configurations tried", f"{tried.ended:,}", f"{planned}{failed}{best}")


def _left(run: RunRecord, remaining: float | None) -> str:
    if run.state != "running":
        return "pauses left out"
    return "the end is not foreseeable yet" if remaining is None else f"about {roughly(remaining)} left"


def _sentence(run: RunRecord, phase: Phase | None) -> str:
    if run.state == "running" and phase is not None and phase.label:
        return f"Now: {phase.label}, {count(phase.total, 'network')}."
    if run.state == "running" and run.finished + run.failed:
        return "Networks are being trained."
    if run.state == "running":
        return "Reading the data, starting workers and timing a few trainings."
    return STATES[run.state][1]


def result(folder: Path) -> Result | None:
    """What a run's folder says; None while there is no recommendation in it. Kept in memory until the file changes."""
    file = folder / "recommendation.json"
    try:
        stamp = file.stat()
    except OSError:
        return None
    return _result(folder, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=8)
def _result(folder: Path, stamp: tuple[int, int]) -> Result | None:
    try:
        content = read_content(folder)
    except GroupingError:
        return None
    return result_of(content)


def result_of(content: Content) -> Result:
    """The report's story for a page."""
    recommendation = content.recommendation
    drawn = figures(content)
    sentence, basis = verdict_sentences(recommendation)
    return Result(
        recommendation=recommendation,
        headline=headline(recommendation),
        verdict=VERDICT_LABELS[recommendation.verdict],
        verdict_sentence=sentence,
        basis=basis,
        lede=lede(recommendation),
        facts=facts(recommendation),
        certainty=plain_certainty(recommendation),
        sections=sections(recommendation, drawn),
        figures=drawn,
    )


@lru_cache(maxsize=256)
def _parsed(text: str) -> Spec | None:
    try:
        return parse_spec(text)
    except SpecError:
        return None


def spec_of(run: RunRecord) -> Spec | None:
    """The run's spec; None where this version cannot read it."""
    return _parsed(run.spec)


def asked(run: RunRecord) -> tuple[Table, ...]:
    """What was asked for: settings, and the tasks."""
    spec = spec_of(run)
    if spec is None:
        return ()
    network, training = spec.network, spec.training
    settings = (
        ("Data", _shown_source(spec.data.source)),
        ("Budget for serving", budget_text(run.spec)),
        ("Network", f"{network.trunk}, widths {', '.join(map(str, network.widths))}"),
        ("Sizes", ", ".join(f"{number(c)} SNT" for c in network.capacities)),
        ("Ways to share", ", ".join(spec.architectures)),
        ("Losses of larger groups", spec.affinity.estimator),
        (
            "Training",
            f"{count(training.epochs, 'epoch')}, batches of {training.batch_size}, {training.learning_rate:g}",
        ),
        ("Seeds", f"{training.seeds} for the search, {spec.evidence.seeds} fresh ones to confirm"),
    )
    rows = tuple(
        (task.name, task.column, task.type or MISSING, number(task.weight), task.role, task.metric)
        for task in spec.tasks
    )
    columns = (Column("Task"), Column("Column"), Column("Type"), Column("Weight", numeric=True), Column("Role"))
    return (
        Table("What was asked", (Column("Setting"), Column("Value")), settings),
        Table("The tasks", (*columns, Column("Judged by")), rows),
    )


def _shown_source(source: str) -> str:
    """A name, or a file without where it is: a path's last part, what follows the folder of an operator's table."""
    return source.rsplit("/", 1)[-1] if source.startswith("/") else source.removeprefix(f"${{{DATA_VARIABLE}}}/")


def downloads(files: Mapping[str, int]) -> tuple[Download, ...]:
    """The files that are there, by name with their bytes, in the order people want them."""
    order = {name: position for position, name in enumerate(DOWNLOADS)}
    names = sorted(files, key=lambda name: (order.get(name, len(order)), name))
    return tuple(Download(name, DOWNLOADS.get(name, _NETWORK), file_size(files[name])) for name in names)
