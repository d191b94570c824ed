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
from grouping.tasks import Task

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "SCHEMA",
    "Adaptive",
    "AdaptiveRound",
    "AffinityEntry",
    "Audit",
    "Baseline",
    "Confirmed",
    "Estimate",
    "FrontierPoint",
    "GroupingFrequency",
    "Halving",
    "Network",
    "PairFrequency",
    "Paired",
    "PhaseCost",
    "RandomGroupings",
    "Recommendation",
    "Regret",
    "Rung",
    "Selection",
    "SharingCost",
    "Stability",
    "TrainedNext",
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
    """A cell of the chosen networks that was estimated first and measured afterwards (validation, relative)."""

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


@dataclass(frozen=True)
class Rung:
    """Groups that could have been dropped after a share of their training, and how many of them were."""

    fraction: float
    compared: int
    dropped: int


@dataclass(frozen=True)
class Halving:
    """Groups that were not trained to the end because they were hopeless for all of their tasks, and what that cost.

    ``saved`` is a share of the search's network-epochs, audits and checks of dropped groups counted as spent.
    ``audited`` dropped groups, a random sample, were trained to the end all the same: ``beaten`` of them end up below a
    survivor for one of their tasks, ``best`` of them below every survivor. ``mean_absolute_error`` is that of their
    early losses, in units of a single-task loss.
    """

    keep: float
    rungs: tuple[Rung, ...]
    saved: float
    audited: int
    beaten: int
    best: int
    mean_absolute_error: float | None
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Regret:
    """What the chosen grouping may lose on the validation part against the best one, in units of a single-task loss.

    ``expected`` with a 90 % interval over ``draws`` tables that may be true; ``best`` is the chance that no other is
    better. ``untrained`` says whether groups that nobody trained were among the ``rivals`` (networks).
    """

    expected: float
    low: float
    high: float
    best: float
    draws: int
    rivals: int
    untrained: bool


@dataclass(frozen=True)
class Outlook:
    """What further search may gain over the best grouping of trained networks, in units of a single-task loss.

    ``expected`` with a 90 % interval; ``chance`` is that of a gain above ``worthwhile``; ``left`` trainings are what
    the search might still have spent on it.
    """

    expected: float
    low: float
    high: float
    chance: float
    worthwhile: float
    left: int


@dataclass(frozen=True)
class TaskHarm:
    """What sharing does to the test loss of a served task: relative change (positive is worse), and its upper limit.

    ``state`` is "held" (within the margin), "harmed" (beyond it) or "open"; ``limit`` is None where no error is known.
    """

    task: str
    change: float
    limit: float | None
    state: str


@dataclass(frozen=True)
class NoHarm:
    """Each served task against its single-task network, or its network in the user's own grouping.

    ``margin`` is what a loss may rise by, relative; limits are one-sided at ``confidence``. ``constrained`` says that
    the choice was limited to networks that held on the validation part.
    """

    against: str
    margin: float
    confidence: float
    constrained: bool
    tasks: tuple[TaskHarm, ...]


Ends = tuple[float | None, float | None, float | None]
"""Mean and 95 % interval; None where nothing was measured, or no error is known."""


@dataclass(frozen=True)
class TaskControl:
    """What changes a task's loss without help: gains (mean and 95 % interval, shares of its loss alone).

    ``crowding`` is that of a partner with shuffled labels, ``copy`` of a copy of itself, ``wider`` of a wider network.
    """

    task: str
    crowding: Ends
    copy: Ends
    wider: Ends


@dataclass(frozen=True)
class PairControl:
    """What a partner does to a task: gains (mean and 95 % interval, shares of its loss alone).

    ``transfer`` is against a shuffled partner; ``lengths`` are after shares of training, ``rows`` with shares of the
    rows; ``pace`` is how many steps the task takes to the best loss that it reaches alone, relative to alone (None if
    it does not always come there); ``unstable`` says that the sign is sure in two of these settings, and not the same.
    """

    recipient: str
    partner: str
    gain: Ends
    transfer: Ends
    lengths: tuple[Ends, ...]
    rows: tuple[Ends, ...]
    pace: float | None
    unstable: bool


@dataclass(frozen=True)
class Controls:
    """What affinities are made of.

    ``wider`` is the cost of the wider networks; ``lengths`` are shares of training, ``rows`` of the training rows.
    """

    tasks: tuple[TaskControl, ...]
    pairs: tuple[PairControl, ...]
    wider: float
    lengths: tuple[float, ...]
    rows: tuple[float, ...]


@dataclass(frozen=True)
class TrainedNext:
    """One training that an adaptive search decided on: of which network, its how-manieth seed, and what for.

    ``gain`` is what the objective was expected to gain, in units of a single-task loss; 0 for a draw at random.
    """

    network: str
    replicate: int
    gain: float


@dataclass(frozen=True)
class AdaptiveRound:
    """Trainings that were decided on together; ``objective`` and ``outlook`` are as known before them."""

    trained: tuple[TrainedNext, ...]
    objective: float | None
    outlook: Outlook | None = None


@dataclass(frozen=True)
class Adaptive:
    """What an adaptive search trained when and why, and how good its expectations were.

    Of ``cells`` first trainings (network, task) ``inside`` came out within the 90 % interval that was expected
    beforehand; ``spearman`` is the rank correlation of expectation and measurement. ``stopped`` is why the search ended
    before its budget did; None where it did not.
    """

    rounds: tuple[AdaptiveRound, ...]
    groups: int
    considered: int
    cells: int
    inside: int
    spearman: float | None
    stopped: Outlook | None = None


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
    """What finding out cost: networks trained, however far, and their summed worker seconds."""

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
