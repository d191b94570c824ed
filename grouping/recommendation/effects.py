"""What sharing does to tasks, as records: harm, what affinities are made of, other ways to share than one trunk."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Conflict",
    "Controls",
    "Cure",
    "Domination",
    "NoHarm",
    "PairControl",
    "TaskControl",
    "TaskHarm",
    "TaskShare",
    "WayToShare",
]


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
class WayToShare:
    """A way to share compared with one trunk, on the same groups at the same cost and on the validation part.

    Args:
        sharing: Its name.
        groups: Groups that were trained both ways.
        better: How many of them have a lower mean loss than with one trunk.
        gain: Share of the loss with one trunk that is saved, mean over groups and tasks; negative is worse.
        low, high: 95 % interval over seeds; None with one.
        seeds: Seeds behind it.
    """

    sharing: str
    groups: int
    better: int
    gain: float
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class TaskShare:
    """A task's share in one network of all tasks, mean over steps and seeds.

    ``loss`` and ``gradient`` (norms in the shared trunk) with 95 % intervals over seeds; ``early`` and ``late`` are its
    shares of the gradient in the first and the last third of training.
    """

    task: str
    loss: Ends
    gradient: Ends
    early: float
    late: float


@dataclass(frozen=True)
class Conflict:
    """Two tasks and the share of steps at which their gradients point apart, mean over seeds."""

    one: str
    other: str
    share: float


@dataclass(frozen=True)
class Cure:
    """What balancing does to one network of all tasks: gains in relative validation loss, 95 % intervals over seeds.

    ``all`` is the mean over served tasks, ``others`` over those that do not dominate.
    """

    balancing: str
    all: Ends
    others: Ends


@dataclass(frozen=True)
class Domination:
    """Who dominates one network of all tasks; ``dominant`` may be empty, and so may ``cures``."""

    tasks: tuple[TaskShare, ...]
    dominant: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    cures: tuple[Cure, ...]
