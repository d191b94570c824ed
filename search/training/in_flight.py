"""One training in flight: where it takes up, when its state is written down, and what there is to tell of that.

A state belongs to one network's training (data, settings, engine, tasks, seed, ...) and not to the pack that it was
trained in, so packs may be put together anew; how far a training was to go does not matter either, because a shorter
one is the beginning of a longer one.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.candidates import FloatArray
from search.training.experiment import Experiment
from search.training.state_files import StateFiles, Stored
from search.trials import NetworkState, Remark, TrainingState, Trial

__all__ = ["Clock", "InFlight", "curve_so_far", "network_arrays", "network_from", "training_key"]

_PARTS = ("values", "means", "squares", "balancing")


def training_key(experiment: Experiment, trial: Trial) -> str:
    """Identity of a training, however far it goes; 32 hexadecimal digits."""
    return replace(trial, fraction=1.0).key(experiment.context)


class Clock:
    """Says when states are due; what is trained side by side has one clock, so that it stays in step.

    Args:
        minutes: From one time to the next; None: never.
    """

    def __init__(self, minutes: float | None) -> None:
        self._seconds = None if minutes is None else 60 * minutes
        self._since = time.monotonic()

    @staticmethod
    def of(experiment: Experiment) -> Clock:
        """As often as the experiment's states are written."""
        return Clock(None if experiment.state_files is None else experiment.state_files.minutes)

    def strikes(self) -> bool:
        """Whether the time has come; it begins anew then."""
        now = time.monotonic()
        if self._seconds is None or now - self._since < self._seconds:
            return False
        self._since = now
        return True


class InFlight:
    """Where one training takes up and writes down its state.

    Args:
        experiment: What all trials have in common; without ``state_files`` nothing is read or written.
        trial: What is trained, without settings of its own. Those of phase ``probe`` are thrown away and leave nothing.
    """

    def __init__(self, experiment: Experiment, trial: Trial) -> None:
        self._files: StateFiles | None = None if trial.phase == "probe" else experiment.state_files
        self._key = "" if self._files is None else training_key(experiment, trial)
        self._trial = trial
        self._remarks: list[Remark] = []

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What there is to tell."""
        return tuple(self._remarks)

    def start(self, given: TrainingState | None, readings: int) -> TrainingState | None:
        """Where the training begins: at the state that was written down last, or at the given one if it is later.

        Args:
            given: Where an earlier part of it stopped; None to begin.
            readings: How many the training has in all, for what is told.
        """
        stored = self.stored()
        state = None if stored is None else _state(stored, self._trial)
        if state is None or (given is not None and given.readings >= state.readings):
            return given
        self.note(f"went on after {min(state.readings, readings)} of {readings} readings")
        return state

    def stored(self) -> Stored | None:
        """The state that was written down last, damaged ones left out and told."""
        if self._files is None:
            return None
        found, wrong = self._files.newest(self._key)
        instead = "training begins anew" if found is None else "the one before it is used"
        self._remarks += [Remark("warning", f"checkpoint {text}; {instead}") for text in wrong]
        return found

    def note(self, text: str) -> None:
        """Something that happened to this training."""
        trial = self._trial
        self._remarks.append(Remark("note", f"{trial.network}, {trial.phase} with seed {trial.seed}: {text}"))

    def write(self, state: TrainingState) -> None:
        """Write the state down. Nothing that goes wrong with that stops a training."""
        self.store(state.networks[0].step, lambda: _stored(state))

    def store(self, step: int, make: Callable[[], Stored]) -> None:
        """The same for a state of any kind, ``step`` steps after the beginning."""
        files = self._files
        if files is None:
            return
        if not files.visible:
            self._warn(f"{socket.gethostname()} does not see {files.folder}, so no checkpoint is written there")
            return
        try:
            files.write(self._key, step, make())
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._warn(f"no checkpoint can be written to {files.folder} ({reason})")

    def _warn(self, text: str) -> None:
        remark = Remark("warning", f"{text}; a training whose worker dies begins anew")
        if remark not in self._remarks:
            self._remarks.append(remark)


def curve_so_far(start: TrainingState | None, n_tasks: int, readings: int, *, test: bool = False) -> FloatArray:
    """Losses [T, S] as far as they were read before; the others are NaN.

    Args:
        start: Where the training begins; None at its beginning.
        n_tasks: T.
        readings: S.
        test: Those of the test part.
    """
    curve_TS = np.full((n_tasks, readings), np.nan)
    before_TS = None if start is None else start.test_curve_TS if test else start.curve_TS
    if before_TS is not None:
        known_TS = before_TS[:, :readings]
        curve_TS[:, : known_TS.shape[1]] = known_TS
    return curve_TS


def _stored(state: TrainingState) -> Stored:
    arrays: dict[str, NDArray[Any]] = {"curve_TS": state.curve_TS, "loss_limits": np.array(state.loss_limits)}
    if state.test_curve_TS is not None:
        arrays["test_curve_TS"] = state.test_curve_TS
    for copy, network in enumerate(state.networks):
        arrays |= network_arrays(network, f"{copy}.")
    for copy, values in enumerate(state.kept_values):
        arrays |= {f"{copy}.kept.{name}": value for name, value in values.items()}
    header = {"kept": state.kept, "fraction": state.trial.fraction, "seconds": state.seconds}
    return Stored({**header, "step": state.networks[0].step, "copies": len(state.networks)}, arrays)


def _state(stored: Stored, trial: Trial) -> TrainingState:
    header, arrays = stored.header, stored.arrays
    copies = range(header["copies"])
    kept = tuple(_named(arrays, f"{copy}.kept.") for copy in copies) if header["kept"] >= 0 else ()
    return TrainingState(
        replace(trial, fraction=header["fraction"]),
        arrays["curve_TS"],
        tuple(network_from(arrays, f"{copy}.", header["step"]) for copy in copies),
        tuple(arrays["loss_limits"].tolist()),
        arrays.get("test_curve_TS"),
        header["kept"],
        kept,
        header["seconds"],
    )


def network_arrays(state: NetworkState, prefix: str) -> dict[str, NDArray[Any]]:
    """Everything of a network's state but its step, as arrays whose names begin alike."""
    arrays = {f"{prefix}{part}.{name}": value for part in _PARTS for name, value in getattr(state, part).items()}
    arrays |= {f"{prefix}streams.{place}": _as_array(stream) for place, stream in enumerate(state.streams)}
    return arrays | {f"{prefix}noise": _as_array(state.noise)}


def network_from(arrays: Mapping[str, NDArray[Any]], prefix: str, step: int) -> NetworkState:
    """The inverse of ``network_arrays``."""
    values, means, squares, balancing = (_named(arrays, f"{prefix}{part}.") for part in _PARTS)
    streams = tuple(stream.tobytes() for stream in _named(arrays, f"{prefix}streams.").values())
    return NetworkState(step, values, means, squares, streams, arrays[f"{prefix}noise"].tobytes(), balancing)


def _named(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _as_array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)
