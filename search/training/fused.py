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
from search.training.in_flight import Clock, InFlight, curve_so_far
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
    # Side by side is what is alike and equally far: what was written down of a pack may have come out of step.
    stacks: dict[tuple[StackShape, int], list[_Runner]] = {}
    for runner in runners:
        stacks.setdefault((runner.shape, runner.done), []).append(runner)
    permission = relaxed_products() if experiment.training.engine == "fused-relaxed" else nullcontext()
    try:
        with one_thread(), permission:
            for (shape, _), together in stacks.items():
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
        self.shape = StackShape.of(plan.header.n_inputs, plan.header.widths, plan.header.outputs)
        self.failure: TrialFailure | None = None
        self._experiment, self._course = experiment, course
        self._flight = InFlight(experiment, course.trial)
        readings, n_tasks = len(plan.steps_S), len(plan.columns)
        self.start = start = self._flight.start(course.start, readings)
        self._state: TrainingState | None = None
        self._watches = [LossWatch() for _ in plan.seeds]
        self._curve_TS = curve_so_far(start, n_tasks, readings)
        self._test_curve_TS = curve_so_far(start, n_tasks, readings, test=True) if self.measures else None
        self._kept = -1
        self._networks: list[HardSharing] = []
        self._test: TestScores | None = None
        self._weights = b""
        self._spent = 0.0
        if start is not None:
            self._watches = [LossWatch(limit) for limit in start.loss_limits]
            self._spent = start.seconds_after(readings)
            self._restore_kept(start)

    @property
    def done(self) -> int:
        """Readings that were there before, those after the end too."""
        return 0 if self.start is None else self.start.readings

    @property
    def measures(self) -> bool:
        """Whether the test part is read along with the validation part."""
        return self.plan.trial.phase == "measure"

    def networks(self) -> list[HardSharing]:
        """The copies at their start."""
        return [self.plan.hard_network(seed) for seed in self.plan.seeds]

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

    def stop(self, fit: SplitFit, members: Sequence[int]) -> None:
        """Take down where the copies are at the end, if that was asked for."""
        readings = len(self.plan.steps_S)
        if self._course.keep_state and self.done <= readings:  # what is further is no state of this training
            self._state = self._standing(fit, members, readings, 0.0)

    def write(self, fit: SplitFit, members: Sequence[int], readings: int, seconds: float) -> None:
        """Write down where the copies are after so many readings and seconds."""
        self._flight.write(self._standing(fit, members, readings, seconds))

    def _standing(self, fit: SplitFit, members: Sequence[int], readings: int, seconds: float) -> TrainingState:
        test_TS = self._test_curve_TS
        return TrainingState(
            self.plan.trial,
            self._curve_TS[:, :readings],
            tuple(fit.state(member, network) for member, network in zip(members, self.networks(), strict=True)),
            tuple(watch.limit for watch in self._watches),
            None if test_TS is None else test_TS[:, :readings],
            self._kept,
            tuple({name: value.numpy() for name, value in kept.state_dict().items()} for kept in self._networks),
            self._spent + seconds,
        )

    def _restore_kept(self, start: TrainingState) -> None:
        if start.kept_values:
            self._kept, self._networks = start.kept, self.networks()
            for network, values in zip(self._networks, start.kept_values, strict=True):
                network.load_state_dict({name: torch.tensor(value) for name, value in values.items()})

    def finish(self) -> None:
        """Test the kept networks of a ``confirm`` trial."""
        if self._networks and self.failure is None:
            header, dataset = self.plan.header, self._experiment.dataset
            self._test = score(self._networks, self.plan.blocks, dataset, self.plan.columns, device())
            self._weights = save_checkpoint(header, [network.state_dict() for network in self._networks])

    def result(self, seconds: float) -> TrialResult | TrialFailure:
        """What came of it all, now that its last part took so many seconds."""
        remarks = self._flight.remarks
        if self.failure is not None:
            return replace(self.failure, remarks=remarks)
        total = self._spent + seconds
        before = self._course.start
        return TrialResult(
            self.plan.steps_S,
            self._curve_TS,
            total - (0.0 if before is None else before.seconds),
            this_worker(),
            self._kept,
            self._test,
            self._weights,
            None if self._state is None else replace(self._state, seconds=total),
            self._test_curve_TS,
            remarks=remarks,
        )


def _fit(experiment: Experiment, shape: StackShape, runners: Sequence[_Runner], firsts: Sequence[int]) -> SplitFit:
    """The networks of some trials in as few stacks as memory allows; ``firsts`` counts them."""
    networks = [network for runner in runners for network in runner.networks()]
    tasks = [task for runner, first in zip(runners, firsts, strict=False) for task in runner.tasks(first)]
    orders = [runner.plan.order_seed(seed) for runner in runners for seed in runner.plan.seeds]
    starts = [network for runner in runners if runner.start is not None for network in runner.start.networks]
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
    fit = _fit(experiment, shape, runners, firsts)
    validations = {runner: resident(dataset.validation, runner.plan.columns, here) for runner in runners}
    tests = {runner: resident(dataset.test, runner.plan.columns, here) for runner in runners if runner.measures}
    inputs_NF = validations[runners[0]].inputs_NF
    members = {runner: range(first, end) for runner, (first, end) in zip(runners, pairwise(firsts), strict=True)}
    clock, began, networks = Clock.of(experiment), time.process_time(), firsts[-1]
    first, readings = runners[0].done, len(runners[0].plan.steps_S)
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
        if reading + 1 < readings and clock.strikes():
            seconds = (time.process_time() - began) / networks
            for runner, own in members.items():
                runner.write(fit, own, reading + 1, seconds * len(own))
    for runner, own in members.items():
        runner.stop(fit, own)
