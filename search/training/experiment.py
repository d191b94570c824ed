"""What all trials of a run have in common: the data, the standard network, the way of training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from grouping.errors import InputError
from search.data.dataset import Dataset
from search.networks.foreign import version
from search.networks.shape import BUILT_IN
from search.spec import NetworkSpec, TrainingSpec
from search.training.state_files import StateFiles
from search.training.weighting import WEIGHTINGS

__all__ = ["Experiment"]

_NUMBERS = 1
"""Raised whenever a trainer's numbers change, so that stored trials of older code are never taken for new ones."""

_ALWAYS = {
    "trunk",
    "widths",
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "weighting",
    "engine",
    "readings_per_epoch",
}
_NEVER = {"capacities", "seeds", "seed", "timeout_seconds", "checkpoint_minutes"}


@dataclass(frozen=True, eq=False)
class Experiment:
    """Everything a trial's result depends on, beside the trial itself.

    Args:
        dataset: The rows, split and scaled.
        network: The trunk at 1 SNT.
        training: How every network is trained.
        starts: Weights that networks go on from, as checkpoints, by what their way to share calls them.
        state_files: Where trainings write down how far they are; None: nowhere. No result depends on it.

    Raises:
        InputError: a batch of a single row, which batch normalisation of an MLP cannot normalise.
    """

    dataset: Dataset
    network: NetworkSpec
    training: TrainingSpec
    starts: Mapping[str, bytes] = field(default_factory=dict)
    state_files: StateFiles | None = None

    def __post_init__(self) -> None:
        rows, size = len(self.dataset.train.inputs_NF), self.training.batch_size
        if self.network.norm == "batch" and self.network.trunk in {"mlp", "resmlp"} and _last_batch(rows, size) == 1:
            larger = (other for other in range(size + 1, size + rows + 3) if _last_batch(rows, other) != 1)
            better = next(larger, None)
            raise InputError(
                f"batches of {size} of {rows} rows end in a batch of a single row, which has no spread to normalise by",
                where="training.batch_size",
                fix=f"Use {better}, for example, or network.norm: none" if better else "Use network.norm: none",
            )

    @property
    def context(self) -> str:
        """64 hexadecimal digits, equal exactly if a trial would give the same result.

        What only says *which* trials are run (capacities, seeds) or how long one may take is left out, so asking for
        more seeds trains only the new ones; so are the weights to go on from, which a trial names by their digest.
        """
        what = {
            "numbers": _NUMBERS,
            "data": self.dataset.fingerprint,
            "tasks": [[task.name, task.type, task.metric] for task in self.dataset.tasks],
            "outputs": self.dataset.classes_T,
            **_settings(self.network),
            **({"code": version(self.network.trunk)} if self.network.trunk not in BUILT_IN else {}),
            "training": _settings(self.training),
            **({"weights": self.task_weights} if self.training.weighting != "equal" else {}),
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def patience_seconds(self) -> float:
        """How long a worker is waited for, for each network of its pack."""
        return self.training.timeout_seconds

    @property
    def task_weights(self) -> tuple[float, ...]:
        """What each task's loss is multiplied by in training."""
        return tuple(map(WEIGHTINGS[self.training.weighting], self.dataset.tasks))


def _last_batch(rows: int, size: int) -> int:
    """Rows of the last batch of an epoch."""
    return rows % size or min(rows, size)


def _settings(section: BaseModel) -> dict[str, Any]:
    """What decides a result. Options that came later count only where they are used: older trials keep their keys."""
    fields = type(section).model_fields.items()
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields}
    return {
        name: value
        for name, value in section.model_dump(mode="json").items()
        if name not in _NEVER and (name in _ALWAYS or getattr(section, name) != defaults[name])
    }
