"""One network of all tasks in training, stopped now and then for a look, which changes nothing of the training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from search.networks.hard_sharing import HardSharing
from search.training.blueprint import Blueprint, blueprint
from search.training.experiment import Experiment
from search.training.loop import Fit, orders
from search.training.residence import ResidentPart, resident
from search.training.scoring import predict
from search.training.trainer import device
from search.trials import Trial, stream_seed

__all__ = ["JointRun"]


class JointRun:
    """A training of a trial's tasks with the plain loop.

    Args:
        experiment: Data, network and training.
        trial: All tasks, a capacity and a seed.
    """

    def __init__(self, experiment: Experiment, trial: Trial) -> None:
        self.plan: Blueprint = blueprint(experiment, trial)
        here = device()
        self.training, self.validation = (
            resident(part, self.plan.columns, here)
            for part in (experiment.dataset.train, experiment.dataset.validation)
        )
        self.network: HardSharing = self.plan.hard_network(trial.seed).to(here)
        weights = [experiment.task_weights[column] for column in self.plan.columns]
        noise = stream_seed(trial.seed, "noise", trial.capacity)
        self._fit = Fit(
            self.network,
            self.plan.blocks,
            self.training,
            experiment.training,
            self.plan.order_seed(trial.seed),
            weights=weights,
            auxiliary=[experiment.dataset.tasks[column].role == "auxiliary" for column in self.plan.columns],
            noise_seed=noise,
        )
        self._batch_size = experiment.training.batch_size
        self._looks = orders(len(self.training.inputs_NF), stream_seed(trial.seed, "looks", trial.split))
        # Validation losses; NaN where the training has not come to yet.
        self.curve_TS = np.full((len(self.plan.columns), len(self.plan.steps_S)), np.nan)

    def stops(self, steps: Iterable[int] = ()) -> Iterator[int]:
        """Train to the end, stopping after each of some steps and after every reading of the validation losses."""
        readings = {int(step): reading for reading, step in enumerate(self.plan.steps_S)}
        done = 0
        for step in sorted({*steps, *readings}):
            if step > done:
                self._fit.advance(step)
                done = step
            if step in readings:
                outputs = predict([self.network], self.validation.inputs_NF)
                self.curve_TS[:, readings[step]] = self.plan.read(outputs, self.validation, step)
            yield step

    def batch(self) -> ResidentPart:
        """Training rows to look at, as many as a step takes, drawn apart from those of the steps."""
        rows_N = next(self._looks)[: self._batch_size].to(self.training.inputs_NF.device)
        part = self.training
        return ResidentPart(part.inputs_NF[rows_N], part.targets_NT[rows_N], part.labelled_NT[rows_N])

    def some(self, part: ResidentPart, most: int) -> ResidentPart:
        """At most so many rows of a part, drawn at random."""
        if len(part.inputs_NF) <= most:
            return part
        order_N = torch.randperm(len(part.inputs_NF), generator=torch.Generator().manual_seed(most))[:most]
        rows_N = order_N.to(part.inputs_NF.device)
        return ResidentPart(part.inputs_NF[rows_N], part.targets_NT[rows_N], part.labelled_NT[rows_N])

    def trunk(self) -> dict[str, Tensor]:
        """The shared parameters by name."""
        return dict(self.network.trunk.named_parameters())
