"""A ``policy`` trial as a worker runs it: a search, draws of what it ends with, the best of them on validation losses.

Weights are learnt on four fifths of the training rows and the policy on the others, draws are compared on the
validation part, and the test part is never looked at. The network of the policy is then trained from fresh values, or
goes on from the weights of the search.

Axes: ``T`` tasks of the network, ``L`` units, ``M`` modes, ``R`` turns of the policy, ``D`` draws.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grouping.candidates import FloatArray
from grouping.policy import MODES, Policy
from search.execution.executor import this_worker
from search.networks.heads import Heads
from search.networks.latency import one_thread
from search.networks.policy_network import trunk_units
from search.networks.shared_network import SharedNetwork
from search.networks.sharing import FRESH, SEARCHED, Sharing
from search.policy.draws import drawn_policies
from search.policy.policy_search import PolicySearch, SearchState
from search.policy.regularizers import Regularizer
from search.policy.schedule import Schedule
from search.policy.supernet import Supernet, weights_of
from search.training.blueprint import Blueprint, blueprint
from search.training.checkpoint import save_checkpoint
from search.training.experiment import Experiment
from search.training.in_flight import Clock, InFlight, network_arrays, network_from
from search.training.packs import Pack, attempted
from search.training.residence import ResidentPart, resident
from search.training.state_files import Stored
from search.training.trainer import device
from search.trials import Trial, TrialFailure, TrialResult, stream_seed

__all__ = ["FoundPolicy", "as_found", "search_policy", "train_policies"]

_ARRAYS = ("logits_LTM", "means_LTM", "squares_LTM", "history_RLTM")
_ROWS_AT_ONCE = 512  # every value of an image becomes one for each channel and task


@dataclass(frozen=True, eq=False)
class FoundPolicy:
    """What a search gave.

    Args:
        policies: The draws: the likeliest policy first, then random ones, each once.
        losses_DT: Validation losses of each draw with the weights of the search.
        hard_T: Those of hard sharing with the same weights.
        chosen: Index of the draw with the lowest losses, relative to hard sharing, mean over served tasks.
        history_RLTM: Probabilities after each turn; M as in ``SEARCHED``.
        can_skip_L: Units that there is a way round of.
    """

    policies: tuple[Policy, ...]
    losses_DT: FloatArray
    hard_T: FloatArray
    chosen: int
    history_RLTM: FloatArray
    can_skip_L: tuple[bool, ...]

    @property
    def policy(self) -> Policy:
        """The chosen one."""
        return self.policies[self.chosen]


def search_policy(experiment: Experiment, trial: Trial, flight: InFlight | None = None) -> TrialResult:
    """Search a policy for a trial's tasks, whose ``sharing`` says which modes there are.

    Losses are added up with the tasks' declared weights: balancing, sampling of tasks and rounded products are for the
    training that follows.

    Args:
        experiment: What all trials have in common.
        trial: For whose tasks.
        flight: Where the state of the search is looked for and written down; None: nowhere.

    Raises:
        TrialError: a loss that is not finite or has exploded; a task with too few labels to learn a policy from.
    """
    began = time.process_time()
    sharing = Sharing.parse(trial.sharing)
    plan = blueprint(experiment, replace(trial, sharing="hard"))
    here, clock = device(), Clock.of(experiment)
    training, columns = experiment.training, plan.columns
    stored = None if flight is None else flight.stored()
    spent = 0.0 if stored is None else float(stored.header["seconds"])
    with one_thread():
        part, validation = (
            resident(own, columns, here) for own in (experiment.dataset.train, experiment.dataset.validation)
        )
        supernet = _supernet(plan, trial, sharing).to(here)
        prefix = sharing.kind == "learned-branching"
        modes = supernet.modes
        schedule = Schedule.like_a_training(
            training.epochs, len(part.inputs_NF), training.batch_size, len(supernet.units)
        )
        search = PolicySearch(
            supernet,
            plan.blocks,
            part,
            schedule,
            Regularizer(modes, sharing.sparsity, sharing.alike, sharing.target, sharing.variant),
            batch_size=training.batch_size,
            learning_rate=training.learning_rate * sharing.rate,
            weight_decay=training.weight_decay,
            clip_norm=training.clip_norm,
            sampling=sharing.sampling,
            seed=stream_seed(trial.seed, "policy search", trial.split),
            weights=[experiment.task_weights[column] for column in columns],
            prefix=prefix,
            names=trial.tasks,
            start=None if stored is None else _state(stored),
        )
        if flight is not None and search.done:
            flight.note(f"went on after {search.done} of {schedule.steps} steps")
        while search.done < schedule.steps:
            search.advance(search.done + math.ceil(len(part.inputs_NF) / training.batch_size))
            if flight is not None and search.done < schedule.steps and clock.strikes():
                state, seconds = search.state(), spent + time.process_time() - began
                flight.store(search.done, partial(_stored, state, seconds))
        generator = torch.Generator().manual_seed(stream_seed(trial.seed, "policy draws", trial.split))
        units = supernet.units
        can_skip_L = tuple(unit.skip is not None for unit in units)
        with torch.no_grad():
            raw_LTM = torch.softmax(search.logits.masked(), dim=2)
        policies = drawn_policies(raw_LTM, modes, sharing.draws, generator, prefix=prefix)
        hard = Policy.all_shared(len(columns), len(units))
        losses_DT = np.stack(
            [_losses(supernet, policy, plan, validation, schedule.steps) for policy in (hard, *policies)]
        )
    roles = [experiment.dataset.tasks[column].role for column in columns]
    served = [t for t, role in enumerate(roles) if role == "main"] or list(range(len(roles)))
    relative_D = (losses_DT[1:, served] / losses_DT[0, served]).mean(axis=1)
    seen: dict[str, NDArray[np.float64]] = {
        "modes_DTL": np.array([_numbers(policy) for policy in policies], dtype=np.float64),
        "losses_DT": losses_DT[1:],
        "hard_T": losses_DT[0],
        "chosen": np.array([float(relative_D.argmin())]),
        "history_RLTM": search.history_RLTM,
        "can_skip_L": np.array(can_skip_L, dtype=np.float64),
    }
    best = int(relative_D.argmin())
    weights = b"" if sharing.start == FRESH else _checkpoint(supernet, policies[best], plan, sharing)
    curve_TS = losses_DT[1 + best][:, None]
    steps_S = np.array([schedule.steps], dtype=np.int64)
    seconds = spent + time.process_time() - began
    remarks = () if flight is None else flight.remarks
    return TrialResult(steps_S, curve_TS, seconds, this_worker(), weights=weights, seen=seen, remarks=remarks)


def train_policies(experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
    """The same for packs."""
    found = []
    for course in pack:
        flight = InFlight(experiment, course.trial)
        found.append(attempted(partial(search_policy, experiment, course.trial, flight), flight))
    return found


def as_found(seen: Mapping[str, FloatArray]) -> FoundPolicy:
    """What ``search_policy`` saw."""
    return FoundPolicy(
        tuple(
            Policy(tuple(tuple(MODES[int(number)] for number in task) for task in draw)) for draw in seen["modes_DTL"]
        ),
        np.asarray(seen["losses_DT"]),
        np.asarray(seen["hard_T"]),
        int(seen["chosen"][0]),
        np.asarray(seen["history_RLTM"]),
        tuple(bool(can) for can in seen["can_skip_L"]),
    )


def _stored(state: SearchState, seconds: float) -> Stored:
    arrays: dict[str, NDArray[Any]] = {name: getattr(state, name) for name in _ARRAYS}
    arrays |= {"noise": np.frombuffer(state.noise, np.uint8), "loss_limit": np.array(state.loss_limit)}
    steps = {"step": state.step, "network_step": state.network.step}
    return Stored({**steps, "seconds": seconds}, arrays | network_arrays(state.network, "network."))


def _state(stored: Stored) -> SearchState:
    header, arrays = stored.header, stored.arrays
    return SearchState(
        step=header["step"],
        network=network_from(arrays, "network.", header["network_step"]),
        noise=arrays["noise"].tobytes(),
        loss_limit=float(arrays["loss_limit"]),
        **{name: arrays[name] for name in _ARRAYS},
    )


def _numbers(policy: Policy) -> list[list[int]]:
    return [[MODES.index(mode) for mode in modes_L] for modes_L in policy.modes_TL]


def _supernet(plan: Blueprint, trial: Trial, sharing: Sharing) -> Supernet:
    """Values split off the seed apart from those of the trainings that follow."""
    header = plan.header
    trunk, dropout = (stream_seed(trial.seed, "policy", name, trial.capacity) for name in ("trunk", "dropout"))
    heads = [torch.Generator().manual_seed(stream_seed(trial.seed, "policy", "head", task)) for task in header.tasks]
    units = trunk_units(header.shape, trunk, dropout)
    return Supernet(units, Heads(header.widths[-1], header.outputs, heads), header.outputs, SEARCHED[sharing.kind])


def _checkpoint(supernet: Supernet, policy: Policy, plan: Blueprint, sharing: Sharing) -> bytes:
    """The network of a policy with the weights of the search."""
    network = SharedNetwork(supernet.static(policy), supernet.heads, plan.header.outputs)
    header = replace(plan.header, sharing=str(sharing.found(policy).bare))
    return save_checkpoint(header, [network.state_dict()])


def _losses(supernet: Supernet, policy: Policy, plan: Blueprint, part: ResidentPart, step: int) -> FloatArray:
    """Validation losses of a policy with the weights of the search, [T]."""
    with torch.inference_mode():
        weights_LTM = weights_of(policy, supernet.modes).to(part.inputs_NF.device)
        supernet.eval()
        rows = torch.split(part.inputs_NF, _ROWS_AT_ONCE)
        outputs_NO = torch.cat([supernet(inputs_NF, weights_LTM) for inputs_NF in rows])
    return plan.read([outputs_NO], part, step)
