"""What is trained for one configuration: a network of all tasks, with a few seeds in one pack, from reading to reading.

The product's own engines train it, so a loss is what the recommendation would see; nothing here knows of Tune.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grouping.candidates import FloatArray
from search.errors import TrialError
from search.networks.sharing import Sharing
from search.policy.searched_trial import as_found, train_policies
from search.training.experiment import Experiment
from search.training.packs import TrainPack, packed, train_plain
from search.training.settled import Settled, room
from search.trials import Course, Remark, TrainingState, Trial, TrialFailure, TrialResult
from search.tuning.network import SearchedNetwork

__all__ = ["JointTraining"]

_MANY = 8


@dataclass(frozen=True, eq=False)
class JointTraining:
    """Trains the network of a configuration and reads its loss after each share of the training.

    Args:
        experiment: What all trainings have in common.
        train: The run's own way to train packs.
        pack_size: Networks that are trained together at most.
        seeds: Replicates; what is read is the mean over them.
        weights_T: Weights of the tasks' relative losses: they sum to 1, auxiliary tasks weigh nothing.
        reference_T: Loss of each task's own standard network.
        shares: Of the training, ascending; the last is 1.
        few: What trains a few networks whose trunk is no ``mlp``: on a CPU packs of residual networks pay from 8 seeds
            on (``results/benchmarks/tuning.md``); of others that was not measured.
    """

    experiment: Experiment
    train: TrainPack
    pack_size: int
    seeds: tuple[int, ...]
    weights_T: FloatArray
    reference_T: FloatArray
    shares: tuple[float, ...]
    few: TrainPack = train_plain

    def __call__(self, network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
        """Loss, process seconds, the way that was found, and remarks, after each share.

        A training stops where nobody asks on. One that was killed goes on from the states that were written down, and
        gives the readings before once more, to the bit.

        Raises:
            TrialError, InputError: it cannot be trained, with the reason.
        """
        experiment = self._experiment(network)
        tasks = tuple(task.name for task in experiment.dataset.tasks)
        searching, way, remarks = 0.0, network.way, list[Remark]()
        if way.to_search:
            trial = Trial(tasks, network.capacity, self.seeds[0], "policy", sharing=str(way))
            result = _good(Settled(train_policies)(experiment, (Course(trial),))[0])
            way, searching, remarks = _found(way, result), result.seconds, [*result.remarks]
        trials = [Trial(tasks, network.capacity, seed, sharing=str(way)) for seed in self.seeds]
        states: dict[int, TrainingState | None] = dict.fromkeys(self.seeds)
        spent = dict.fromkeys(self.seeds, 0.0)
        for share in self.shares:
            courses = [Course(replace(t, fraction=share), states[t.seed], keep_state=share < 1) for t in trials]
            results = self._results(experiment, courses, self._engine(network))
            for course, result in zip(courses, results, strict=True):
                seed = course.trial.seed
                spent[seed] = result.seconds + (0.0 if course.start is None else spent[seed])
                states[seed] = result.state
                remarks += result.remarks
            loss = float(np.mean([self._relative(result) for result in results]))
            seconds = searching + sum(spent.values())
            yield {"loss": loss, "seconds": seconds, "found": str(way), "remarks": tuple(remarks)}
            remarks = []

    def forget(self, network: SearchedNetwork) -> None:
        """Remove what was written down of a network whose training has ended."""
        files = self._experiment(network).state_files
        if files is not None:
            files.clear()

    def _experiment(self, network: SearchedNetwork) -> Experiment:
        """The experiment with a folder of the network's own for states."""
        files = self.experiment.state_files
        if files is None:
            return self.experiment
        name = hashlib.sha256(f"{network.way} {network.capacity!r}".encode()).hexdigest()[:32]
        return replace(self.experiment, state_files=files.within(name))

    def _engine(self, network: SearchedNetwork) -> TrainPack:
        """By the spec and the settings alone, so that a loss depends on nothing else."""
        trunk = network.way.settings.trunk or self.experiment.network.trunk
        return self.train if trunk == "mlp" or len(self.seeds) >= _MANY else self.few

    def _results(self, experiment: Experiment, courses: list[Course], engine: TrainPack) -> list[TrialResult]:
        train, found = Settled(engine), dict[Trial, TrialResult]()
        for pack in packed(courses, lambda trial: min(self.pack_size, room(experiment, trial)), 1):
            for course, result in zip(pack, train(experiment, pack), strict=True):
                found[course.trial] = _good(result)
        return [found[course.trial] for course in courses]

    def _relative(self, result: TrialResult) -> float:
        """Relative loss of the best state so far: one state serves all tasks."""
        return float((self.weights_T @ (result.curve_TS / self.reference_T[:, None])).min())


def _good(result: TrialResult | TrialFailure) -> TrialResult:
    if isinstance(result, TrialFailure):
        raise TrialError(result.reason)
    return result


def _found(way: Sharing, result: TrialResult) -> Sharing:
    """What a search of a policy came to; one trunk if that is what was found."""
    policy = as_found(result.seen).policy
    return Sharing(settings=way.settings) if policy.is_hard else way.found(policy)
