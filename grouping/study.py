"""Ask and tell: which groups to train next, for people who train with their own code on their own machines.

A study knows nothing of networks: it says which group of tasks to train with which seed, is told the losses, and knows
when asked what to put together. ::

    study = g.Study(["rain", "snow", "wind"], budget=2, seeds=3)
    while study.trainings < 20:
        for group, seed in study.ask(4):
            study.tell(group, seed, my_training(group, seed))  # {"rain": 0.31, "snow": 0.2}
    print(study.recommend().solution)

Single tasks and the network of all tasks come first; then whatever is expected to improve the final choice most,
further seeds of known groups included (``grouping.acquisition``); then further seeds of what would be chosen. Every
network costs one standard network time, so the budget is the number of networks. What is asked follows from what was
asked and told before and the study's seed alone.

Axes: ``R`` seeds, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from grouping.budget import Budget
from grouping.candidates import Candidates
from grouping.errors import InputError
from grouping.losses import LossTable, single_task_losses
from grouping.recommendation import Recommendation, recommend
from grouping.tasks import SEPARATOR, check_task_names, nearest_name

__all__ = ["Asked", "Study"]

_SCHEMA = 1
_MOST_CANDIDATES = 5_000
_WHERE = "study"
_ROUNDING = 1e-12
"""Expected gains up to this are none."""

Group = tuple[str, ...]
"""Task names, in the study's order."""


@dataclass(frozen=True, order=True)
class Asked:
    """One training to be done: unpacks into group and seed."""

    group: Group
    seed: int

    def __iter__(self) -> Any:  # noqa: ANN401  (a group, then a number)
        return iter((self.group, self.seed))


