"""The network that a policy is searched in: every task goes its own way through all modes of all units, weighed.

Batch normalisation is per task. Tasks that came the same way are computed together where they can be.

Axes: ``N`` rows, ``L`` units, ``T`` tasks, ``M`` modes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from grouping.policy import Mode, Policy
from search.networks.heads import Heads
from search.networks.policy_network import PolicyNetwork
from search.networks.units import PathNorm, Unit, with_paths

__all__ = ["Supernet", "weights_of"]

_TASK_NORM = re.compile(r"(.*\.|)norms\.(\d+)\.([^.]+)$")


def weights_of(policy: Policy, modes: Sequence[Mode]) -> Tensor:
    """A policy as weights, 1 for its modes, [L, T, M]."""
    levels = zip(*policy.modes_TL, strict=True)
    return torch.tensor([[[float(mode == own) for mode in modes] for own in modes_T] for modes_T in levels])


class Supernet(nn.Module):
    """Units, copies of one's own where modes have them, ways round, and heads.

    Args:
        units: Made for this network, whose parts they become.
        heads: Linear heads on the last unit's features.
        outputs: Outputs of each task's head, length T.
        modes: What is chosen from.
    """

    def __init__(self, units: Sequence[Unit], heads: Heads, outputs: Sequence[int], modes: Sequence[Mode]) -> None:
        super().__init__()
        n_tasks = len(outputs)
        self.modes = tuple(modes)
        self.units = tuple(units)
        self.trunk = nn.ModuleDict()  # one name for all that is no head, as in other networks
        own = "own" in modes
        self._own = [[unit.copy().module for _ in range(n_tasks * (own and unit.searchable))] for unit in units]
        self._norms: list[list[PathNorm]] = []
        self._skip_norms: list[list[PathNorm]] = []
        for level, unit in enumerate(units):
            module, norms = with_paths(unit.module, n_tasks)
            self.trunk[f"{level}"] = module
            self._norms.append(norms)
            skip_norms: list[PathNorm] = []
            if unit.skip is not None and not unit.skip_within:
                self.trunk[f"{level}-skip"], skip_norms = with_paths(unit.skip, n_tasks)
            self._skip_norms.append(skip_norms)
            for task, copied in enumerate(self._own[level]):
                self.trunk[f"{level}-own-{task}"] = copied
        self.heads = heads
        self._outputs = list(outputs)

    @property
    def n_tasks(self) -> int:
        return len(self._outputs)

    def forward(self, inputs: Tensor, weights: Sequence[Tensor] | Tensor) -> Tensor:
        """Input rows [N, ...] and weights [T, M] of each unit to the outputs of all tasks side by side, [N, O].

        A mode of weight 0 for which no gradient is asked is not run: what a task skips stays untouched by it.
        """
        at_T: list[Tensor] = [inputs] * self.n_tasks
        for level, (unit, weights_TM) in enumerate(zip(self.units, weights, strict=True)):
            runs_TM = ((weights_TM != 0) | weights_TM.requires_grad).tolist()
            known: dict[tuple[str, int, int], Tensor] = {}
            at_T = [
                self._mixed(level, unit, task, values, weights_TM[task], runs_TM[task], known)
                for task, values in enumerate(at_T)
            ]
        if all(values is at_T[0] for values in at_T):  # then it is hard sharing, to the bit
            common: Tensor = self.heads(at_T[0])
            return common
        heads = (torch.split(values, self._outputs) for values in (self.heads.weight, self.heads.bias))
        outputs = [functional.linear(*task) for task in zip(at_T, *heads, strict=True)]
        return torch.cat(outputs, dim=1)

    def _mixed(
        self,
        level: int,
        unit: Unit,
        task: int,
        values: Tensor,
        weights_M: Tensor,
        runs_M: Sequence[bool],
        known: dict[tuple[str, int, int], Tensor],
    ) -> Tensor:
        """What one task gets of one unit."""
        ways = [
            (weight, self._way(level, unit, task, mode, values, known))
            for weight, mode, runs in zip(weights_M, self.modes, runs_M, strict=True)
            if runs and (mode == "shared" or (unit.searchable and (mode == "own" or unit.skip is not None)))
        ]
        if len(ways) == 1:
            return ways[0][1]
        return torch.stack([weight * found for weight, found in ways]).sum(dim=0)

    def _way(
        self,
        level: int,
        unit: Unit,
        task: int,
        mode: Mode,
        values: Tensor,
        known: dict[tuple[str, int, int], Tensor],
    ) -> Tensor:
        if mode == "own":
            own: Tensor = self._own[level][task](values)
            return own
        norms = self._norms[level] if mode == "shared" or unit.skip_within else self._skip_norms[level]
        key = mode, id(values), task if norms else -1
        if key not in known:
            for norm in norms:
                norm.path = task
            module = unit.module if mode == "shared" else unit.skip
            assert module is not None
            known[key] = module(values)
        return known[key]

    def static(self, policy: Policy) -> PolicyNetwork:
        """The network of a policy with the weights that the search found: copies of them.

        Tasks that came the same way share a normalisation from there on, the first one's.
        """
        plain = [self._plain(unit) for unit in self.units]
        network = PolicyNetwork(plain, policy)
        done: set[str] = set()
        for part, step, tasks in network.parts_used():
            source = {
                "shared": self.units[step.level].module,
                "own": self._own[step.level][step.task] if step.mode == "own" else nn.Identity(),
                "skip": self.units[step.level].skip or nn.Identity(),
            }[step.mode]
            _copy_values(source, network.parts[part], tasks[0], step.path, first=part not in done)
            done.add(part)
        return network

    def _plain(self, unit: Unit) -> Unit:
        """The unit without a normalisation for each task."""
        copied = unit.copy()
        for module in (copied.module, copied.skip):
            if module is not None:
                _without_paths(module)
        module = copied.module.norms[0] if isinstance(copied.module, PathNorm) else copied.module
        return Unit(unit.name, module, copied.skip, unit.flops, unit.skip_flops, unit.why_not, unit.searchable)


def _without_paths(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, PathNorm):
            setattr(module, name, child.norms[0])
        else:
            _without_paths(child)


def _copy_values(source: nn.Module, target: nn.Module, task: int, path: int, *, first: bool) -> None:
    """Values of a part of the search's network, the normalisation of one task for one way through the other."""
    into = {**dict(target.named_parameters()), **dict(target.named_buffers())}
    with torch.no_grad():
        for name, value in [*source.named_parameters(), *source.named_buffers()]:
            match = _TASK_NORM.match(name)
            if match is None:
                if first:
                    into[name].copy_(value)
            elif int(match[2]) == task:
                single = f"{match[1]}{match[3]}"
                into[single if single in into else f"{match[1]}norms.{path}.{match[3]}"].copy_(value)
