"""What a search did and what it may have missed, as records: halving, adaptive rounds, regret."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Adaptive", "AdaptiveRound", "Halving", "Outlook", "Regret", "Rung", "TrainedNext"]


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
