"""A network of a policy: tasks that came the same way run together, and what a task skips is not run for it.

A path that several tasks have in common is computed once, a skipped unit not at all, so time falls with the FLOPs that
``search.networks.sharing_cost`` counts. Batch normalisation is kept apart for every way through what is shared: tasks
that came different ways have different statistics, and those that skip a unit leave its statistics alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from grouping.errors import InputError
from grouping.policy import Policy, Step
from search.networks.counted import foreign_units
from search.networks.shape import BUILT_IN, TrunkShape
from search.networks.shared_network import TaskTrunk
from search.networks.sharing import Sharing
from search.networks.units import PathNorm, Unit, built_in_units, with_paths

__all__ = ["PolicyNetwork", "policy_trunk", "trunk_units"]


class PolicyNetwork(TaskTrunk):
    """The static network of a policy; only what some task uses is in it.

    Args:
        units: From the input on. Their modules become part of this network.
        policy: One mode for every task and unit.

    Raises:
        InputError: a policy for other units, or one that skips what cannot be skipped.
    """

    def __init__(self, units: Sequence[Unit], policy: Policy) -> None:
        super().__init__()
        refusal = policy.refusal([unit.skip is not None for unit in units])
        if refusal:
            raise InputError(
                f"the policy '{policy}' does not fit: {refusal}", where="architectures", fix="Correct its modes"
            )
        self.policy = policy
        self.parts = nn.ModuleDict()
        self._steps: list[tuple[nn.Module, list[PathNorm], Step]] = []
        made: dict[str, tuple[nn.Module, list[PathNorm]]] = {}
        own = {(s.level, s.task): units[s.level].copy().module for s in policy.steps if s.mode == "own"}
        shared = {step.level for step in policy.steps if step.mode == "shared"}
        for step in policy.steps:
            unit, name = units[step.level], _name(step)
            if name not in made:
                module = {"shared": unit.module, "own": own.get((step.level, step.task)), "skip": unit.skip}[step.mode]
                assert module is not None
                paths = sum(_name(other) == name for other in policy.steps)
                made[name] = with_paths(module, paths) if paths > 1 else (module, [])
                # A way round that is part of what is shared, such as a block's shortcut, is there already.
                if not (step.mode == "skip" and step.level in shared and unit.skip_within):
                    self.parts[name] = made[name][0]
            self._steps.append((*made[name], step))

    def forward(self, inputs: Tensor) -> Sequence[Tensor]:
        """Input rows [N, ...] to the features [N, ...] of each task, length T."""
        given: list[Tensor] = []
        for module, norms, step in self._steps:
            for norm in norms:
                norm.path = step.path
            given.append(module(inputs if step.source < 0 else given[step.source]))
        return [given[end] for end in self.policy.ends_T]

    def parts_used(self) -> list[tuple[str, Step, list[int]]]:
        """Of every step what it uses, by name, and the tasks that came that way; parts of other parts are left out."""
        tasks_S: list[list[int]] = [[] for _ in self.policy.steps]
        for task, step in enumerate(self.policy.ends_T):
            while step >= 0:
                tasks_S[step].append(task)
                step = self.policy.steps[step].source
        steps = zip(self.policy.steps, tasks_S, strict=True)
        return [(_name(step), step, sorted(tasks)) for step, tasks in steps if _name(step) in self.parts]


def _name(step: Step) -> str:
    """Of what a step uses."""
    return str(step.level) + {"shared": "", "own": f"-own-{step.task}", "skip": "-skip"}[step.mode]


def trunk_units(shape: TrunkShape, trunk_seed: int, dropout_seed: int) -> list[Unit]:
    """A trunk in units, built in or of another package.

    Raises:
        InputError: the trunk of another package cannot be built or cut.
    """
    make = built_in_units if shape.trunk in BUILT_IN else foreign_units
    return make(shape, trunk_seed, dropout_seed)


def policy_trunk(sharing: Sharing, shape: TrunkShape, n_tasks: int, trunk_seed: int, dropout_seed: int) -> TaskTrunk:
    """The trunk of a policy that was found."""
    assert sharing.policy.n_tasks == n_tasks, "costs are counted first"
    return PolicyNetwork(trunk_units(shape, trunk_seed, dropout_seed), sharing.policy)
