"""The way a run trains: whose trainer, with which engine, how many networks in a pack, and how fast. Decided once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from search.decision.engine_choice import EngineChoice, choose_engine, with_engine
from search.decision.foreign_probe import foreign_speed
from search.decision.plan import Plan
from search.decision.probe import Speed, measure_speed
from search.execution.executor import Executor
from search.store.records import TrialRecord
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.training.foreign.experiment import ForeignExperiment
from search.training.foreign.train import train_foreign
from search.training.packs import TrainPack

__all__ = ["Way", "way_to_train"]


@dataclass(frozen=True)
class Way:
    """How the networks of a run are trained.

    Args:
        choice: The engine and why; ``plain`` where the code is not ours.
        train: Trains a pack.
        networks: Most networks in one.
    """

    choice: EngineChoice
    train: TrainPack
    networks: int

    def settled(self, experiment: Experiment) -> Experiment:
        """The experiment with the engine in its settings."""
        if experiment.training.engine == self.choice.engine:
            return experiment
        return with_engine(experiment, self.choice.engine)

    def speed(self, experiment: Experiment, executor: Executor, known: Iterable[TrialRecord] = ()) -> Speed:
        """How fast that is on these workers.

        Args:
            experiment: What all trainings have in common; ``settled``.
            executor: The workers.
            known: What the run trained so far.

        Raises:
            TrialError: no training worked.
        """
        if isinstance(experiment, ForeignExperiment) and self.train is train_foreign:
            return foreign_speed(experiment, executor, known)
        return measure_speed(experiment, executor, self.train, experiment.network.capacities, self.networks)


def way_to_train(plan: Plan, experiment: Experiment, executor: Executor, train: TrainPack | None = None) -> Way:
    """The trainer of the caller, that of the spec, or ours with the engine that suits.

    Raises:
        SpecError: the engine that the spec names cannot train these networks.
        TrialError: not even the plain engine trains any of them.
    """
    if train is not None:
        return Way(EngineChoice("plain", "trained by the caller's own function"), train, 1)
    if isinstance(experiment, ForeignExperiment):
        return Way(EngineChoice("plain", f"trained by {experiment.trainer.name}"), train_foreign, 1)
    choice = choose_engine(plan, experiment, executor)
    engine = ENGINES[choice.engine]
    return Way(choice, engine.train, engine.networks(plan.spec.cluster.gpu_share))
