"""What follows from an experiment and a trial before anything is trained, whichever engine trains it.

Which networks, from which seeds, read when; and, as the curves grow, which reading is kept and which is a failure.

Random streams are split off the replicate's seed by name (``search.trials.stream_seed``) and never taken from a global
generator, so on CPU a result is bitwise the same in any process, packing and order.

Axes: ``T`` tasks of the network, ``S`` readings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from grouping.candidates import Candidates, FloatArray, IntArray
from grouping.curves import CurveTable
from grouping.tasks import Metric
from search.errors import TrialError
from search.networks.architectures import Network, make_network
from search.networks.hard_sharing import HardSharing
from search.networks.sharing import FRESH, Sharing
from search.networks.sharing_cost import shared_widths
from search.training.checkpoint import NetworkHeader, load_checkpoint
from search.training.experiment import Experiment
from search.training.loop import reading_steps
from search.training.losses import TaskBlock, averaged_outputs, task_blocks
from search.training.residence import ResidentPart
from search.training.scoring import mean_scores
from search.trials import Trial, stream_seed

__all__ = ["UNREAD", "Blueprint", "blueprint"]

UNREAD = 1.0
"""What stands for the score of an auxiliary task without labels in a part."""


@dataclass(frozen=True, eq=False)
class Blueprint:
    """One trial, ready to be trained.

    Args:
        trial: What is to be trained.
        header: The network's shape and tasks.
        columns: The tasks' columns in the data set, length T.
        metrics: What each task is read on, length T.
        auxiliary: Which tasks are trained for the others' sake only, length T.
        steps_S: Optimiser steps done at each reading.
        seeds: One for each copy; a copy's initial values and order of rows follow from it.
        start: The checkpoint whose weights take the place of initial values; empty where there is none.
    """

    trial: Trial
    header: NetworkHeader
    columns: tuple[int, ...]
    metrics: tuple[Metric, ...]
    auxiliary: tuple[bool, ...]
    steps_S: IntArray
    seeds: tuple[int, ...]
    start: bytes = b""

    @property
    def blocks(self) -> tuple[TaskBlock, ...]:
        """The tasks by columns."""
        return task_blocks(self.header.types, self.header.outputs)

    @property
    def rate(self) -> float:
        """What the learning rate is multiplied by."""
        return Sharing.parse(self.header.sharing).rate

    def network(self, seed: int) -> Network:
        """A copy at its start, in training mode.

        Networks of one replicate and capacity start from the same trunk and drop the same features, and a task always
        starts from the same head.
        """
        network = make_network(
            Sharing.parse(self.header.sharing),
            self.header.shape,
            self.header.outputs,
            stream_seed(seed, "trunk", self.trial.capacity),
            [stream_seed(seed, "head", task) for task in self.header.tasks],
            stream_seed(seed, "dropout", self.trial.capacity),
        )
        if self.start:
            network.load_state_dict(load_checkpoint(self.start).networks[0].state_dict())
        return network

    def hard_network(self, seed: int) -> HardSharing:
        """A copy of a trial whose tasks share one trunk."""
        network = self.network(seed)
        assert isinstance(network, HardSharing)
        return network

    def order_seed(self, seed: int) -> int:
        """Decides the order of rows: the same for all networks of a replicate."""
        return stream_seed(seed, "order", self.trial.split)

    def read(
        self, outputs_KNO: Sequence[torch.Tensor], part: ResidentPart, step: int, called: str = "validation"
    ) -> FloatArray:
        """Score of each task on a part, [T], from the raw outputs of the copies.

        An auxiliary task may have no label there: its score is then 1 in every network and at every step, so that it
        decides neither which state is kept nor which network is better.

        Raises:
            TrialError: a score that is not finite.
        """
        with torch.inference_mode():
            outputs_NO = averaged_outputs(self.blocks, outputs_KNO)
        scores_T = mean_scores(outputs_NO, self.blocks, self.metrics, part)
        unlabelled_T = (part.labelled_NT.sum(dim=0) == 0).cpu().numpy()
        scores_T = np.where(unlabelled_T & np.array(self.auxiliary), UNREAD, scores_T)
        for task, score in zip(self.trial.tasks, scores_T.tolist(), strict=True):
            if not math.isfinite(score):
                raise TrialError(f"non-finite {called} loss of task '{task}' at step {step}")
        return scores_T

    def keeps(self, curve_TS: FloatArray, reading: int) -> bool:
        """Whether a reading is the best so far of a ``confirm`` trial; nothing is kept of the others.

        The rule is ``CurveTable.kept_step_RC``; readings still to come are NaN.
        """
        trial = self.trial
        if trial.phase != "confirm":
            return False
        assert len(trial.reference) == len(trial.tasks), "a confirm trial carries one reference loss per task"
        network = Candidates(trial.tasks, np.ones((1, len(trial.tasks)), bool), np.array([trial.capacity]))
        curves = CurveTable(network, self.steps_S, curve_TS[None, None], (str(trial.seed),))
        return int(curves.kept_step_RC(np.asarray(trial.reference))[0, 0]) == reading


def blueprint(experiment: Experiment, trial: Trial) -> Blueprint:
    """The blueprint of a trial.

    Raises:
        InputError: a capacity that no integer widths reach.
        TrialError: weights to go on from that are not at hand.
    """
    dataset, way = experiment.dataset, Sharing.parse(trial.sharing)
    if way.start != FRESH and way.start not in experiment.starts:
        raise TrialError(
            f"the weights '{way.start}' that a search found are not at hand",
            fix="Train this network in the run that searched its policy",
        )
    names = [task.name for task in dataset.tasks]
    columns = tuple(names.index(task) for task in trial.tasks)
    standard = experiment.network.shape(dataset.train.inputs_NF.shape[1])
    steps_S = reading_steps(len(dataset.train.inputs_NF), experiment.training)
    return Blueprint(
        trial=trial,
        header=NetworkHeader(
            tasks=trial.tasks,
            types=tuple(dataset.tasks[column].type for column in columns),
            outputs=tuple(int(dataset.classes_T[column]) for column in columns),
            trunk=standard.trunk,
            n_inputs=standard.n_inputs,
            widths=shared_widths(way, standard, trial.capacity, len(trial.tasks)),
            target_mean=tuple(float(dataset.target_mean_T[column]) for column in columns),
            target_scale=tuple(float(dataset.target_scale_T[column]) for column in columns),
            copies=trial.copies,
            image=standard.image,
            norm=standard.norm,
            dropout=standard.dropout,
            sharing=trial.sharing,
            units=standard.units,
        ),
        columns=columns,
        metrics=tuple(dataset.tasks[column].metric for column in columns),
        auxiliary=tuple(dataset.tasks[column].role == "auxiliary" for column in columns),
        steps_S=steps_S[: max(1, int(trial.fraction * len(steps_S) + 1e-9))],
        seeds=(trial.seed, *(stream_seed(trial.seed, "copy", copy) for copy in range(1, trial.copies))),
        start=b"" if way.start == FRESH else experiment.starts[way.start],
    )
