"""A network of all tasks at the end of its training, linearised along random directions of its weights.

What is fitted to it for each group, and the source, is ``grouping.estimators.linearised``. Directional derivatives of
the outputs are taken forward, a few directions at a time, so no gradient of a single row is ever held.

Axes: ``N`` rows, ``O`` outputs, ``T`` tasks, ``D`` directions.
"""

from __future__ import annotations

import copy
import warnings

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, jvp, vmap

from grouping.candidates import FloatArray
from grouping.estimators.linearised import Expansion, Linearisation
from search.networks.hard_sharing import HardSharing
from search.training.losses import TaskBlock, row_losses
from search.training.one_run.joint_run import JointRun
from search.training.residence import ResidentPart
from search.trials import stream_seed

__all__ = ["DIRECTIONS", "expansion", "linearise"]

DIRECTIONS = 100
"""Columns of the random projection; the paper has 200 for networks that are larger by far."""
_ROWS = 2_000
_AT_ONCE = 10


def linearise(run: JointRun, directions: int = DIRECTIONS) -> Linearisation:
    """Train to the end, go back to the best state, and expand the losses there.

    The best state is the reading with the least mean over tasks of validation losses, each relative to its first.
    Of each part 2,000 rows at most are looked at.

    Cost: one training of all tasks, and for every direction about two passes over those rows.

    Raises:
        TrialError: the training fails.
    """
    best, state = np.inf, run.network.state_dict()
    for reading, _ in enumerate(run.stops()):
        level = float(np.mean(run.curve_TS[:, reading] / run.curve_TS[:, 0]))
        if level < best:
            best, state = level, copy.deepcopy(run.network.state_dict())
    run.network.load_state_dict(state)
    seed = stream_seed(run.plan.trial.seed, "directions")
    parts = (run.some(part, _ROWS) for part in (run.training, run.validation))
    return Linearisation(*(expansion(run.network, run.plan.blocks, part, directions, seed) for part in parts))


def expansion(
    network: HardSharing, blocks: tuple[TaskBlock, ...], part: ResidentPart, directions: int, seed: int
) -> Expansion:
    """Mean losses of the labelled rows of a part to second order along random directions of all weights."""
    network = network.eval()
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    generator = torch.Generator().manual_seed(seed)
    moves = {
        name: torch.randint(0, 2, (directions, *value.shape), generator=generator).to(value).mul_(2).sub_(1)
        for name, value in parameters.items()
    }

    def outputs(values: dict[str, Tensor]) -> Tensor:
        found: Tensor = functional_call(network, values, (part.inputs_NF,))
        return found

    def along(move: dict[str, Tensor]) -> Tensor:
        change_NO: Tensor = jvp(outputs, (parameters,), (move,))[1]
        return change_NO

    outputs_NO = network(part.inputs_NF).detach()
    with warnings.catch_warnings():
        # torch's own forward derivatives warn of the way that torch compiles some of them.
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
        change_DNO = vmap(along, chunk_size=_AT_ONCE)(moves).detach().double() / np.sqrt(directions)
    return _expanded(blocks, outputs_NO, change_DNO, part)


def _expanded(blocks: tuple[TaskBlock, ...], outputs_NO: Tensor, change_DNO: Tensor, part: ResidentPart) -> Expansion:
    """Chain rule from outputs to directions, task by task."""
    rows_NT = row_losses(blocks, outputs_NO, part.targets_NT)
    count_T = part.labelled_NT.sum(dim=0)
    level_T = (rows_NT * part.labelled_NT).sum(dim=0, dtype=torch.float64) / count_T
    slopes, curvatures = [], []
    for block in blocks:
        width = (block.outputs.stop - block.outputs.start) // (block.tasks.stop - block.tasks.start)
        for place, t in enumerate(range(block.tasks.start, block.tasks.stop)):
            own = slice(block.outputs.start + place * width, block.outputs.start + (place + 1) * width)
            values_NO = outputs_NO[:, own].double()
            first_NO, second_NOO = _derivatives(block.type, values_NO, part.targets_NT[:, t])
            weight_N = part.labelled_NT[:, t].double() / count_T[t]
            own_DNO = change_DNO[:, :, own]
            slopes.append(torch.einsum("dno,no,n->d", own_DNO, first_NO, weight_N))
            curved_DNO = torch.einsum("dno,nop,n->dnp", own_DNO, second_NOO, weight_N)
            curvatures.append(curved_DNO.flatten(1) @ own_DNO.flatten(1).T)
    return Expansion(_array(level_T), _array(torch.stack(slopes)), _array(torch.stack(curvatures)))


def _derivatives(kind: str, outputs_NO: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
    """First and second derivatives of each row's loss in its outputs, [N, O] and [N, O, O]."""
    if kind == "regression":
        return 2 * (outputs_NO - targets_N[:, None]), torch.full_like(outputs_NO, 2.0)[:, :, None]
    if kind == "binary":
        chance_NO = torch.sigmoid(outputs_NO)
        return chance_NO - targets_N[:, None], (chance_NO * (1 - chance_NO))[:, :, None]
    chance_NO = torch.softmax(outputs_NO, dim=1)
    wanted_NO = torch.nn.functional.one_hot(targets_N.long(), outputs_NO.shape[1])
    return chance_NO - wanted_NO, torch.diag_embed(chance_NO) - chance_NO[:, :, None] * chance_NO[:, None]


def _array(values: Tensor) -> FloatArray:
    found: FloatArray = values.cpu().numpy()
    return found
