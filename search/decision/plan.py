"""What a spec amounts to before anything is trained: candidates with their costs, trainings, and what they add up to.

Needs neither torch nor Ray. Costs are counted for one input row: FLOPs and parameters by closed form, SNT nominally.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np

from grouping.candidates import BoolArray, Candidates, FloatArray, IntArray
from grouping.errors import InputError
from grouping.estimators.one_run import ONE_RUN
from grouping.tasks import Task
from search.decision.costs import Costs
from search.decision.declared_costs import DeclaredCosts
from search.networks.sharing import HARD, Sharing
from search.spec import Spec
from search.trials import Identity, Phase, Trial

__all__ = ["ROUNDS", "STANDARD", "Plan"]

STANDARD = 1.0
"""Capacity of the standard network, in standard network times."""

ROUNDS = 8
"""How often a choice that rests on estimates is trained and made again; after that, measured networks are chosen."""

_RATES = (1.0, 0.5, 2.0, 0.25, 4.0, 0.125, 8.0)
_UNLIMITED = 10**9
_SMALLEST_ROUND = 4


@dataclass(frozen=True, eq=False)
class Plan:
    """The candidates a recommendation chooses from, and what is trained to find out.

    Args:
        spec: The resolved spec.
        tasks: The task set; ``T`` of them.
        candidates: Every network considered; its ``cost`` is the nominal capacity in SNT; ``C`` of them.
        charged_C: What serving each costs in the budget's unit.
        trained_C: Candidates that the search trains before anything is estimated.
        choosable_C: Candidates that may be served; the others are single-task references outside budget or capacities.
        largest_group: Size of the largest group considered.
        costs: What serving any network costs.
        proposed: Groups that linear models propose, as task names; the search trains them too.
        seen: What a one-run estimator saw, by seed; empty until it has looked.
        left_out: Sentences about ways to share that were asked for and are not among the candidates.
        searches: Policies that are searched before anything is trained; what they find becomes candidates.
        searched: What searches, of policies and over settings, cost in trainings once they are done.
    """

    spec: Spec
    tasks: tuple[Task, ...]
    candidates: Candidates
    charged_C: FloatArray
    trained_C: BoolArray
    choosable_C: BoolArray
    largest_group: int
    costs: Costs | DeclaredCosts
    proposed: tuple[tuple[str, ...], ...] = ()
    seen: Mapping[str, FloatArray] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    searches: tuple[Identity, ...] = ()
    searched: int = 0

    @property
    def capacity_C(self) -> FloatArray:
        """Nominal capacity of each candidate in SNT."""
        return self.candidates.cost_C

    @cached_property
    def sharing_C(self) -> tuple[str, ...]:
        """What the tasks of each candidate share."""
        return tuple(label or HARD for label in self.candidates.label_C)

    @cached_property
    def hard_C(self) -> BoolArray:
        """Candidates that share one trunk: the others are compared with them, group by group."""
        return np.array([sharing == HARD for sharing in self.sharing_C])

    @cached_property
    def plain_C(self) -> BoolArray:
        """Candidates that share one trunk of the plain capacity."""
        return np.asarray(self.hard_C & (self.capacity_C == self.plain_capacity))

    @property
    def main(self) -> tuple[int, ...]:
        """Indices of the tasks that are served."""
        return tuple(t for t, task in enumerate(self.tasks) if task.role == "main")

    @property
    def auxiliary(self) -> tuple[int, ...]:
        """Indices of the tasks that are trained for the others' sake only."""
        return tuple(t for t, task in enumerate(self.tasks) if task.role == "auxiliary")

    @property
    def weights_T(self) -> FloatArray:
        """Weights of the objective, [T]: they sum to 1 over the served tasks, auxiliary tasks weigh nothing."""
        weights_T = np.array([task.weight if task.role == "main" else 0.0 for task in self.tasks])
        return np.asarray(weights_T / weights_T.sum())

    @property
    def rules(self) -> dict[str, Any]:
        """What ``solve`` is told beside losses, costs and the budget.

        Weights sum to 1 over the served tasks; what auxiliary tasks would weigh does not matter.
        """
        return {
            "weights_T": [float(weight) or 1.0 for weight in self.weights_T],
            "max_networks": self.spec.budget.max_networks,
            "auxiliary": self.auxiliary,
        }

    @property
    def search_seeds(self) -> tuple[int, ...]:
        first = self.spec.training.seed
        return tuple(range(first, first + self.spec.training.seeds))

    @property
    def fresh_seeds(self) -> tuple[int, ...]:
        """Seeds of the confirmation: disjoint from every search seed."""
        first = self.spec.training.seed + 10_000 + self.spec.training.seeds
        return tuple(range(first, first + self.spec.evidence.seeds))

    @property
    def tuned_rates(self) -> tuple[float, ...]:
        """Multiples of the learning rate that every way to share is tried with; none where one is enough."""
        tried = self.spec.tuning.learning_rates
        return _RATES[:tried] if tried > 1 and len(self.tasks) > 1 else ()

    @property
    def tuning_seeds(self) -> tuple[int, ...]:
        """As many seeds as the search has, used for nothing else."""
        first = self.spec.training.seed + 20_000
        return tuple(range(first, first + self.spec.training.seeds))

    def tuning_trials(self) -> tuple[Trial, ...]:
        """Trainings with every rate, and a search for each way whose policy is searched."""
        everything = tuple(task.name for task in self.tasks)
        found: list[Trial] = []
        for way in map(Sharing.parse, self.spec.architectures if self.tuned_rates else ()):
            if way.to_search:
                found.append(Trial(everything, self.plain_capacity, self.tuning_seeds[0], "policy", sharing=str(way)))
            found += [Trial(everything, self.plain_capacity, s) for _ in self.tuned_rates for s in self.tuning_seeds]
        return tuple(found)

    @cached_property
    def plain_way(self) -> str:
        """How the groupings that a choice is compared with are trained: as the spec says, or with the best settings
        that a search over settings found, so that a choice does not win by better settings alone.
        """
        if self.spec.search is None or len(self.spec.architectures) == 1:
            return HARD
        settings = replace(Sharing.parse(self.spec.architectures[1]).settings, capacity=None)
        way, everything = Sharing(settings=settings), [task.name for task in self.tasks]
        try:
            for capacity in (STANDARD, self.plain_capacity):
                self.costs.of(everything, capacity, way)
        except InputError:  # no whole widths of that trunk come near: then its training alone
            of_training = replace(settings, trunk=None, widths=None, norm=None, dropout=None)
            return str(Sharing(settings=of_training))
        return str(way)

    @property
    def plain_capacity(self) -> float:
        """Capacity of the networks in random and other baseline groupings: standard where the spec allows it.

        Where the budget holds a single network of that size, the largest asked one of which it holds several.
        """
        asked = sorted(self.spec.network.capacities, key=lambda capacity: (capacity != STANDARD, -capacity))
        standard = STANDARD if STANDARD in asked else min(asked)
        return next((capacity for capacity in asked if self._held(capacity) > 1), standard)

    @property
    def networks(self) -> int:
        """How many networks of that capacity the budget holds: the number that random groupings get."""
        held, limit = self._held(self.plain_capacity), self.spec.budget.max_networks
        return max(1, min(held, len(self.main), limit if limit is not None else held))

    @property
    def shared_C(self) -> BoolArray:
        """Candidates of two or more tasks with one trunk that the search trains: halving compares them."""
        return np.asarray(self.trained_C & self.hard_C & (self.candidates.size_C >= 2))

    @property
    def explored_C(self) -> BoolArray:
        """Candidates that an adaptive search may train: groups of the plain capacity that may be served."""
        groups_C = (self.candidates.size_C >= 2) & self.plain_C & self.choosable_C
        return np.asarray(groups_C & ~self.trained_C & (self.spec.affinity.estimator == "adaptive"))

    @property
    def round_size(self) -> int:
        """Trainings that an adaptive search decides on together: enough for the workers that the spec names."""
        return max(_SMALLEST_ROUND, len(self.tasks) // 3, self.spec.cluster.workers or 0)

    @property
    def adaptive_trainings(self) -> int:
        """Trainings of an adaptive search on one split, once the final choice has what it needs to have every seed."""
        seeds, most = self.spec.training.seeds, int(self.explored_C.sum()) * self.spec.training.seeds
        return max(0, min(self.spare - self.networks * (seeds - 1), most))

    @property
    def halved_C(self) -> BoolArray:
        """Candidates that halving may drop.

        Never what serves every task alone, nor the user's own grouping: both are there to be compared with.
        """
        if self.spec.candidates.halving is None:
            return np.zeros(len(self.candidates), dtype=bool)
        members_CT = self.candidates.members_CT
        halved_C = self.shared_C & ~members_CT[:, list(self.main)].all(axis=1)
        for group in self.spec.evidence.grouping or ():
            halved_C &= (members_CT != np.isin(self.candidates.tasks, group)).any(axis=1)
        return np.asarray(halved_C)

    @property
    def single_T(self) -> IntArray:
        """The candidate that is each task's own standard network, [T]."""
        found = [self.index([task.name], STANDARD) for task in self.tasks]
        return np.array([c for c in found if c is not None], np.int64)

    def _held(self, capacity: float) -> int:
        """How many networks of a capacity the budget holds while each served task has one head in one of them."""
        limit, at_C = self.spec.budget.inference, self.hard_C & (self.capacity_C == capacity)
        if not at_C.any():
            return 0
        charged, sizes = self.charged_C[at_C], self.candidates.size_C[at_C]
        small, large = int(sizes.argmin()), int(sizes.argmax())
        if sizes[small] == sizes[large]:
            return int(limit / charged[small] + 1e-9)
        head = (charged[large] - charged[small]) / (sizes[large] - sizes[small])
        trunk = charged[small] - sizes[small] * head
        return int((limit - len(self.main) * head) / trunk + 1e-9)

    def cheapest(self, capacity: float) -> float:
        charged_C = self.charged_C[self.hard_C & (self.capacity_C == capacity)]
        return float(charged_C.min()) if len(charged_C) else float(self.charged_C.min())

    def group(self, candidate: int) -> tuple[str, ...]:
        """Task names of a candidate."""
        return tuple(self.tasks[t].name for t in np.flatnonzero(self.candidates.members_CT[candidate]))

    def key(self, candidate: int) -> Identity:
        """What tells a candidate from the others, as its trials have it."""
        return self.group(candidate), float(self.capacity_C[candidate]), self.sharing_C[candidate]

    @property
    def rungs(self) -> tuple[float, ...]:
        """Shares of training at which halving compares: those of the spec, each moved on to the next reading."""
        halving, training = self.spec.candidates.halving, self.spec.training
        readings = training.epochs * training.readings_per_epoch
        return () if halving is None else tuple(ceil(share * readings - 1e-9) / readings for share in halving.rungs)

    @cached_property
    def _places(self) -> dict[tuple[bytes, float, str], int]:
        """Every candidate by its members, capacity and sharing."""
        rows = zip(self.candidates.members_CT, self.capacity_C.tolist(), self.sharing_C, strict=True)
        return {(members_T.tobytes(), *kind): c for c, (members_T, *kind) in enumerate(rows)}

    def index(self, group: Iterable[str], capacity: float, sharing: str = HARD) -> int | None:
        """The candidate with these tasks at this capacity, or None."""
        wanted = set(group)
        members_T = np.array([task.name in wanted for task in self.tasks])
        return self._places.get((members_T.tobytes(), capacity, sharing))

    def trials(self, which: Iterable[int], split: int = 0, fraction: float = 1.0) -> tuple[Trial, ...]:
        """Search trials of some candidates, one per search seed."""
        return tuple(
            Trial(
                self.group(c),
                float(self.capacity_C[c]),
                seed,
                fraction=fraction,
                split=split,
                sharing=self.sharing_C[c],
            )
            for c in which
            for seed in self.search_seeds
        )

    def search_trials(self, split: int = 0) -> tuple[Trial, ...]:
        """What is trained before anything is estimated."""
        trained = [int(c) for c in np.flatnonzero(self.trained_C)]
        if self.spec.affinity.estimator != "early-stopping":
            return self.trials(trained, split)
        # The references are trained to the end; their early losses are read off the same curves.
        singles = [c for c in trained if self.candidates.size_C[c] == 1 and self.capacity_C[c] == STANDARD]
        if self.spec.trainer is not None:  # whether curves come back is not known, so early losses are trained for
            return self.trials(trained, split, self.spec.affinity.fraction) + self.trials(singles, split)
        others = [c for c in trained if c not in set(singles)]
        return self.trials(others, split, self.spec.affinity.fraction) + self.trials(singles, split)

    def joint_trials(self, split: int = 0) -> tuple[Trial, ...]:
        """Trainings of all tasks that a one-run estimator looks at: one a seed; none for other estimators."""
        if self.spec.affinity.estimator not in ONE_RUN:
            return ()
        phase: Phase = "linearise" if self.spec.affinity.estimator == "linearised" else "gradients"
        everything = tuple(task.name for task in self.tasks)
        return tuple(Trial(everything, self.plain_capacity, s, phase, split=split) for s in self.search_seeds)

    def policy_trials(self, split: int = 0) -> tuple[Trial, ...]:
        """Searches of policies, each with the first search seed."""
        seed = self.spec.training.seed
        return tuple(Trial(g, capacity, seed, "policy", split=split, sharing=way) for g, capacity, way in self.searches)

    def retrained_trials(self, split: int = 0) -> tuple[Trial, ...]:
        """Trainings of what the searches will find, on every search seed, as far as they can be known."""
        return tuple(
            Trial(g, capacity, seed, split=split, sharing=way)
            for g, capacity, way in self.searches
            for seed in self.search_seeds
        )

    @property
    def typical_group(self) -> Trial:
        """A network of the size that a grouping within the budget has on average."""
        size = max(1, round(len(self.tasks) / self.networks))
        return Trial(tuple(task.name for task in self.tasks[:size]), self.plain_capacity, self.spec.training.seed)

    @property
    def spare(self) -> int:
        """Trainings that ``budget.training`` leaves one split for audits and checks once the search is paid for."""
        allowed = self.spec.budget.training
        if allowed is None or allowed.trainings is None:
            return _UNLIMITED
        return allowed.trainings // self.spec.evidence.splits - self.needed

    @property
    def needed(self) -> int:
        """Trainings of the search on one split before anything is audited or checked.

        The search of a policy counts as the trainings that it takes as long as. Configurations of a search over
        settings count in full, stopped early or not.
        """
        searched = self.searched or self.configuration_trainings + self.kept_trainings
        searched += sum(ceil(trial.effort) for trial in self.policy_trials())
        searched += sum(ceil(trial.effort) for trial in self.tuning_trials())
        return len(self.search_trials()) + len(self.retrained_trials()) + len(self.joint_trials()) + searched

    @property
    def configuration_trainings(self) -> int:
        """Trainings of the configurations of a search over settings."""
        search = self.spec.search
        return 0 if search is None else search.configurations * search.seeds

    @property
    def kept_trainings(self) -> int:
        """Trainings of what a search over settings will keep, in every group, before it is among the candidates."""
        search = self.spec.search
        if search is None:
            return 0
        groups = {self.group(int(c)) for c in np.flatnonzero(self.trained_C)}
        return search.keep * max(1, len(search.brackets)) * len(groups) * self.spec.training.seeds

    @property
    def audit_groups(self) -> int:
        """Random groups that the estimates are audited on: what the spec asks for, and half of the spare at most."""
        guessed = self.guessed_C & ~self.halved_C & (self.candidates.size_C >= 3)
        return min(self.spec.affinity.audit, int(guessed.sum()), self._affordable)

    @property
    def audit_dropped(self) -> int:
        """Dropped groups, at random, that are trained to the end all the same, to tell what halving costs: as many."""
        return min(self.spec.affinity.audit, int(self.halved_C.sum()), self._affordable - self.audit_groups)

    @property
    def _affordable(self) -> int:
        """Groups that half of the spare pays for."""
        return self.spare // 2 // self.spec.training.seeds

    @property
    def guessed_C(self) -> BoolArray:
        """Candidates that are chosen on an estimate unless they are trained later."""
        if self.spec.affinity.estimator == "adaptive":
            return np.zeros(len(self.candidates), dtype=bool)
        if self.spec.affinity.estimator == "early-stopping":
            return self.choosable_C
        return self.choosable_C & (~self.trained_C | self.halved_C)

    def random_groups(self) -> int:
        """Groups of two or more tasks that the search trains (the all-in-one is free): random search gets as many.

        A fraction of a training counts as such; groups that choices make the search train later come on top.
        """
        shared_C = self.trained_C & (self.candidates.size_C >= 2) & (self.candidates.size_C < len(self.tasks))
        groups = {self.candidates.members_CT[c].tobytes() for c in np.flatnonzero(shared_C)}
        everything: int = 2 ** min(len(self.tasks), 30) - len(self.tasks) - 2
        early = self.spec.affinity.estimator == "early-stopping"
        whole = len(groups) * (self.spec.affinity.fraction if early else 1.0)
        whole += self.adaptive_trainings / self.spec.training.seeds
        return max(0, min(int(whole + 1e-9) + self.audit_groups, everything))
