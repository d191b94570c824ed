"""One training as a value: what is trained, and what came of it. Its key is its identity, in every process and run.

A training can be cut in two: its first part gives a ``TrainingState``, and a ``Course`` that starts there goes on to a
larger fraction, bitwise as if it had never stopped.

Axes: ``T`` the trial's own tasks (in the trial's order), ``S`` readings along training, ``G`` clusters of test rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from grouping.candidates import FloatArray, IntArray
from grouping.tasks import SEPARATOR
from search.networks.sharing import HARD, SEARCHED, Sharing

__all__ = [
    "LARGEST_LOSS",
    "Course",
    "Identity",
    "NetworkState",
    "Phase",
    "Remark",
    "TestScores",
    "TrainingState",
    "Trial",
    "TrialFailure",
    "TrialResult",
    "stream_seed",
]

LARGEST_LOSS = 1e100
"""A loss above has exploded: its squares and sums, which judge it, are no numbers any more."""

Identity: TypeAlias = tuple[tuple[str, ...], float, str]
"""What tells a network from others: its tasks, its capacity, and what they share."""

Phase = Literal["search", "confirm", "measure", "probe", "gradients", "linearise", "policy"]


def stream_seed(seed: int, *purpose: str | int | float) -> int:
    """A 63-bit seed for one purpose, split off a replicate's seed by name.

    The same (seed, purpose) gives the same stream in every process, so results depend neither on packing nor on
    order, and two networks of one replicate share what they name alike (batch order, a task's head).
    """
    text = json.dumps([seed, *purpose], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Trial:
    """One network to train.

    Args:
        tasks: Names of the tasks that share it, in task-set order.
        capacity: Nominal size in standard network times.
        seed: The replicate: initial values and batch order follow from it.
        phase: ``search`` trials never see the test part; ``confirm`` trials keep one state and are scored on it;
            ``measure`` trials read the test part whenever they read the validation part, for tables that nothing is
            chosen from; ``probe`` trials are timed and thrown away; ``gradients`` and ``linearise`` trials are looked
            at on their way or at their end (``search.training.one_run``); ``policy`` trials search what a trunk's
            units are to each task (``search.policy``).
        copies: Networks whose predictions are averaged (an equal-cost seed ensemble); 1 otherwise.
        fraction: Share of the training's epochs that is run; below 1 for early-stopping estimates and time probes.
        split: Which repetition of the data split; 0 unless repeated splits were asked for.
        reference: Validation loss of each task's single-task network, in ``tasks`` order; decides the kept epoch of a
            ``confirm`` trial. Empty for ``search`` trials, whose kept epoch is read off the curves.
        sharing: What its tasks share: ``hard`` is one trunk, the others are in ``search.networks.sharing``.
    """

    tasks: tuple[str, ...]
    capacity: float
    seed: int
    phase: Phase = "search"
    copies: int = 1
    fraction: float = 1.0
    split: int = 0
    reference: tuple[float, ...] = ()
    sharing: str = HARD

    @property
    def identity(self) -> Identity:
        """Which network this is a training of."""
        return self.tasks, self.capacity, self.sharing

    @property
    def effort(self) -> float:
        """What it takes in trainings of a network of this capacity, at most.

        A search of a policy lets every task go its own way through the trunk, in each mode that has weights, and
        takes a quarter more steps.
        """
        whole = self.copies * self.fraction
        if self.phase != "policy":
            return whole
        return 1.25 * len(self.tasks) * (1 + ("own" in SEARCHED[Sharing.parse(self.sharing).kind])) * whole

    @property
    def network(self) -> str:
        """Task names joined by ``+``; what they share, if that is not one trunk."""
        joined = SEPARATOR.join(self.tasks)
        return joined if self.sharing == HARD else f"{joined} ({self.sharing})"

    def key(self, context: str) -> str:
        """Identity of the trial: 32 hexadecimal digits, equal exactly if data, settings and trial are equal.

        Args:
            context: Fingerprint of everything else the result depends on (data, network and training settings).
        """
        values = dict(vars(self))
        if self.sharing == HARD:
            del values["sharing"]  # as it was before there were others: what is stored keeps its key
        text = json.dumps([context, values], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, eq=False)
class NetworkState:
    """One network between two steps: everything that its next step depends on, but the order of rows, which follows
    from its seed. Engines leave their padding out, so each can go on from another's state (then equal up to rounding).

    Args:
        step: Optimiser steps done.
        values: Parameters and buffers by name.
        means: Adam's first moments by parameter.
        squares: Adam's second moments by parameter.
        streams: States of the network's random generators, in the order of its modules.
        noise: State of the generators that modules of other packages draw from; empty if nothing was drawn.
        balancing: State of what balances and samples the tasks; empty where nothing does.
    """

    step: int
    values: Mapping[str, NDArray[Any]]
    means: Mapping[str, NDArray[Any]]
    squares: Mapping[str, NDArray[Any]]
    streams: tuple[bytes, ...]
    noise: bytes = b""
    balancing: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A trial that was trained up to one of its readings and can be trained on.

    Args:
        trial: What was trained; ``fraction`` says how far it was to go.
        curve_TS: Its curve so far.
        networks: Where its copies are.
        loss_limits: Above this a batch loss of each copy has exploded; follows from the first step's.
        test_curve_TS: Test losses so far (``measure`` trials), else None.
        kept: The best reading so far (``confirm`` trials), else -1.
        kept_values: What each copy keeps of it by name; empty if nothing is kept.
        seconds: Process time of it all, from the very beginning.
    """

    trial: Trial
    curve_TS: FloatArray
    networks: tuple[NetworkState, ...]
    loss_limits: tuple[float, ...]
    test_curve_TS: FloatArray | None = None
    kept: int = -1
    kept_values: tuple[Mapping[str, NDArray[Any]], ...] = ()
    seconds: float = 0.0

    @property
    def readings(self) -> int:
        """How many there are so far."""
        return int(self.curve_TS.shape[1])

    def seconds_after(self, readings: int) -> float:
        """Process time up to a reading: all of it, or a share if there are more than that already."""
        return self.seconds * min(1.0, readings / self.readings)


@dataclass(frozen=True)
class Course:
    """A trial, and from where to where it is trained now.

    Args:
        trial: What is to be trained, to the end of its fraction.
        start: Where it stopped at a smaller fraction; None to begin.
        keep_state: Whether the result brings a state to go on from.

    Raises:
        ValueError: a state of another trial, or of a larger fraction; a state of an ensemble, or of a trial that looks
            at the test part.
    """

    trial: Trial
    start: TrainingState | None = None
    keep_state: bool = False

    def __post_init__(self) -> None:
        looks = self.trial.phase in {"confirm", "measure"}
        if (self.start or self.keep_state) and (looks or self.trial.copies > 1):
            raise ValueError("only search trials of one copy can be stopped and carried on")
        if self.start is not None:
            before = self.start.trial
            if replace(before, fraction=self.trial.fraction) != self.trial or before.fraction > self.trial.fraction:
                raise ValueError(f"the state of {before} is no start for {self.trial}")

    @property
    def kind(self) -> tuple[str, float, float, int, float]:
        """What trials of one pack have in common: sharing, capacity, fraction, split, and where they start from."""
        trial, begun = self.trial, self.start.trial.fraction if self.start else 0.0
        return trial.sharing, trial.capacity, trial.fraction, trial.split, begun


@dataclass(frozen=True, eq=False)
class TestScores:
    """How the kept state did on the test part.

    Args:
        cluster_sum_TG: Sum of row losses per task and cluster of test rows.
        cluster_count_TG: Labelled rows per task and cluster.
        metrics: Natural metrics per task: ``{"temp": {"RMSE": 4.2, "R2": 0.93}}``.
    """

    __test__ = False  # not a pytest class

    cluster_sum_TG: FloatArray
    cluster_count_TG: FloatArray
    metrics: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Remark:
    """What happened to a training on its way, in a sentence that the run's history repeats."""

    kind: Literal["note", "warning"]
    text: str


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What one training gave.

    Args:
        steps_S: Optimiser steps done at each reading of the validation loss, ascending.
        curve_TS: Validation loss per task (rows in the trial's task order) and reading, from the very beginning.
        seconds: Process time of the training; of this part of it if it started from a state.
        worker: Who did it, ``host:pid``.
        kept: Index of the kept reading (``confirm`` trials), else -1.
        test: Scores on the test part (``confirm`` trials), else None.
        test_curve_TS: Test loss at every reading (``measure`` trials), else None.
        seen: What ``gradients`` and ``linearise`` trials were looked at for, by name; else empty.
        weights: The kept state in safetensors format (``confirm`` trials), else empty.
        state: Where the training can be carried on, if it was asked for. It is never stored.
        remarks: What happened on the way; never stored with the result.
    """

    steps_S: IntArray
    curve_TS: FloatArray
    seconds: float
    worker: str
    kept: int = -1
    test: TestScores | None = None
    weights: bytes = field(default=b"", repr=False)
    state: TrainingState | None = field(default=None, repr=False)
    test_curve_TS: FloatArray | None = None
    seen: Mapping[str, FloatArray] = field(default_factory=dict, repr=False)
    remarks: tuple[Remark, ...] = ()

    def __post_init__(self) -> None:
        for curve_TS in (self.curve_TS,) if self.test_curve_TS is None else (self.curve_TS, self.test_curve_TS):
            if curve_TS.ndim != 2 or curve_TS.shape[1] != len(self.steps_S):
                raise ValueError(f"curve {curve_TS.shape} does not fit {len(self.steps_S)} readings")
            if not (np.abs(curve_TS) <= LARGEST_LOSS).all():
                raise ValueError(f"a finished trial has finite losses only, and none above {LARGEST_LOSS:g}")


@dataclass(frozen=True)
class TrialFailure:
    """Why a training gave nothing; ``reason`` is one line that a user reads, ``remarks`` what happened on the way."""

    reason: str
    detail: str = ""
    remarks: tuple[Remark, ...] = ()
