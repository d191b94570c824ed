"""The search of a policy: weights and logits learnt in turn, stopped and carried on anywhere to the same end.

Axes: ``N`` rows, ``L`` units, ``T`` tasks, ``M`` modes, ``R`` turns of the policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search.errors import TrialError
from search.networks.sharing import Sampling
from search.policy.logits import PolicyLogits, allowed_modes
from search.policy.regularizers import Regularizer
from search.policy.schedule import Place, Schedule
from search.policy.supernet import Supernet
from search.training.adam import Adam
from search.training.loop import LossWatch, batches
from search.training.losses import TaskBlock, batch_losses, row_losses
from search.training.progress import load_moments, network_state, restore, trainable
from search.training.residence import ResidentPart
from search.trials import NetworkState, stream_seed

__all__ = ["PolicySearch", "SearchState", "in_two"]

_POLICY_PART = 0.2


@dataclass(frozen=True, eq=False)
class SearchState:
    """Where a search is: everything that its next step depends on, but the order of rows, which follows from its seed.

    Args:
        step: Steps done.
        network: Weights, their moments, and the places of dropout's streams.
        logits_LTM: The policy's logits.
        means_LTM: Adam's first moments of them.
        squares_LTM: Adam's second moments of them.
        noise: Place of the stream that samples come from.
        loss_limit: Above this a batch loss has exploded.
        history_RLTM: Probabilities after each turn so far.
    """

    step: int
    network: NetworkState
    logits_LTM: NDArray[np.float32]
    means_LTM: NDArray[np.float32]
    squares_LTM: NDArray[np.float32]
    noise: bytes
    loss_limit: float
    history_RLTM: NDArray[np.float64]


class PolicySearch:
    """One search: ask it to advance, look at its probabilities in between.

    Args:
        supernet: Trained in place.
        blocks: Its tasks.
        part: The training rows. The policy learns from a fifth of them, the weights from the others; the warm-up from
            all.
        schedule: Which step learns what.
        regularizer: What the policy is drawn towards beside low losses.
        sampling: How the policy is sampled.
        batch_size: Rows of a batch.
        learning_rate: Of the weights.
        weight_decay: Of the weights: Adam's L2 term.
        clip_norm: Largest norm of the weights' gradient.
        seed: Of everything random.
        weights: What each task's loss is multiplied by, length T; default: 1.
        prefix: What is own stays own (branching).
        names: Of the tasks, for messages; default: their numbers from 1.
        start: Where an earlier search stopped; None to begin.

    Raises:
        TrialError: a task without a label in one of the two parts.
    """

    def __init__(
        self,
        supernet: Supernet,
        blocks: Sequence[TaskBlock],
        part: ResidentPart,
        schedule: Schedule,
        regularizer: Regularizer,
        *,
        batch_size: int,
        learning_rate: float,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        sampling: Sampling = "soft",
        seed: int = 0,
        weights: Sequence[float] = (),
        prefix: bool = False,
        names: Sequence[str] = (),
        start: SearchState | None = None,
    ) -> None:
        self._names = [f"'{name}'" for name in names] or [str(task + 1) for task in range(supernet.n_tasks)]
        self.supernet = supernet
        self.schedule = schedule
        self._blocks, self._regularizer, self._sampling = blocks, regularizer, sampling
        self._clip_norm = clip_norm
        self._weights_T = torch.tensor(list(weights) or [1.0] * supernet.n_tasks, device=part.inputs_NF.device)
        self.logits = PolicyLogits(allowed_modes(supernet.units, supernet.modes), supernet.n_tasks, prefix=prefix)
        self._noise = torch.Generator().manual_seed(stream_seed(seed, "policy samples"))
        self._step = 0 if start is None else start.step
        warm, on_weights, on_policy = schedule.done(self._step)
        of_weights, of_policy = in_two(part, stream_seed(seed, "policy part"))
        self._check_labels(of_weights, of_policy)
        parts = (("warm-up", part, warm), ("weights", of_weights, on_weights), ("policy", of_policy, on_policy))
        self._batches: dict[str, Iterator[tuple[Tensor, Tensor, Tensor]]] = {
            phase: batches(own, batch_size, stream_seed(seed, "order", phase), done) for phase, own, done in parts
        }
        self._optimizer = Adam(trainable(supernet).values(), learning_rate, weight_decay, warm + on_weights)
        self._policy_optimizer = Adam([self.logits.values_LTM], schedule.policy_rate, 0.0, on_policy)
        self._watch = LossWatch() if start is None else LossWatch(start.loss_limit)
        self._history: list[NDArray[np.float64]] = []
        if start is not None:
            self._restore(start)

    @property
    def done(self) -> int:
        """Steps done."""
        return self._step

    @property
    def history_RLTM(self) -> NDArray[np.float64]:
        """Probabilities of the modes after each turn of the policy."""
        shape = (0, *self.logits.values_LTM.shape)
        return np.stack(self._history) if self._history else np.zeros(shape)

    def probabilities(self, n_open: int | None = None) -> Tensor:
        """Probabilities of the modes, [L, T, M]; of units that are not open yet, shared by all."""
        probability_LTM = self.logits.probabilities()
        closed = len(probability_LTM) - (len(probability_LTM) if n_open is None else n_open)
        fixed_LTM = torch.zeros_like(probability_LTM[:closed])
        fixed_LTM[..., 0] = 1
        return torch.cat([fixed_LTM, probability_LTM[closed:]])

    def advance(self, step: int) -> None:
        """Search until ``step`` steps are done, or all are.

        Raises:
            TrialError: a loss that is not finite or has exploded.
        """
        while self._step < min(step, self.schedule.steps):
            place = self.schedule.place(self._step)
            self.supernet.train()
            loss = self._policy_step(place) if place.phase == "policy" else self._weight_step(place)
            self._watch.check(np.array([float(loss)]), self._step)
            self._step += 1
            if place.phase == "policy" and self.schedule.place(self._step).phase != "policy":
                with torch.no_grad():
                    self._history.append(self.probabilities(place.n_open).double().numpy())

    def _weight_step(self, place: Place) -> Tensor:
        with torch.no_grad():
            weights = self._sampled(place)
        loss = self._losses(place, weights).sum()
        self._optimizer.step(loss, self._clip_norm)
        return loss.detach()

    def _policy_step(self, place: Place) -> Tensor:
        loss = self._losses(place, self._sampled(place)).sum()
        probability_LTM = self.probabilities(place.n_open)
        more = self._regularizer(self.logits.values_LTM, probability_LTM, self.supernet.units, place.n_open)
        self._policy_optimizer.step(loss + more)
        return loss.detach()

    def _sampled(self, place: Place) -> list[Tensor]:
        """Weights of the modes of each unit, [T, M]; every unit is shared by all until it is opened."""
        n_units = len(self.supernet.units)
        shared_TM = torch.zeros_like(self.logits.values_LTM[0])
        shared_TM[:, 0] = 1
        closed = [shared_TM] * (n_units - place.n_open)
        if not place.n_open:
            return closed
        sample_LTM = self.logits.sample(place.temperature, self._sampling, self._noise)
        return [*closed, *sample_LTM[n_units - place.n_open :]]

    def _losses(self, place: Place, weights: Sequence[Tensor]) -> Tensor:
        inputs_NF, targets_NT, labelled_NT = next(self._batches[place.phase])
        device = inputs_NF.device
        outputs_NO = self.supernet(inputs_NF, [weights_TM.to(device) for weights_TM in weights])
        rows_NT = row_losses(self._blocks, outputs_NO, targets_NT)
        return batch_losses(rows_NT, labelled_NT) * self._weights_T

    def _check_labels(self, *parts: ResidentPart) -> None:
        for part in parts:
            without = torch.nonzero(part.labelled_NT.sum(dim=0) == 0).flatten().tolist()
            if without:
                raise TrialError(
                    f"a policy is learnt from a fifth of the training rows, weights from the others, and task "
                    f"{self._names[without[0]]} has no label in one of them",
                    fix="Give it more labels, or leave searched architectures out",
                )

    def state(self) -> SearchState:
        """Where the search is."""
        policy = self._policy_optimizer
        return SearchState(
            self._step,
            network_state(self.supernet, self._step, self._optimizer.means, self._optimizer.squares),
            self.logits.values_LTM.detach().numpy().copy(),
            policy.means[0].numpy().copy(),
            policy.squares[0].numpy().copy(),
            self._noise.get_state().numpy().tobytes(),
            self._watch.limit,
            self.history_RLTM,
        )

    def _restore(self, state: SearchState) -> None:
        restore(self.supernet, state.network)
        load_moments(self._optimizer.means, self._optimizer.squares, state.network)
        with torch.no_grad():
            self.logits.values_LTM.copy_(torch.tensor(state.logits_LTM))
        self._policy_optimizer.means[0].copy_(torch.tensor(state.means_LTM))
        self._policy_optimizer.squares[0].copy_(torch.tensor(state.squares_LTM))
        self._noise.set_state(torch.tensor(np.frombuffer(state.noise, np.uint8)))
        self._history = list(state.history_RLTM)


def in_two(part: ResidentPart, seed: int) -> tuple[ResidentPart, ResidentPart]:
    """Training rows for the weights, four fifths, and for the policy, the rest; drawn at random."""
    rows = len(part.inputs_NF)
    order_N = torch.randperm(rows, generator=torch.Generator().manual_seed(seed)).to(part.inputs_NF.device)
    for_policy = max(1, round(_POLICY_PART * rows))
    halves = order_N[for_policy:], order_N[:for_policy]
    weights, policy = (
        ResidentPart(part.inputs_NF[here], part.targets_NT[here], part.labelled_NT[here]) for here in halves
    )
    return weights, policy
