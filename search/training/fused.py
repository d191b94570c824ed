"""The fused trainer: the trials of a pack in one pass, each with the result it would have alone.

What a trial means is the plain trainer's (``search.training.trainer``); numbers agree with it up to rounding, and
bitwise with those of the same trial in any other pack (one thread, one machine). A network that fails leaves the pack.

Axes: ``T`` tasks of a network, ``S`` readings or steps, ``K`` networks.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from grouping.candidates import FloatArray
from search.errors import TrialError
from search.execution.executor import one_line, this_worker
from search.networks.hard_sharing import HardSharing
from search.networks.latency import one_thread
from search.training.blueprint import Blueprint, blueprint
from search.training.checkpoint import save_checkpoint
from search.training.experiment import Experiment
from search.training.loop import LossWatch
from search.training.scoring import ResidentPart, resident, score
from search.training.stack import StackShape
from search.training.stacked_fit import StackedFit
from search.training.stacked_losses import OwnTask
from search.training.trainer import device
from search.trials import TestScores, Trial, TrialFailure, TrialResult

__all__ = ["train_fused"]


def train_fused(experiment: Experiment, trials: Sequence[Trial]) -> list[TrialResult | TrialFailure]:
    """What ``train`` gives for each trial, in their order; a failure where it raises ``TrialError``.

    Networks with very different numbers of outputs are stacked apart (``StackShape``), which is no concern of the
    caller. ``seconds`` is the pack's process time, divided in proportion to copies.

    Args:
        experiment: What all trials have in common; its trunk is an MLP and its weighting ``equal``.
        trials: Of one capacity, fraction and split; seeds, tasks, phases and copies may differ.

    Raises:
        ValueError: trials that differ in capacity, fraction or split.
        InputError: a capacity that no integer widths reach.
    """
    start = time.process_time()
    for name in ("capacity", "fraction", "split"):
        if len({getattr(trial, name) for trial in trials}) > 1:
            raise ValueError(f"trials of unequal {name} cannot be trained in one pack")
    assert experiment.training.weighting == "equal"
    courses = [_Course(experiment, blueprint(experiment, trial)) for trial in trials]
    stacks: dict[StackShape, list[_Course]] = {}
    for course in courses:
        stacks.setdefault(course.shape, []).append(course)
    with one_thread():
        for shape, together in stacks.items():
            _train(experiment, shape, together)
        for course in courses:
            course.finish()
    seconds = time.process_time() - start
    share = seconds / sum(trial.copies for trial in trials) if trials else 0.0
    return [course.result(share * course.plan.trial.copies) for course in courses]


class _Course:
    """How one trial of a pack is getting on: curve, kept networks, failure."""

    def __init__(self, experiment: Experiment, plan: Blueprint) -> None:
        self.plan = plan
        self.shape = StackShape.of(plan.header.n_inputs, plan.header.widths, plan.header.outputs)
        self.failure: TrialFailure | None = None
        self._experiment = experiment
        self._watches = [LossWatch() for _ in plan.seeds]
        self._curve_TS = np.full((len(plan.columns), len(plan.steps_S)), np.nan)
        self._kept = -1
        self._networks: list[HardSharing] = []
        self._test: TestScores | None = None
        self._weights = b""

    def networks(self) -> list[HardSharing]:
        """The copies at their start."""
        return [self.plan.network(seed) for seed in self.plan.seeds]

    def tasks(self, first: int) -> list[OwnTask]:
        """The tasks of all copies, which stand in the stack from ``first`` on."""
        header = self.plan.header
        tasks = []
        for member in range(first, first + len(self.plan.seeds)):
            output = 0
            for column, kind, outputs in zip(self.plan.columns, header.types, header.outputs, strict=True):
                tasks.append(OwnTask(member, column, kind, output, outputs))
                output += outputs
        return tasks

    def read(
        self,
        fit: StackedFit,
        members: Sequence[int],
        losses_SK: FloatArray,
        outputs_KNO: Sequence[torch.Tensor],
        validation: ResidentPart,
        reading: int,
    ) -> None:
        """Take in one reading.

        Args:
            fit: Where the copies are in training.
            members: The copies' places in it.
            losses_SK: Batch losses of all members since the last reading.
            outputs_KNO: Raw validation outputs of all members.
            validation: The validation rows with this trial's tasks.
            reading: Its index.
        """
        step = int(self.plan.steps_S[reading])
        try:
            for watch, member in zip(self._watches, members, strict=True):
                watch.check(losses_SK[:, member], step - len(losses_SK))
            own = [outputs_KNO[member] for member in members]
            self._curve_TS[:, reading] = self.plan.read(own, validation, step)
        except TrialError as error:
            self.failure = TrialFailure(one_line(error), "".join(traceback.format_exception(error)))
            return
        if self.plan.keeps(self._curve_TS, reading):
            self._kept = reading
            self._networks = self._networks or self.networks()
            for member, network in zip(members, self._networks, strict=True):
                fit.store(member, network)

    def finish(self) -> None:
        """Test the kept networks of a ``confirm`` trial."""
        if self._networks and self.failure is None:
            header, dataset = self.plan.header, self._experiment.dataset
            self._test = score(self._networks, self.plan.blocks, dataset, self.plan.columns, device())
            self._weights = save_checkpoint(header, [network.state_dict() for network in self._networks])

    def result(self, seconds: float) -> TrialResult | TrialFailure:
        """What came of it all."""
        if self.failure is not None:
            return self.failure
        return TrialResult(
            self.plan.steps_S, self._curve_TS, seconds, this_worker(), self._kept, self._test, self._weights
        )


def _train(experiment: Experiment, shape: StackShape, courses: Sequence[_Course]) -> None:
    """Train the networks of some trials as one stack, until the last reading or until all have failed."""
    dataset, here = experiment.dataset, device()
    firsts = np.cumsum([0, *(course.plan.trial.copies for course in courses)]).tolist()
    fit = StackedFit(
        shape,
        [network for course in courses for network in course.networks()],
        [task for course, first in zip(courses, firsts, strict=False) for task in course.tasks(first)],
        resident(dataset.train, range(len(dataset.tasks)), here),
        experiment.training,
        [course.plan.order_seed(seed) for course in courses for seed in course.plan.seeds],
    )
    validations = {course: resident(dataset.validation, course.plan.columns, here) for course in courses}
    inputs_NF = validations[courses[0]].inputs_NF
    members = {course: range(first, end) for course, (first, end) in zip(courses, pairwise(firsts), strict=True)}
    for reading, step in enumerate(courses[0].plan.steps_S.tolist()):
        losses_SK = fit.advance(step)
        outputs_KNO = fit.outputs(inputs_NF)
        for course, own in members.items():
            course.read(fit, own, losses_SK, outputs_KNO, validations[course], reading)
        alive = [course for course in members if course.failure is None]
        if not alive:
            return
        if len(alive) < len(members):
            fit.keep([member for course in alive for member in members[course]])
            ends = np.cumsum([course.plan.trial.copies for course in alive]).tolist()
            members = {c: range(end - c.plan.trial.copies, end) for c, end in zip(alive, ends, strict=True)}
