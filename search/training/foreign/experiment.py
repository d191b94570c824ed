"""What all trainings by a foreign trainer have in common."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from search.training.experiment import Experiment
from search.training.foreign.trainer import Trainer

__all__ = ["ForeignExperiment"]

_NUMBERS = 1
"""Raised whenever what is made of a trainer's losses changes."""
_PATIENCE = 10.0


@dataclass(frozen=True, eq=False)
class ForeignExperiment(Experiment):
    """An experiment whose networks somebody else's code trains.

    Args:
        trainer: That code. The data set names the tasks, and holds rows only where the spec names data beside it.
    """

    trainer: Trainer = field(kw_only=True)

    @property
    def context(self) -> str:
        """64 hexadecimal digits, equal exactly if a trial would give the same result as far as its trainer is known."""
        dataset = self.dataset
        what = {
            "numbers": _NUMBERS,
            "trainer": self.trainer.fingerprint,
            "data": dataset.fingerprint,
            "tasks": [task.name for task in dataset.tasks],
            "epochs": self.training.epochs,
            "confirm_on": self.trainer.confirm_on,
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def patience_seconds(self) -> float:
        """How long a worker is waited for: its guardian ends a training in time, and says so."""
        return super().patience_seconds + _PATIENCE