class Study:
    """What was trained, and what to train next.

    Args:
        tasks: Names of the tasks, two or more.
        budget: How many networks may serve them, or a ``Budget`` in SNT.
        seeds: With how many seeds a group is trained at most.
        max_size: Largest group that is asked for beside all tasks together; default: as large as keeps the list of
            groups below 5,000.
        weights: Weight of each task in the objective; default: equal.
        seed: Decides among groups that promise as much.

    Raises:
        InputError: names that cannot be tasks, a budget in another unit than SNT, or numbers out of range.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        budget: Budget | float,
        *,
        seeds: int = 3,
        max_size: int | None = None,
        weights: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        check_task_names(tasks, _WHERE)
        if len(tasks) < 2:
            raise InputError("one task has nothing to be grouped with", where=_WHERE, fix="Name two tasks or more")
        self.tasks: tuple[str, ...] = tuple(tasks)
        self.budget = budget if isinstance(budget, Budget) else Budget(snt=float(budget))
        if self.budget.unit != "snt" or self.budget.limit < 1:
            what = f"a budget of {self.budget}: every network of a study costs 1 SNT"
            raise InputError(what, where=f"{_WHERE}.budget", fix="Give the number of networks")
        for name, value in (("seeds", seeds), ("max_size", max_size)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}", where=f"{_WHERE}.{name}", fix="Give 1 or more")
        unknown = sorted(set(weights or {}) - set(tasks))
        if unknown:
            raise InputError(f"there is no task '{unknown[0]}' to weigh", where=f"{_WHERE}.weights")
        self.seeds, self.seed = seeds, seed
        self.weights = {task: float((weights or {}).get(task, 1.0)) for task in tasks}
        self.max_size = min(max_size or len(tasks), self.budget.max_size or len(tasks), _largest(len(tasks)))
        self._told: dict[Asked, dict[str, float]] = {}
        self._failed: dict[Asked, str] = {}
        self._pending: dict[Asked, None] = {}
        self._asked = 0

    @property
    def trainings(self) -> int:
        """Trainings that were told."""
        return len(self._told)

    @property
    def pending(self) -> tuple[Asked, ...]:
        """Trainings that were asked for and not told yet."""
        return tuple(self._pending)

    def ask(self, count: int = 1) -> list[Asked]:
        """Trainings to do next; fewer where no more are worth doing, or further ones wait for what is pending.

        What is pending is not asked for again: ``forget`` what was lost.

        Raises:
            InputError: not a positive number.
        """
        if count < 1:
            raise InputError(f"{count} trainings were asked for", where=_WHERE, fix="Ask for 1 or more")
        found = [asked for asked in self._first() if asked not in self._pending][:count]
        if len(found) < count and not found and not any(asked in self._pending for asked in self._first()):
            found = self._promising(count)
        self._pending.update(dict.fromkeys(found))
        self._asked += len(found)
        return found

    def tell(self, group: Sequence[str], seed: int, losses: Mapping[str, float]) -> None:
        """What a training gave; it need not have been asked for.

        Args:
            group: Task names, in any order.
            seed: Which repetition.
            losses: Of every task of the group on validation rows; lower is better, finite.

        Raises:
            InputError: an unknown or repeated task, a loss that is missing, surplus or no number; a training that was
                told before with other losses. Nothing is changed then.
        """
        asked = self._identified(group, seed)
        surplus = [task for task in losses if task not in asked.group]
        missing = [task for task in asked.group if task not in losses]
        if surplus or missing:
            what = f"has a loss of '{surplus[0]}'" if surplus else f"lacks the loss of '{missing[0]}'"
            raise InputError(f"{_named(asked)} {what}", where=_WHERE, fix="Tell one loss for every task of the group")
        kept: dict[str, float] = {}
        for task in asked.group:
            loss = losses[task]
            if isinstance(loss, bool) or not isinstance(loss, int | float | np.number) or not math.isfinite(loss):
                what = f"{_named(asked)} has the loss {loss!r} of '{task}'"
                raise InputError(what, where=_WHERE, fix="Tell a finite number, or that the training failed")
            kept[task] = float(loss)
        if self._told.get(asked, kept) != kept:
            what = f"{_named(asked)} was told before with other losses"
            raise InputError(what, where=_WHERE, fix="Tell each training once, or with another seed")
        self._told[asked] = kept
        self._failed.pop(asked, None)
        self._pending.pop(asked, None)

    def tell_failed(self, group: Sequence[str], seed: int, reason: str) -> None:
        """A training gave nothing; its group is asked for no more, single tasks with their other seeds.

        Raises:
            InputError: an unknown or repeated task.
        """
        asked = self._identified(group, seed)
        self._failed[asked] = reason
        self._pending.pop(asked, None)

    def forget(self, group: Sequence[str], seed: int) -> None:
        """What was asked for was lost, and may be asked for again.

        Raises:
            InputError: an unknown or repeated task.
        """
        self._pending.pop(self._identified(group, seed), None)

    def table(self) -> LossTable:
        """What was told, as a loss table of the groups that were trained.

        Raises:
            InputError: nothing was told.
        """
        if not self._told:
            raise InputError("nothing was told yet", where=_WHERE, fix="Train what is asked for, and tell the losses")
        measured = self._measured
        return measured.select(np.asarray((measured.replicates_CT > 0).any(axis=1)))

    def recommend(self, budget: Budget | float | None = None) -> Recommendation:
        """The best grouping of what was trained; see ``grouping.recommend``.

        Args:
            budget: Another one than the study's.

        Raises:
            InputError: a task that was not trained alone.
            InfeasibleError: no grouping fits the budget.
        """
        limit = self.budget if budget is None else budget if isinstance(budget, Budget) else Budget(snt=float(budget))
        return recommend(self.table(), limit, weights=self.weights, name="study")

    def save(self, path: str | Path) -> None:
        """Write the study as JSON, in place of an earlier one; a reader sees the old or the new one, never a half."""
        target = Path(path)
        data = {
            "schema": _SCHEMA,
            "tasks": self.tasks,
            "budget": {"snt": self.budget.limit, "max_networks": self.budget.max_networks},
            "seeds": self.seeds,
            "max_size": self.max_size,
            "weights": self.weights,
            "seed": self.seed,
            "asked": self._asked,
            "told": [[a.group, a.seed, losses] for a, losses in self._told.items()],
            "failed": [[a.group, a.seed, reason] for a, reason in self._failed.items()],
            "pending": [[a.group, a.seed] for a in self._pending],
        }
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """The study that ``save`` wrote.

        Raises:
            InputError: no such file, or not a study of this version.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if data["schema"] != _SCHEMA:
                raise InputError(
                    f"a study of version {data['schema']}, this is {_SCHEMA}", where=str(path), fix="Update the package"
                )
            study = cls(
                data["tasks"],
                Budget(**data["budget"]),
                seeds=data["seeds"],
                max_size=data["max_size"],
                weights=data["weights"],
                seed=data["seed"],
            )
            for group, seed, losses in data["told"]:
                study.tell(group, seed, losses)
            for group, seed, reason in data["failed"]:
                study.tell_failed(group, seed, reason)
            study._pending.update({study._identified(group, seed): None for group, seed in data["pending"]})
            study._asked = int(data["asked"])
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path), fix="Check the path") from error
        except (ValueError, KeyError, TypeError) as error:
            what = f"is not a study ({type(error).__name__}: {error})"
            raise InputError(what, where=str(path), fix="Give a file that Study.save wrote") from error
        return study

    def _first(self) -> list[Asked]:
        """Single tasks and all together, seed by seed, that are neither told nor failed."""
        groups = [*((task,) for task in self.tasks), self.tasks]
        wanted = [Asked(group, seed) for seed in range(self.seeds) for group in groups]
        return [asked for asked in wanted if asked not in self._told and asked not in self._failed]

    def _promising(self, count: int) -> list[Asked]:
        """By expected improvement, given what was told; of each group the first seed that is free."""
        from grouping.acquisition import Goals, Situation  # these need SciPy, which whoever only solves need not load
        from grouping.acquisition.expected_improvement import ExpectedImprovement, improvement_C

        if not all(any(asked.group == (task,) for asked in self._told) for task in self.tasks):
            return []  # a task that nobody could train alone: nothing can be relative to it
        measured = self._measured
        relative = measured.scaled(single_task_losses(measured))
        done = {*self._told, *self._pending}
        busy = {asked.group for asked in (*self._failed, *self._pending)}
        next_seed = {
            group: next((seed for seed in range(self.seeds) if Asked(group, seed) not in done), None)
            for group in self._groups
        }
        trainable_C = np.array([len(g) > 1 and g not in busy and next_seed[g] is not None for g in self._groups])
        rules = {
            "weights_T": [self.weights[task] for task in self.tasks],
            "max_networks": self.budget.max_networks,
        }
        goals = Goals(self._candidates, (self.budget.limit,), rules=rules)
        situation = Situation(goals, relative, trainable_C, np.ones(len(trainable_C)))
        if not trainable_C.any():
            return []
        rng, strategy = np.random.default_rng([self.seed, self._asked]), ExpectedImprovement()
        gain_C = improvement_C(situation, strategy.believed(situation))
        best = goals.best(strategy.judged(situation), self.budget.limit, situation.trained_C)
        # What promises a gain, then further seeds of what would be chosen now, then what nobody tried, then the rest.
        ranks = np.where(gain_C > _ROUNDING, 0, np.where(situation.new_C, 2, 3))
        ranks[[] if best is None else best.chosen] = np.minimum(ranks[[] if best is None else best.chosen], 1)
        order = np.lexsort((rng.random(len(ranks)), -gain_C, ranks))
        asked = [(self._groups[c], next_seed[self._groups[c]]) for c in order.tolist() if trainable_C[c]]
        return [Asked(group, seed) for group, seed in asked[:count] if seed is not None]

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        """Every group that may be asked for, and those of single tasks and of all."""
        sizes = range(1, self.max_size + 1)
        groups = dict.fromkeys(group for size in sizes for group in combinations(self.tasks, size))
        return tuple({**groups, self.tasks: None})

    @cached_property
    def _candidates(self) -> Candidates:
        members_CT = np.array([[task in group for task in self.tasks] for group in self._groups])
        return Candidates(self.tasks, members_CT, np.ones(len(members_CT)))

    @property
    def _measured(self) -> LossTable:
        """What was told, over all candidates; a row for every seed that was told."""
        told_seeds = sorted({asked.seed for asked in self._told})
        losses_RCT = np.full((len(told_seeds), *self._candidates.members_CT.shape), np.nan)
        place = {group: c for c, group in enumerate(self._groups)}
        row, column = {s: r for r, s in enumerate(told_seeds)}, {task: t for t, task in enumerate(self.tasks)}
        for asked, losses in self._told.items():
            for task, loss in losses.items():
                losses_RCT[row[asked.seed], place[asked.group], column[task]] = loss
        return LossTable(self._candidates, losses_RCT, tuple(map(str, told_seeds)))

    def _identified(self, group: Sequence[str], seed: int) -> Asked:
        if isinstance(group, str):
            group = group.split(SEPARATOR)
        for index, task in enumerate(group):
            if task not in self.tasks:
                raise InputError(f"no task is called '{task}'", where=_WHERE, fix=nearest_name(task, self.tasks))
            if task in group[:index]:
                raise InputError(f"task '{task}' appears twice in the group", where=_WHERE, fix="Name it once")
        ordered = tuple(task for task in self.tasks if task in group)
        if not ordered or (len(ordered) > self.max_size and ordered != self.tasks):
            what = f"a group of {len(ordered)} tasks; groups of this study have 1 to {self.max_size}, or all"
            raise InputError(what, where=_WHERE, fix="Begin the study with a larger max_size")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise InputError(f"the seed {seed!r}", where=_WHERE, fix="Give 0, 1, 2, ...")
        return Asked(ordered, int(seed))


def _largest(n_tasks: int) -> int:
    """The largest size that keeps the list of groups short."""
    total = 0
    for size in range(1, n_tasks + 1):
        total += math.comb(n_tasks, size)
        if total > _MOST_CANDIDATES:
            return size - 1
    return n_tasks


def _named(asked: Asked) -> str:
    return f"the training of {SEPARATOR.join(asked.group)} with seed {asked.seed}"
