"""The plain trainer, the reference that every faster engine is held against: what one trial is, from seed to scores.

Random streams are split off the replicate's seed by name (``search.trials.stream_seed``) and never taken from a global
generator, so on CPU a result is bitwise the same in any process, packing and order. The loop itself is
``search.training.loop``.

Axes: ``T`` tasks of the network, ``S`` readings.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from grouping.candidates import Candidates, FloatArray, IntArray
from grouping.curves import CurveTable
from search.errors import TrialError
from search.execution.executor import GPU_VARIABLE
from search.networks.cost import scaled_widths
from search.networks.hard_sharing import HardSharing, hard_sharing
from search.networks.latency import one_thread
from search.training.checkpoint import NetworkHeader, save_checkpoint
from search.training.experiment import Experiment
from search.training.loop import Fit, reading_steps
from search.training.losses import task_blocks
from search.training.scoring import mean_scores, resident, score
from search.trials import Trial, TrialResult, stream_seed

__all__ = ["TrialFunction", "train"]

TrialFunction = Callable[[Experiment, Trial], TrialResult]
"""What runs a trial; anything of this shape can take the place of ``train``."""


def train(experiment: Experiment, trial: Trial) -> TrialResult:
    """Train one network and read its validation scores; in phase ``confirm`` also keep one state and test it.

    With ``copies > 1`` the networks of the ensemble advance side by side, each of the trial's capacity and from its
    own streams, and every loss is the loss of their averaged predictions: to everybody else an ensemble is one network
    with one curve and one kept reading. A task that declares a metric is trained on its loss all the same; curve, kept
    state and test sums are then those of the metric.

    Raises:
        TrialError: a loss that is not finite or has exploded, naming the step; a task without validation labels.
        InputError: a capacity that no integer widths reach.
    """
    start = time.process_time()
    dataset, training = experiment.dataset, experiment.training
    header, columns = _describe(experiment, trial)
    blocks = task_blocks(header.types, header.outputs)
    metrics = [dataset.tasks[column].metric for column in columns]
    steps_S = reading_steps(len(dataset.train.inputs_NF), training)
    steps_S = steps_S[: max(1, int(trial.fraction * len(steps_S) + 1e-9))]
    curve_TS = np.full((len(columns), len(steps_S)), np.nan)
    kept, test, weights = -1, None, b""
    states: list[dict[str, Tensor]] = []
    device = _device()
    with one_thread():
        rows, validation = resident(dataset.train, columns, device), resident(dataset.validation, columns, device)
        seeds = [trial.seed, *(stream_seed(trial.seed, "copy", copy) for copy in range(1, trial.copies))]
        networks = [_network(header, trial.capacity, seed).to(device) for seed in seeds]
        fits = [
            Fit(network, blocks, rows, training, stream_seed(seed, "order", trial.split))
            for network, seed in zip(networks, seeds, strict=True)
        ]
        for reading, step in enumerate(steps_S.tolist()):
            for fit in fits:
                fit.advance(step)
            curve_TS[:, reading] = mean_scores(networks, blocks, metrics, validation)
            _check(curve_TS[:, reading], trial, step)
            if trial.phase == "confirm" and _kept(trial, steps_S, curve_TS) == reading:
                kept = reading
                states = [{name: value.clone() for name, value in net.state_dict().items()} for net in networks]
        if trial.phase == "confirm":
            for network, state in zip(networks, states, strict=True):
                network.load_state_dict(state)
            test = score(networks, blocks, dataset, columns, device)
            weights = save_checkpoint(header, states)
    seconds = time.process_time() - start
    return TrialResult(steps_S, curve_TS, seconds, f"{socket.gethostname()}:{os.getpid()}", kept, test, weights)


def _describe(experiment: Experiment, trial: Trial) -> tuple[NetworkHeader, list[int]]:
    """The network's shape and tasks, and the tasks' columns in the data set."""
    dataset = experiment.dataset
    names = [task.name for task in dataset.tasks]
    columns = [names.index(task) for task in trial.tasks]
    n_inputs = dataset.train.inputs_NF.shape[1]
    header = NetworkHeader(
        tasks=trial.tasks,
        types=tuple(dataset.tasks[column].type for column in columns),
        outputs=tuple(int(dataset.classes_T[column]) for column in columns),
        trunk=experiment.network.trunk,
        n_inputs=n_inputs,
        widths=scaled_widths(n_inputs, experiment.network.widths, trial.capacity),
        target_mean=tuple(float(dataset.target_mean_T[column]) for column in columns),
        target_scale=tuple(float(dataset.target_scale_T[column]) for column in columns),
        copies=trial.copies,
    )
    return header, columns


def _network(header: NetworkHeader, capacity: float, seed: int) -> HardSharing:
    """Networks of one replicate and capacity start from the same trunk, and a task always from the same head."""
    return hard_sharing(
        header.trunk,
        header.n_inputs,
        header.widths,
        header.outputs,
        stream_seed(seed, "trunk", capacity),
        [stream_seed(seed, "head", task) for task in header.tasks],
    )


def _kept(trial: Trial, steps_S: IntArray, curve_TS: FloatArray) -> int:
    """The reading to keep among those made so far: the rule is ``CurveTable.kept_step_RC``, the unread rest is NaN."""
    assert len(trial.reference) == len(trial.tasks), "a confirm trial carries one reference loss per task"
    network = Candidates(trial.tasks, np.ones((1, len(trial.tasks)), bool), np.array([trial.capacity]))
    curves = CurveTable(network, steps_S, curve_TS[None, None], (str(trial.seed),))
    return int(curves.kept_step_RC(np.asarray(trial.reference))[0, 0])


def _check(losses_T: FloatArray, trial: Trial, step: int) -> None:
    for task, loss in zip(trial.tasks, losses_T.tolist(), strict=True):
        if not math.isfinite(loss):
            raise TrialError(f"non-finite validation loss of task '{task}' at step {step}")


def _device() -> torch.device:
    """The GPU if the executor gave this worker one, else the CPU, even where an unused GPU can be seen."""
    given = os.environ.get(GPU_VARIABLE, "") not in {"", "0", "0.0"}
    return torch.device("cuda" if given and torch.cuda.is_available() else "cpu")
