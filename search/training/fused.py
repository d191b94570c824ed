"""The fused trainer: the trials of a pack in one pass, each with the result it would have alone.

What a trial means is the plain trainer's (``search.training.trainer``); numbers agree with it up to rounding, and
bitwise with those of the same trial in any other pack (one thread, one machine). A network that fails leaves the pack.

Axes: ``T`` tasks of a network, ``S`` readings or steps, ``K`` networks.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from grouping.candidates import FloatArray
from search.errors import TrialError
from search.execution.executor import one_line, this_worker
from search.networks.hard_sharing import HardSharing
from search.networks.latency import one_thread
from search.networks.sharing import HARD
from search.training.blueprint import blueprint
from search.training.checkpoint import save_checkpoint
from search.training.experiment import Experiment
from search.training.loop import LossWatch
from search.training.packs import out_of_gpu_memory, train_plain
from search.training.relaxed import relaxed_products
from search.training.residence import ResidentPart, resident
from search.training.scoring import score
from search.training.split_fit import SplitFit
from search.training.stack import StackShape
from search.training.stack_memory import pack_room
from search.training.stacked_fit import StackedFit
from search.training.stacked_losses import OwnTask
from search.training.trainer import device
from search.trials import Course, TestScores, TrainingState, TrialFailure, TrialResult

__all__ = ["train_fused"]


def train_fused(experiment: Experiment, pack: Sequence[Course]) -> list[TrialResult | TrialFailure]:
    """What ``train`` gives for each trial, in their order; a failure where it raises ``TrialError``.

    Networks with very different numbers of outputs are stacked apart (``StackShape``), which is no concern of the
    caller. ``seconds`` is the pack's process time, divided in proportion to copies.

    Args:
        experiment: What all trials have in common; ``can_fuse`` has nothing to say about it.
        pack: Trials of one sharing, capacity, fraction, split and start; seeds, tasks, phases and copies may differ.
            Those that share otherwise than by one trunk are trained one by one.

    Raises:
        ValueError: trials that differ in sharing, capacity, fraction, split or start.
        TrialError: they do not fit the worker's share of a GPU; one by one they may.
        InputError: a capacity that no integer widths reach; a trunk that cannot be trained side by side.
    """
    began = time.process_time()
    if len({course.kind for course in pack}) > 1:
        raise ValueError("trials of unequal sharing, capacity, fraction, split or start cannot be trained in one pack")
    if pack and pack[0].trial.sharing != HARD:
        return train_plain(experiment, tuple(pack))
    runners = [_Runner(experiment, course) for course in pack]
    stacks: dict[StackShape, list[_Runner]] = {}
    for runner in runners:
        stacks.setdefault(runner.shape, []).append(runner)
    permission = relaxed_products() if experiment.training.engine == "fused-relaxed" else nullcontext()
    try:
        with one_thread(), permission:
            for shape, together in stacks.items():
                _train(experiment, shape, together)
            for runner in runners:
                runner.finish()
    except torch.cuda.OutOfMemoryError as error:
        raise out_of_gpu_memory(len(pack)) from error
    seconds = time.process_time() - began
    share = seconds / sum(course.trial.copies for course in pack) if pack else 0.0
    return [runner.result(share * runner.plan.trial.copies) for runner in runners]


class _Runner:
    """How one trial of a pack is getting on: curve, kept networks, failure."""

    def __init__(self, experiment: Experiment, course: Course) -> None:
        self.plan = plan = blueprint(experiment, course.trial)
        self.start = start = course.start
        self.shape = StackShape.of(plan.header.n_inputs, plan.header.widths, plan.header.outputs)
        self.failure: TrialFailure | None = None
        self._experiment = experiment
        self._keep_state = course.keep_state
        self._state: TrainingState | None = None
        self._watches = [LossWatch() if start is None else LossWatch(start.loss_limit) for _ in plan.seeds]
        self._curve_TS = np.full((len(plan.columns), len(plan.steps_S)), np.nan)
        if start is not None:
            self._curve_TS[:, : start.curve_TS.shape[1]] = start.curve_TS
        self._test_curve_TS = np.full_like(self._curve_TS, np.nan) if self.measures else None
        self._kept = -1
        self._networks: list[HardSharing] = []
        self._vessels: list[HardSharing] = []  # what the state is written into, spared building once more
        self._test: TestScores | None = None
        self._weights = b""

    @property
    def measures(self) -> bool:
        """Whether the test part is read along with the validation part."""
        return self.plan.trial.phase == "measure"

    def networks(self) -> list[HardSharing]:
        """The copies at their start."""
        networks = [self.plan.hard_network(seed) for seed in self.plan.seeds]
        self._vessels = networks if self._keep_state else []
        return networks

    def tasks(self, first: int) -> list[OwnTask]:
        """The tasks of all copies, which stand in the stack from ``first`` on."""
        header = self.plan.header
        tasks = []
        for member in range(first, first + len(self.plan.seeds)):
            output = 0
            for column, kind, outputs in zip(self.plan.columns, header.types, header.outputs, strict=True):
                weight = self._experiment.task_weights[column]
                tasks.append(OwnTask(member, column, kind, output, outputs, weight))
                output += outputs
        return tasks

    def read(
        self,
        fit: SplitFit,
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

    def read_test(
        self, members: Sequence[int], outputs_KNO: Sequence[torch.Tensor], test: ResidentPart, reading: int
    ) -> None:
        """Take in the same reading of the test part; arguments as for ``read``."""
        if self._test_curve_TS is None or self.failure is not None:
            return
        own = [outputs_KNO[member] for member in members]
        try:
            self._test_curve_TS[:, reading] = self.plan.read(own, test, int(self.plan.steps_S[reading]), "test")
        except TrialError as error:
            self.failure = TrialFailure(one_line(error), "".join(traceback.format_exception(error)))

    def stop(self, fit: SplitFit, member: int) -> None:
        """Take down where the only copy is at the end, if that was asked for."""
        if self._keep_state:
            (network,) = self._vessels
            limit = self._watches[0].limit
            self._state = TrainingState(self.plan.trial, self._curve_TS, limit, fit.state(member, network))

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
        worker, kept = this_worker(), self._kept
        return TrialResult(
            self.plan.steps_S,
            self._curve_TS,
            seconds,
            worker,
            kept,
            self._test,
            self._weights,
            self._state,
            self._test_curve_TS,
        )


def _fit(experiment: Experiment, shape: StackShape, runners: Sequence[_Runner], firsts: Sequence[int]) -> SplitFit:
    """The networks of some trials in as few stacks as memory allows; ``firsts`` counts them."""
    networks = [network for runner in runners for network in runner.networks()]
    tasks = [task for runner, first in zip(runners, firsts, strict=False) for task in runner.tasks(first)]
    orders = [runner.plan.order_seed(seed) for runner in runners for seed in runner.plan.seeds]
    starts = [runner.start.network for runner in runners if runner.start is not None]
    rows = resident(experiment.dataset.train, range(len(experiment.dataset.tasks)), device())
    room = min(pack_room(experiment, runner.plan.trial) for runner in runners)
    ranges = [range(first, min(first + room, len(networks))) for first in range(0, len(networks), room)]
    fits = [
        StackedFit(
            shape,
            networks[here.start : here.stop],
            [replace(task, member=task.member - here.start) for task in tasks if task.member in here],
            rows,
            experiment.training,
            orders[here.start : here.stop],
            starts=starts[here.start : here.stop],
        )
        for here in ranges
    ]
    return SplitFit(fits, [len(here) for here in ranges])


def _train(experiment: Experiment, shape: StackShape, runners: Sequence[_Runner]) -> None:
    """Train the networks of some trials side by side, until the last reading or until all have failed."""
    dataset, here = experiment.dataset, device()
    firsts = np.cumsum([0, *(runner.plan.trial.copies for runner in runners)]).tolist()
    starts = [runner.start for runner in runners if runner.start is not None]
    fit = _fit(experiment, shape, runners, firsts)
    validations = {runner: resident(dataset.validation, runner.plan.columns, here) for runner in runners}
    tests = {runner: resident(dataset.test, runner.plan.columns, here) for runner in runners if runner.measures}
    inputs_NF = validations[runners[0]].inputs_NF
    members = {runner: range(first, end) for runner, (first, end) in zip(runners, pairwise(firsts), strict=True)}
    first = starts[0].curve_TS.shape[1] if starts else 0
    for reading, step in enumerate(runners[0].plan.steps_S[first:].tolist(), first):
        losses_SK = fit.advance(step)
        outputs_KNO = fit.outputs(inputs_NF)
        for runner, own in members.items():
            runner.read(fit, own, losses_SK, outputs_KNO, validations[runner], reading)
        if tests:
            outputs_KNO = fit.outputs(next(iter(tests.values())).inputs_NF)
            for runner, own in members.items():
                if runner in tests:
                    runner.read_test(own, outputs_KNO, tests[runner], reading)
        alive = [runner for runner in members if runner.failure is None]
        if not alive:
            return
        if len(alive) < len(members):
            fit.keep([member for runner in alive for member in members[runner]])
            ends = np.cumsum([runner.plan.trial.copies for runner in alive]).tolist()
            members = {r: range(end - r.plan.trial.copies, end) for r, end in zip(alive, ends, strict=True)}
    for runner, own in members.items():
        runner.stop(fit, own[0])
