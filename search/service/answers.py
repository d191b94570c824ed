"""What the service answers with, as schemas with examples: the names and words of the command line's ``--json``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainSerializer

from grouping.budget import BudgetUnit

__all__ = [
    "BudgetAnswer",
    "ComparedRun",
    "ComparedTask",
    "Comparison",
    "Cost",
    "DatasetAnswer",
    "DatasetList",
    "FieldAnswer",
    "FileAnswer",
    "FileList",
    "Health",
    "Readiness",
    "RunAnswer",
    "RunDetail",
    "RunList",
    "SessionAnswer",
    "TaskAnswer",
    "TrialAnswer",
    "TrialCounts",
    "TrialList",
]

RunId = Annotated[str, Field(examples=["20261122-103512-nyc-weather-a1b2"])]
Kind = Literal["recommend", "measure", "search"]
State = Literal["queued", "running", "interrupted", "failed", "finished", "cancelled"]


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


Moment = Annotated[
    float | None,
    PlainSerializer(_iso, return_type=str | None),
    Field(json_schema_extra={"examples": ["2026-11-22T10:35:12+00:00"]}),
]
"""Seconds since the epoch in Python, ISO 8601 in JSON."""


class TrialCounts(BaseModel):
    """Trials of a run by how they ended, and how many are planned so far."""

    finished: int = Field(examples=[30])
    failed: int = Field(examples=[0])
    planned: int = Field(examples=[42])


class BudgetAnswer(BaseModel):
    """What serving may cost."""

    limit: float = Field(examples=[3.0])
    unit: BudgetUnit = Field(examples=["snt"])
    max_networks: int | None = Field(default=None, examples=[3])


class RunAnswer(BaseModel):
    """One run in short."""

    id: RunId
    name: str = Field(examples=["nyc-weather"])
    kind: Kind
    state: State
    tasks: tuple[str, ...] = Field(examples=[["temp", "rain"]])
    budget: BudgetAnswer | None
    best: float | None = Field(description="Best objective so far: relative loss, lower is better", examples=[0.93])
    trials: TrialCounts
    created: Moment
    started: Moment
    ended: Moment
    seconds: float = Field(description="Time spent working, pauses left out", examples=[74.2])
    seconds_left: float | None = Field(description="What is planned by now will take about so long", examples=[31.0])
    principal: str = Field(description="Who submitted it; empty: somebody at the server", examples=["ada"])
    asked: str | None = Field(description="What is asked of the process at work: cancel or interrupt")


class RunDetail(RunAnswer):
    """One run, with its spec as it is run."""

    spec: str = Field(description="YAML, with everything filled in", examples=["name: nyc-weather\n..."])
    epoch: int = Field(description="How often a process took it", examples=[1])
    starts: int = Field(description="How often a process was started for it", examples=[1])
    heartbeat: Moment


class RunList(BaseModel):
    """Some of the runs, and how many there are in all."""

    runs: tuple[RunAnswer, ...]
    shown: int = Field(examples=[20])
    offset: int = Field(examples=[0])
    total: int = Field(examples=[12345])


class TrialAnswer(BaseModel):
    """One trial: a network that was trained, or why it was not."""

    network: str = Field(examples=["temp+rain"])
    tasks: tuple[str, ...]
    capacity: float
    sharing: str
    seed: int
    phase: str
    state: str = Field(examples=["finished"])
    attempts: int
    seconds: float
    worker: str
    reason: str
    detail: str
    recorded: Moment


class TrialList(BaseModel):
    """Some of a run's trials, and how many there are in all."""

    trials: tuple[TrialAnswer, ...]
    shown: int
    offset: int
    total: int


class FileAnswer(BaseModel):
    """A file of a run."""

    name: str = Field(examples=["networks/temp+rain.safetensors"])
    bytes: int = Field(examples=[53_000])
    sha256: str | None = Field(description="Of networks, which carry no checksum themselves")
    media_type: str = Field(examples=["application/octet-stream"])


class FileList(BaseModel):
    """The files of a run that may be fetched."""

    files: tuple[FileAnswer, ...]


class TaskAnswer(BaseModel):
    """A task that a table seems to hold."""

    name: str = Field(examples=["temp"])
    target: str = Field(examples=["y_temp"])
    type: str = Field(examples=["regression"])
    unit: str = ""
    missing: int = Field(description="Rows without a label", examples=[0])


class FieldAnswer(BaseModel):
    """A column of a table."""

    name: str = Field(examples=["x_wind"])
    kind: Literal["number", "text", "time", "picture"]
    missing: int = Field(examples=[0])
    distinct: int = Field(examples=[37])


class DatasetAnswer(BaseModel):
    """A data set: what it holds, and what its columns seem to be for."""

    id: str = Field(description="What a spec names as data.source", examples=["data-20261122-plants-a1b2c3"])
    name: str = Field(examples=["plants.csv"])
    uploaded: bool = Field(description="False: it belongs to the installation")
    principal: str = Field(default="", examples=["ada"])
    bytes: int | None = Field(default=None, examples=[120_000])
    sha256: str | None = None
    created: Moment = None
    rows: int | None = Field(default=None, examples=[8_700])
    columns: int | None = Field(default=None, examples=[14])
    fields: tuple[FieldAnswer, ...] = Field(default=(), description="The first 1,000 columns")
    inputs: tuple[str, ...] = Field(default=(), examples=[["x_*"]])
    tasks: tuple[TaskAnswer, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="What was guessed, one sentence each")
    draft: str | None = Field(default=None, description="A spec that runs as it stands, YAML")


class DatasetList(BaseModel):
    """Some of the data sets, and how many there are in all."""

    datasets: tuple[DatasetAnswer, ...]
    shown: int
    offset: int
    total: int


class ComparedTask(BaseModel):
    """One task in each of the compared runs; None where a run says nothing of it."""

    task: str
    metric: str
    unit: str
    higher_is_better: bool
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


class ComparedRun(BaseModel):
    """What a run recommends, in short; without a recommendation only the run itself."""

    run: RunAnswer
    verdict: str | None = None
    verdict_text: str | None = None
    cost: float | None = None
    objective: float | None = None
    gap: float | None = None
    networks: tuple[str, ...] = ()
    trainings: int | None = None
    wall_seconds: float | None = None


class Comparison(BaseModel):
    """Several runs side by side; the lists of a task follow the order of ``runs``."""

    runs: tuple[ComparedRun, ...]
    tasks: tuple[ComparedTask, ...]


class Cost(BaseModel):
    """What a spec amounts to, before anything is trained."""

    model_config = {"extra": "allow"}

    name: str
    tasks: tuple[str, ...]
    candidates: int | None = Field(description="None where only the run itself can tell", examples=[84])
    phases: tuple[dict[str, Any], ...] = ()
    trainings: int | None = Field(description="Largest number of networks that are trained", examples=[120])
    spec: str = Field(description="The spec with everything filled in, YAML")
    warnings: tuple[str, ...] = ()


class SessionAnswer(BaseModel):
    """A browser session."""

    name: str = Field(examples=["ada"])
    scope: str = Field(examples=["submit"])
    csrf: str = Field(description="To be sent as X-CSRF-Token by scripts, as the field csrf by forms")


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """The service can do its work."""

    status: Literal["ready"] = "ready"
    version: str
    schema_version: str
    queued: int
    running: int
