"""The plain trainer, the reference that every faster engine is held against: what one trial is, from seed to scores.

What a trial is made of follows from ``search.training.blueprint``; the loop itself is ``search.training.loop``.

Axes: ``T`` tasks of the network, ``S`` readings.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch
from torch import Tensor

from search.execution.executor import GPU_VARIABLE, this_worker
from search.networks.latency import one_thread
from search.training.blueprint import blueprint
from search.training.checkpoint import save_checkpoint
from search.training.experiment import Experiment
from search.training.in_flight import Clock, InFlight, curve_so_far
from search.training.layers import channels_last
from search.training.loop import Fit, LossWatch
from search.training.residence import resident
from search.training.scoring import predict, score
from search.trials import TrainingState, Trial, TrialResult, stream_seed

__all__ = ["TrialFunction", "device", "train"]

TrialFunction = Callable[[Experiment, Trial], TrialResult]
"""What runs a trial; anything of this shape can take the place of ``train``."""


def train(
    experiment: Experiment,
    trial: Trial,
    start: TrainingState | None = None,
    *,
    keep_state: bool = False,
    flight: InFlight | None = None,
) -> TrialResult:
    """Train one network and read its validation scores; in phase ``confirm`` also keep one state and test it.

    In phase ``measure`` the test part is read whenever the validation part is.

    With ``copies > 1`` the networks of the ensemble advance side by side, each of the trial's capacity and from its
    own streams, and every loss is the loss of their averaged predictions: to everybody else an ensemble is one network
    with one curve and one kept reading. A task that declares a metric is trained on its loss all the same; curve, kept
    state and test sums are then those of the metric.

    Args:
        experiment: What all trials have in common.
        trial: What is to be trained.
        start: Where it stopped at a smaller fraction; None to begin.
        keep_state: Whether the result brings the state at the end.
        flight: Where its state is looked for and written down; None: nowhere.

    Raises:
        TrialError: a loss that is not finite or has exploded, naming the step; a task without validation labels.
        InputError: a capacity that no integer widths reach.
    """
    began = time.process_time()
    dataset, plan = experiment.dataset, blueprint(experiment, trial)
    readings = len(plan.steps_S)
    given = 0.0 if start is None else start.seconds
    start = start if flight is None else flight.start(start, readings)
    curve_TS = curve_so_far(start, len(plan.columns), readings)
    test_curve_TS = curve_so_far(start, len(plan.columns), readings, test=True) if trial.phase == "measure" else None
    first, kept, test, weights = 0, -1, None, b""
    states: list[dict[str, Tensor]] = []
    if start is not None:
        first, kept = min(start.readings, readings), start.kept
        states = [{name: torch.tensor(value) for name, value in values.items()} for values in start.kept_values]
    spent = 0.0 if start is None else start.seconds_after(readings)
    here, clock = device(), Clock.of(experiment)
    training = experiment.training
    training = training.model_copy(update={"learning_rate": training.learning_rate * plan.rate})
    with one_thread():
        rows, validation = (resident(part, plan.columns, here) for part in (dataset.train, dataset.validation))
        tested = None if test_curve_TS is None else resident(dataset.test, plan.columns, here)
        networks = [plan.network(seed).to(here) for seed in plan.seeds]
        for network in networks:
            channels_last(network.trunk)
        watches = [LossWatch() for _ in networks]
        if start is not None:
            watches = [LossWatch(limit) for limit in start.loss_limits]
        fits = [
            Fit(
                network,
                plan.blocks,
                rows,
                training,
                plan.order_seed(seed),
                None if start is None else start.networks[copy],
                watch,
                [experiment.task_weights[column] for column in plan.columns],
                [dataset.tasks[column].role == "auxiliary" for column in plan.columns],
                stream_seed(seed, "noise", trial.capacity),
            )
            for copy, (network, seed, watch) in enumerate(zip(networks, plan.seeds, watches, strict=True))
        ]

        def standing(readings: int) -> TrainingState:
            """Where the training is after so many readings."""
            return TrainingState(
                trial,
                curve_TS[:, :readings],
                tuple(fit.state() for fit in fits),
                tuple(watch.limit for watch in watches),
                None if test_curve_TS is None else test_curve_TS[:, :readings],
                kept,
                tuple({name: value.cpu().numpy() for name, value in state.items()} for state in states),
                spent + time.process_time() - began,
            )

        for reading, step in enumerate(plan.steps_S[first:].tolist(), first):
            for fit in fits:
                fit.advance(step)
            curve_TS[:, reading] = plan.read(predict(networks, validation.inputs_NF), validation, step)
            if test_curve_TS is not None and tested is not None:
                test_curve_TS[:, reading] = plan.read(predict(networks, tested.inputs_NF), tested, step, "test")
            if plan.keeps(curve_TS, reading):
                kept = reading
                states = [{name: value.clone() for name, value in net.state_dict().items()} for net in networks]
            if flight is not None and reading + 1 < readings and clock.strikes():
                flight.write(standing(reading + 1))
        if states:
            for network, values in zip(networks, states, strict=True):
                network.load_state_dict(values)
            test = score(networks, plan.blocks, dataset, plan.columns, here)
            weights = save_checkpoint(plan.header, states)
        # A state from beyond the end, of a longer training of this network, is no state of this one.
        ended = start is None or start.readings <= readings
        state = standing(readings) if keep_state and ended else None
    seconds = spent + time.process_time() - began - given
    return TrialResult(
        plan.steps_S,
        curve_TS,
        seconds,
        this_worker(),
        kept,
        test,
        weights,
        state,
        test_curve_TS,
        remarks=() if flight is None else flight.remarks,
    )


def device() -> torch.device:
    """The GPU if the executor gave this worker one, else the CPU, even where an unused GPU can be seen."""
    given = os.environ.get(GPU_VARIABLE, "") not in {"", "0", "0.0"}
    return torch.device("cuda" if given and torch.cuda.is_available() else "cpu")
