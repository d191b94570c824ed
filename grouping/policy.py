"""Which mode every task has in every unit of a trunk, as a value, and the steps that a network of it really runs.

A unit is a layer or a block. A task uses what all share (``shared``), a copy of its own (``own``), or goes round it
(``skip``). AdaShare (Sun et al., NeurIPS 2020) chooses among {shared, skip}, branching among {shared, own} where what
is own stays own, AutoMTL (Zhang et al., NeurIPS 2022) among all three. Needs no torch.

Axes: ``L`` units, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from grouping.errors import InputError

__all__ = ["LETTERS", "MODES", "Mode", "Policy", "Step", "without_modes"]

Mode: TypeAlias = Literal["shared", "own", "skip"]

MODES: tuple[Mode, ...] = ("shared", "own", "skip")
LETTERS: dict[Mode, str] = {"shared": "s", "own": "o", "skip": "-"}
"""How modes are written down."""

_MODES: dict[str, Mode] = {letter: mode for mode, letter in LETTERS.items()}


@dataclass(frozen=True)
class Step:
    """One thing that a network of a policy does, once for all tasks that came the same way.

    Args:
        level: Which unit.
        mode: What is done there.
        task: Whose copy is used (``own``); -1 otherwise.
        source: Index of the step whose result it takes; -1: the network's input.
        path: The how-manieth use this is of what the unit shares (``shared``, ``skip``): each has a normalisation of
            its own.
    """

    level: int
    mode: Mode
    task: int
    source: int
    path: int


@dataclass(frozen=True)
class Policy:
    """Modes of every task in every unit.

    Args:
        modes_TL: Tasks in the network's order, each with the modes of all units from the input on.

    Raises:
        InputError: no task, or tasks with different numbers of units.
    """

    modes_TL: tuple[tuple[Mode, ...], ...]

    def __post_init__(self) -> None:
        if not self.modes_TL or not self.modes_TL[0] or len({len(modes_L) for modes_L in self.modes_TL}) > 1:
            raise InputError(
                "a policy has as many modes for every task as there are units",
                where="architectures",
                fix="Write it as in modes=sso,s-s",
            )

    @property
    def n_tasks(self) -> int:
        return len(self.modes_TL)

    @property
    def n_units(self) -> int:
        return len(self.modes_TL[0])

    def __str__(self) -> str:
        return ",".join("".join(LETTERS[mode] for mode in modes_L) for modes_L in self.modes_TL)

    @staticmethod
    def parse(text: str) -> Policy:
        """From ``sso,s-s``: tasks are separated by commas.

        Raises:
            InputError: another letter, or tasks with different numbers of units.
        """
        unknown = sorted(set(text) - {*_MODES, ","})
        if unknown or not text:
            what = f"'{unknown[0]}' is no mode" if unknown else "no modes are given"
            fix = "Use s (shared), o (own) and - (skip), one letter a unit, tasks separated by commas"
            raise InputError(what, where="architectures", fix=fix)
        tasks: list[tuple[Mode, ...]] = [tuple(_MODES[letter] for letter in task) for task in text.split(",")]
        return Policy(tuple(tasks))

    @staticmethod
    def all_shared(n_tasks: int, n_units: int) -> Policy:
        """Hard sharing."""
        shared: Mode = "shared"
        return Policy(((shared,) * n_units,) * n_tasks)

    @property
    def is_hard(self) -> bool:
        """Whether it is one trunk for all tasks, with nothing left out."""
        return {mode for modes_L in self.modes_TL for mode in modes_L} == {"shared"}

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What is run, in order; tasks that have done the same so far are together in one step."""
        return self._run[0]

    @property
    def ends_T(self) -> tuple[int, ...]:
        """The step that gives each task its features."""
        return self._run[1]

    @cached_property
    def _run(self) -> tuple[tuple[Step, ...], tuple[int, ...]]:
        steps: dict[tuple[int, Mode, int, int], int] = {}
        paths: dict[tuple[int, Mode], int] = {}
        found: list[Step] = []
        at_T = [-1] * self.n_tasks
        for level in range(self.n_units):
            for task, modes_L in enumerate(self.modes_TL):
                mode = modes_L[level]
                what = level, mode, task if mode == "own" else -1, at_T[task]
                if what not in steps:
                    steps[what] = len(found)
                    path = paths.get((level, mode), 0) if mode != "own" else 0
                    paths[level, mode] = path + 1
                    found.append(Step(*what, path))
                at_T[task] = steps[what]
        return tuple(found), tuple(at_T)

    def shared_with(self, one: int, other: int) -> float:
        """Share of the units that either of two tasks uses which both use in common: 1 for hard sharing."""
        pairs = list(zip(self.modes_TL[one], self.modes_TL[other], strict=True))
        used = [pair for pair in pairs if pair != ("skip", "skip")]
        return sum(pair == ("shared", "shared") for pair in used) / len(used) if used else 0.0

    def with_mode(self, task: int, level: int, mode: Mode) -> Policy:
        """The same with another mode in one place."""
        modes = [list(modes_L) for modes_L in self.modes_TL]
        modes[task][level] = mode
        return Policy(tuple(map(tuple, modes)))

    def refusal(self, can_skip_L: Sequence[bool]) -> str:
        """Why a trunk cannot have this policy, in a few words; empty if it can.

        Args:
            can_skip_L: Units that there is a way round of.
        """
        if self.n_units != len(can_skip_L):
            return f"it has modes for {self.n_units} units, the trunk has {len(can_skip_L)}"
        for level, can_skip in enumerate(can_skip_L):
            if not can_skip and any(modes_L[level] == "skip" for modes_L in self.modes_TL):
                return f"unit {level + 1} cannot be skipped"
        return ""


def without_modes(label: str) -> str:
    """A candidate's label without what a search found, modes and weights: networks of one way may differ in them."""
    way, _, found = label.partition(" modes=")
    rest = ("start=searched" if option.startswith("start=") else option for option in found.split()[1:])
    return " ".join([way, *rest])
