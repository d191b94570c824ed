"""Networks with settings of their own: trained as if the spec said so, under the name that their trial has.

Every engine trains what a spec says. A trial whose way to share stands before ``with`` differs from it; here the
difference goes into the experiment, and comes off the trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from search.networks.sharing import Sharing
from search.spec import settled
from search.spec.settled import own_shape
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.training.in_flight import training_key
from search.training.packs import Pack, TrainPack, train_plain
from search.training.stack_memory import pack_room
from search.trials import Course, TrainingState, Trial, TrialFailure, TrialResult

__all__ = ["Settled", "room", "settled_experiment", "settled_key", "settled_trial"]


@dataclass(frozen=True)
class Settled:
    """What trains packs, for networks with settings of their own too.

    An engine that cannot train the settled networks leaves them to the plain one; which one that is follows from the
    settings alone, so a result never depends on chance.

    Args:
        train: What trains networks as the spec has them.
    """

    train: TrainPack

    def __call__(self, experiment: Experiment, pack: Pack) -> Sequence[TrialResult | TrialFailure]:
        way = Sharing.parse(pack[0].trial.sharing) if pack else Sharing()
        if not way.settings:
            return self.train(experiment, pack)
        own = settled_experiment(experiment, way)
        engine = next((engine for engine in ENGINES.values() if engine.train is self.train), None)
        train = train_plain if engine is not None and engine.obstacle(own) else self.train
        bare = tuple(
            Course(settled_trial(experiment, course.trial), _renamed(experiment, course.start), course.keep_state)
            for course in pack
        )
        return [
            _as_asked(result, course.trial) if isinstance(result, TrialResult) else result
            for result, course in zip(train(own, bare), pack, strict=True)
        ]


def settled_experiment(experiment: Experiment, way: Sharing) -> Experiment:
    """The experiment with a way's settings in its spec's place.

    Raises:
        InputError: settings that the spec's sections do not take.
    """
    if not way.settings:
        return experiment
    network, training = settled(way.settings, experiment.network, experiment.training)
    return replace(experiment, network=network, training=training)


def settled_trial(experiment: Experiment, trial: Trial) -> Trial:
    """The trial as the settled experiment names it: without settings, its capacity in units of the settled trunk.

    Raises:
        InputError: as ``settled_experiment``.
    """
    way = Sharing.parse(trial.sharing)
    if not way.settings:
        return trial
    _, size = own_shape(way.settings, experiment.network, experiment.dataset.train.inputs_NF.shape[1])
    return replace(trial, sharing=str(way.bare), capacity=trial.capacity / size)


def settled_key(experiment: Experiment, trial: Trial) -> str:
    """Whose the states are that are written down of a trial (``training_key``), settings and all."""
    way = Sharing.parse(trial.sharing)
    return training_key(settled_experiment(experiment, way), settled_trial(experiment, trial))


def room(experiment: Experiment, trial: Trial) -> int:
    """Most networks like a trial's that may be trained in one pack (``pack_room``), settings and all."""
    return pack_room(settled_experiment(experiment, Sharing.parse(trial.sharing)), settled_trial(experiment, trial))


def _renamed(experiment: Experiment, start: TrainingState | None) -> TrainingState | None:
    return None if start is None else replace(start, trial=settled_trial(experiment, start.trial))


def _as_asked(result: TrialResult, trial: Trial) -> TrialResult:
    return result if result.state is None else replace(result, state=replace(result.state, trial=trial))
