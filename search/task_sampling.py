"""Which task a step of training is of, as a value: all tasks of the rows it sees, or one task and rows of its own.

Tasks with data sets of their own, or with few labels in a common one, have different numbers of labelled rows. What the
names do is in ``search.training.task_batches``. Needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from grouping.errors import InputError
from grouping.tasks import nearest_name

__all__ = ["BY_ROWS", "SamplingName", "TaskSampling"]

SamplingName = Literal[
    "rows", "proportional", "temperature", "uniform", "round-robin", "reshuffled", "annealed", "loss-slope"
]

BY_ROWS: SamplingName = "rows"
"""Rows are drawn, and every task that has a label there learns from them: what every engine can train."""

_WHERE = "training.sampling"
_OPTIONS: dict[str, tuple[str, ...]] = {"temperature": ("temperature",), "loss-slope": ("explore",)}


@dataclass(frozen=True)
class TaskSampling:
    """One way to sample; ``str()`` gives what ``parse`` reads.

    Args:
        name: ``rows``, or one task a step, drawn in proportion to its labelled rows (``proportional``), to their
            1/temperature-th power (``temperature``), with equal chances (``uniform``), in turn (``round-robin``), each
            once in an order drawn anew (``reshuffled``), from proportional to equal chances in the course of training
            (``annealed``), or the more often the faster its loss changes (``loss-slope``).
        temperature: 1 is proportional, infinity uniform.
        explore: Share of the steps that ``loss-slope`` spreads evenly.

    Raises:
        InputError: an unknown name, or a number out of range.
    """

    name: SamplingName = "rows"
    temperature: float = 2.0
    explore: float = 0.1

    def __post_init__(self) -> None:
        if self.name not in get_args(SamplingName):
            fix = nearest_name(self.name, list(get_args(SamplingName)))
            raise InputError(f"no sampling of tasks is called '{self.name}'", where=_WHERE, fix=fix)
        if not self.temperature > 0:
            raise InputError(f"a temperature of {self.temperature:g}", where=_WHERE, fix="Use a number above 0")
        if not 0 <= self.explore <= 1:
            raise InputError(f"{self.explore:g} is no share", where=_WHERE, fix="Use a number from 0 to 1")

    def __str__(self) -> str:
        standard = TaskSampling(self.name)
        changed = [name for name in _OPTIONS.get(self.name, ()) if getattr(self, name) != getattr(standard, name)]
        return " ".join([self.name, *(f"{name}={getattr(self, name)}" for name in changed)])

    @staticmethod
    def parse(text: str) -> TaskSampling:
        """From ``uniform`` or ``temperature temperature=5``.

        Raises:
            InputError: an unknown name or option, or a value that is none.
        """
        name, *given = text.split() or [""]
        if name not in get_args(SamplingName):
            fix = nearest_name(name, list(get_args(SamplingName)))
            raise InputError(f"no sampling of tasks is called '{name}'", where=_WHERE, fix=fix)
        values: dict[str, float] = {}
        for one in given:
            option, equals, value = one.partition("=")
            if option not in _OPTIONS.get(name, ()) or not equals or option in values:
                takes = ", ".join(f"{known}=..." for known in _OPTIONS.get(name, ())) or "no options"
                raise InputError(f"'{one}' is no option of '{name}'", where=_WHERE, fix=f"It takes {takes}")
            try:
                values[option] = float(value)
            except ValueError as error:
                raise InputError(f"'{text}': {error}", where=_WHERE, fix="Give a number") from error
        return TaskSampling(name, **values)  # type: ignore[arg-type]
