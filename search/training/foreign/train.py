"""One training by a foreign trainer, from what it is told to a result that is as good as one of ours.

Axes: ``T`` tasks of the network, ``S`` epochs read, ``G`` clusters of test rows.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from grouping.candidates import FloatArray
from search.errors import TrialError
from search.execution.executor import this_worker
from search.training.experiment import Experiment
from search.training.foreign.experiment import ForeignExperiment
from search.training.foreign.guarded import Ended, run_guarded
from search.training.foreign.reported import Reported, read_report
from search.training.packs import Pack
from search.trials import TestScores, Trial, TrialFailure, TrialResult

__all__ = ["PEAK", "train_foreign"]

PEAK = "peak_mb"
"""What a ``probe`` trial is looked at for beside its time: the most memory of a process, in MiB."""

_SUFFIXES = ("", ".json", ".csv")


def train_foreign(experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
    """Every trial of a pack in processes of its own, from its beginning."""
    assert isinstance(experiment, ForeignExperiment)
    return [_trained(experiment, course.trial) for course in pack]


def _trained(experiment: ForeignExperiment, trial: Trial) -> TrialResult | TrialFailure:
    trainer, seconds = experiment.trainer, experiment.training.timeout_seconds
    with ExitStack() as around:
        passing = tempfile.TemporaryDirectory(prefix="tg-training-", ignore_cleanup_errors=True)
        folder, tail = Path(around.enter_context(passing)), ""
        try:
            own = _own_folder(experiment, trial, folder / "folder")
            around.callback(shutil.rmtree, own, ignore_errors=True)
            words = trainer.command(_told(experiment, trial, own), folder / "out", folder / "told.json")
            place = Path(trainer.base) if trainer.base else own
            ended = run_guarded(words, place, folder / "log", seconds)
            tail = ended.tail
            if ended.timed_out:
                return TrialFailure(f"timed out after {seconds:g} s", tail)
            reported = _reported(folder, trial.tasks, ended)
            return _result(experiment, trial, reported, ended)
        except TrialError as error:
            return TrialFailure(str(error), tail)
        except OSError as error:
            return TrialFailure(f"its folder cannot be used ({error.strerror or error})", tail)


def _own_folder(experiment: ForeignExperiment, trial: Trial, otherwise: Path) -> Path:
    """The folder that a training has for itself: the same, with what lies in it, whenever it is attempted.

    It goes when the training has ended by itself, well or not; only a worker that is killed leaves it.
    """
    files = experiment.state_files
    lasting = files is not None and files.visible and trial.phase != "probe"
    own = files.folder / f"folder-{trial.key(experiment.context)}" if files is not None and lasting else otherwise
    own.mkdir(exist_ok=True)
    return own


def _told(experiment: ForeignExperiment, trial: Trial, folder: Path) -> dict[str, Any]:
    return {
        "tasks": list(trial.tasks),
        "seed": trial.seed,
        "epochs": epochs_of(experiment, trial),
        "capacity": float(trial.capacity),
        "copies": trial.copies,
        "phase": "search" if trial.phase == "search" else "confirm",
        "split": trial.split,
        "folder": str(folder),
    }


def epochs_of(experiment: ForeignExperiment, trial: Trial) -> int:
    """Epochs that a trial is trained for: those within its fraction, one at least."""
    return max(1, int(experiment.training.epochs * trial.fraction + 1e-9))


def _reported(folder: Path, tasks: Sequence[str], ended: Ended) -> Reported:
    """What was reported; where the training ended badly, how it ended, or in its own words where it has some."""
    written = [folder / f"out{suffix}" for suffix in _SUFFIXES if (folder / f"out{suffix}").exists()]
    try:
        reported = read_report(written[0] if written else folder / "out", tasks)
    except TrialError as error:
        if ended.status and not written:
            raise TrialError(f"it {ended.how} before it wrote losses") from None
        if ended.status < 0:
            raise TrialError(f"it {ended.how}") from None
        raise error from None
    if ended.status:
        raise TrialError(f"it {ended.how}")
    return reported


def _result(experiment: ForeignExperiment, trial: Trial, reported: Reported, ended: Ended) -> TrialResult:
    """The trial's result.

    A curve has a reading an epoch. One that ends early has found its end: its last state is the state from there on.
    """
    whole = epochs_of(experiment, trial)
    curve_TS, steps_S = reported.curve_TS, np.array([whole])
    if reported.is_curve:
        curve_TS, steps_S = _to_the_end(reported.curve_TS, whole, experiment), np.arange(1, whole + 1)
    kept, test, seen = -1, None, {}
    if trial.phase == "probe":
        _scores(experiment, trial, reported, curve_TS, 0)
        seen = {PEAK: np.array([ended.peak_mb])}
    elif trial.phase == "confirm":
        kept = int((curve_TS / np.array(trial.reference)[:, None]).mean(axis=0).argmin())
        test = _scores(experiment, trial, reported, curve_TS, kept)
    return TrialResult(steps_S, curve_TS, ended.seconds, this_worker(), kept, test, seen=seen)


def _to_the_end(curve_TS: FloatArray, readings: int, experiment: ForeignExperiment) -> FloatArray:
    read = curve_TS.shape[1]
    if read > readings:
        fix = "Report one reading an epoch" if "epochs" in experiment.trainer.hears else "Raise training.epochs"
        raise TrialError(f"its curve has {read} readings, {readings} epochs were to be trained", fix=fix)
    return np.pad(curve_TS, ((0, 0), (0, readings - read)), mode="edge")


def _scores(
    experiment: ForeignExperiment, trial: Trial, reported: Reported, curve_TS: FloatArray, kept: int
) -> TestScores:
    """Scores of the kept state; of one number a task where rows are not told apart, by clusters where they are."""
    metrics = {task: dict(reported.metrics[task]) for task in trial.tasks}
    if experiment.trainer.confirm_on == "validation":
        return TestScores(curve_TS[:, [kept]], np.ones((len(trial.tasks), 1)), metrics)
    if reported.sums_TG is not None and reported.counts_TG is not None:
        return TestScores(reported.sums_TG, reported.counts_TG, metrics)
    if reported.test_TS is None:
        fix = "Report 'test' beside the losses, or say trainer.confirm_on: validation"
        raise TrialError("it reported no test losses", fix=fix)
    test_TS = reported.test_TS
    if test_TS.shape[1] > 1:
        test_TS = np.pad(test_TS, ((0, 0), (0, curve_TS.shape[1] - test_TS.shape[1])), mode="edge")[:, [kept]]
    return TestScores(test_TS, np.ones((len(trial.tasks), 1)), metrics)
