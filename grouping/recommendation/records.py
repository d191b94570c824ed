"""A recommendation as plain data: what ``recommendation.json`` holds and every report is rendered from.

Every class here is a record; what fills it stands in ``evidence`` (how sure) and ``solver`` (what is best).
Losses in comparisons are *relative*: weighted mean over the main tasks of loss / loss of the task's own single-task
network of 1 SNT, so 1.0 is "as good as one network per task" and lower is better. Ends of an interval are None where
one seed says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from grouping.budget import BudgetUnit
from grouping.recommendation.course import Adaptive, Halving, Regret
from grouping.recommendation.effects import Controls, Domination, NoHarm, WayToShare
from grouping.recommendation.foreign_trainer import ForeignTrainer
from grouping.recommendation.policies import SearchedPolicy
from grouping.recommendation.settings_search import SettingsSearch
from grouping.recommendation.tuning import Tuning
from grouping.tasks import Task

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "SCHEMA",
    "AffinityEntry",
    "Audit",
    "Baseline",
    "Confirmed",
    "Estimate",
    "FrontierPoint",
    "GroupingFrequency",
    "Network",
    "PairFrequency",
    "Paired",
    "PhaseCost",
    "RandomGroupings",
    "Recommendation",
    "Selection",
    "SharingCost",
    "Stability",
    "Verdict",
]

SCHEMA = 1
Verdict = Literal["grouping", "capacity", "separation", "noise", "unsure"]


@dataclass(frozen=True)
class Network:
    """One served network: who is trained in it, whom it serves, what it costs."""

    network: str
    cost: float
    candidate: str
    tasks: tuple[str, ...]
    serves: tuple[str, ...]
    flops: float | None = None
    parameters: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class Selection:
    """A grouping with its certificate on the selection (validation) losses, relative unless stated otherwise."""

    budget: float
    cost: float
    objective: float
    bound: float
    gap: float
    proven_optimal: bool
    optimal_for: str
    networks: tuple[Network, ...]
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Estimate:
    """A cell that was estimated first and measured afterwards (validation, relative)."""

    network: str
    cost: float
    task: str
    estimated: float
    measured: float


@dataclass(frozen=True)
class Confirmed:
    """A served task on the test part, over fresh seeds, in a natural metric.

    ``grouping`` names what was trained ("chosen", "runner-up", "single-task", ...); ``metric`` is "relative loss",
    "RMSE", "R2", "AUC", "average precision" or "accuracy"; ``unit`` is the target's, where known.
    """

    grouping: str
    network: str
    task: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    seeds: int
    higher_is_better: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Baseline:
    """An honest alternative, trained on the same fresh seeds and scored on the same test rows.

    ``comparable`` is False for references outside the budget (single-task networks at full size).
    """

    name: str
    label: str
    cost: float
    networks: tuple[Network, ...]
    mean: float
    low: float | None
    high: float | None
    seeds: int
    comparable: bool = True
    note: str = ""


@dataclass(frozen=True)
class RandomGroupings:
    """Random groupings of the same cost: their relative test losses, one value each (mean over seeds)."""

    values: tuple[float, ...]
    mean: float
    seeds: int


@dataclass(frozen=True)
class Paired:
    """Chosen minus alternative, paired over seeds and test rows; negative: the choice is better. 95 % interval."""

    against: str
    label: str
    difference: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class GroupingFrequency:
    """How often a grouping was chosen in re-solves on resampled search losses."""

    networks: tuple[str, ...]
    frequency: float


@dataclass(frozen=True)
class PairFrequency:
    """How often two tasks were trained in one chosen network that serves at least one of them."""

    a: str
    b: str
    frequency: float


@dataclass(frozen=True)
class Stability:
    """Selection frequencies (not probabilities) over ``draws`` re-solves."""

    frequency: float
    draws: int
    groupings: tuple[GroupingFrequency, ...] = ()
    pairs: tuple[PairFrequency, ...] = ()


@dataclass(frozen=True)
class Audit:
    """Estimates against measurements on a random sample of groups trained for that purpose."""

    groups: int
    cells: int
    spearman: float | None
    low: float | None
    high: float | None
    mean_absolute_error: float | None
    networks: tuple[str, ...] = ()
    losses: tuple[Estimate, ...] = ()


@dataclass(frozen=True)
class FrontierPoint:
    """The best grouping for its cost, on the selection losses."""

    cost: float
    objective: float
    networks: tuple[Network, ...]
    proven_optimal: bool


@dataclass(frozen=True)
class AffinityEntry:
    """Effect on ``task`` of training with ``partner``: relative gain against alone; higher is better."""

    task: str
    partner: str
    gain: float
    low: float | None
    high: float | None
    significant: bool


@dataclass(frozen=True)
class SharingCost:
    """What one served state costs against a best epoch per task (validation, relative); never served, only shown."""

    network: str
    task: str
    kept: float
    best_epoch: float


@dataclass(frozen=True)
class PhaseCost:
    """What finding out cost: trainings and their summed worker seconds.

    A training is one network with one seed, however far it was trained; an average of several copies is one too.
    """

    phase: str
    label: str
    trainings: int
    failed: int
    seconds: float


@dataclass(frozen=True)
class Recommendation:
    """Everything a report says. See the module's docstring for the scale of losses."""

    name: str
    run: str
    created: str
    verdict: Verdict
    verdict_text: str
    tasks: tuple[Task, ...]
    budget: float
    unit: BudgetUnit
    max_networks: int | None
    solution: Selection
    runner_up: Selection | None
    frontier: tuple[FrontierPoint, ...]
    estimator: str
    estimates: tuple[Estimate, ...]
    audit: Audit | None
    affinity: tuple[AffinityEntry, ...]
    affinity_measured_at: Mapping[str, int | float | str]
    sharing_cost: tuple[SharingCost, ...]
    confirmed: tuple[Confirmed, ...]
    baselines: tuple[Baseline, ...]
    random: RandomGroupings | None
    paired: tuple[Paired, ...]
    stability: Stability | None
    training_cost: tuple[PhaseCost, ...]
    wall_seconds: float
    next_steps: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    repeated_splits: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    halving: Halving | None = None
    adaptive: Adaptive | None = None
    regret: Regret | None = None
    no_harm: NoHarm | None = None
    controls: Controls | None = None
    ways: tuple[WayToShare, ...] = ()
    domination: Domination | None = None
    policies: tuple[SearchedPolicy, ...] = ()
    tuning: tuple[Tuning, ...] = ()
    trainer: ForeignTrainer | None = None
    settings: SettingsSearch | None = None
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers; not-a-number becomes null."""
        data: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recommendation:
        """The inverse of ``to_json``; unknown schema versions are refused by pydantic's error."""
        return _adapter().validate_python(data)


@cache
def _adapter() -> TypeAdapter[Recommendation]:
    from pydantic import TypeAdapter  # 0.2 s, which whoever only solves a table need not wait for

    return TypeAdapter(Recommendation)
