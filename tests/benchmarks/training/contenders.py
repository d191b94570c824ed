"""Who is compared: the peers, and our engines. This is the one list of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from search.spec import EngineName
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.training.relaxed import LARGEST_ERROR, relaxed_error
from search.trials import Course, Trial, TrialFailure, TrialResult
from tests.benchmarks.training import peer_loader, peer_resident
from tests.benchmarks.training.job import Group
from tests.benchmarks.training.peer_network import PeerData

__all__ = ["OURS", "PEERS", "Ours", "engines_for"]


@dataclass(frozen=True)
class Ours:
    """One of our engines; ``name`` is what a spec calls it."""

    name: EngineName

    @property
    def pack_size(self) -> int:
        """Networks that are trained together at most."""
        return ENGINES[self.name].pack_size

    def train(self, experiment: Experiment, trials: Sequence[Trial]) -> list[TrialResult]:
        """Train some trials in packs of the engine's size, in this process.

        Raises:
            RuntimeError: one of them failed.
        """
        starts = range(0, len(trials), self.pack_size)
        packs = [trials[start : start + self.pack_size] for start in starts]
        return [result for pack in packs for result in self.train_pack(experiment, pack)]

    def train_pack(self, experiment: Experiment, trials: Sequence[Trial]) -> list[TrialResult]:
        """Train some trials together, however many.

        Raises:
            RuntimeError: one of them failed.
        """
        return _results(ENGINES[self.name].train(experiment, tuple(map(Course, trials))))


def _results(outcomes: Sequence[TrialResult | TrialFailure]) -> list[TrialResult]:
    good = [outcome for outcome in outcomes if isinstance(outcome, TrialResult)]
    if len(good) < len(outcomes):
        raise RuntimeError(next(outcome.reason for outcome in outcomes if isinstance(outcome, TrialFailure)))
    return good


OURS = tuple(Ours(name) for name in ENGINES if name != "fused-relaxed" or relaxed_error() < LARGEST_ERROR)
"""All engines but the one that this machine is not fit for."""


def engines_for(experiment: Experiment) -> list[Ours]:
    """The engines that can train the networks of an experiment, the plain one first."""
    return [engine for engine in OURS if not ENGINES[engine.name].obstacle(experiment)]


PEERS: dict[str, Callable[[PeerData, Group, int, int], float]] = {
    "a. DataLoader": peer_loader.train,
    "b. resident, Adam": peer_resident.train,
    "b'. resident, Adam(fused=True)": partial(peer_resident.train, fused=True),
}
"""(rows, tasks of the network, epochs, seed) -> validation loss after training."""
