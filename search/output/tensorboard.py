"""Validation losses along training as TensorBoard event files, for whoever asks; the store remains the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from grouping.tasks import SEPARATOR
from search.errors import DiskError
from search.store.records import CurveReading, TrialRecord
from search.store.store import Store

__all__ = ["MOST_CURVES", "Written", "write_curves"]

MOST_CURVES = 1_000
"""Trainings that are written at most: TensorBoard lists every one, and reads them all."""

_LONGEST_NAME = 80


class Written(NamedTuple):
    """How many trainings are in the folder now, and how many have a curve."""

    shown: int
    total: int


def write_curves(store: Store, run: str, folder: Path) -> Written:
    """Write a scalar for every task of every finished training, one folder each; what is there already stays.

    It may be called while the run is under way, and again later.

    Args:
        store: Where the run is.
        run: Its id.
        folder: TensorBoard's ``--logdir``; the run gets a folder in it.

    Raises:
        DiskError: the folder cannot be written.
    """
    from tensorboardX import SummaryWriter  # a second, for those who ask

    records = {record.key: record for record in store.trials(run) if record.state == "finished"}
    total = shown = 0
    for record, readings in _by_training(store.curves(run), records):
        total += 1
        if total > MOST_CURVES:
            continue
        shown += 1
        place = folder / run / _name(record)
        if place.exists():
            continue
        try:
            place.mkdir(parents=True)
            with SummaryWriter(logdir=str(place)) as writer:
                tags = _tags([reading.task for reading in readings])
                for reading in readings:
                    writer.add_scalar(tags[reading.task], reading.loss, reading.step, walltime=record.recorded)
        except OSError as error:
            raise DiskError(
                f"cannot be written ({error.strerror or error})", where=str(place), fix="Choose another folder"
            ) from error
    return Written(shown, total)


def _by_training(
    readings: list[CurveReading], records: dict[str, TrialRecord]
) -> Iterator[tuple[TrialRecord, list[CurveReading]]]:
    for key, found in groupby(readings, key=lambda reading: reading.key):
        if key in records:
            yield records[key], list(found)


def _tags(tasks: Iterable[str]) -> dict[str, str]:
    """A tag for each task, of the characters that tags may hold; two tasks never share one."""
    tags: dict[str, str] = {}
    for task in dict.fromkeys(tasks):
        tag = f"validation_loss/{_plain(task)}"
        tags[task] = tag if tag not in tags.values() else f"{tag}_{_digest(task)}"
    return tags


def _plain(text: str) -> str:
    return "".join(character if character.isalnum() or character in "-." else "_" for character in text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _name(record: TrialRecord) -> str:
    """A folder's name that tells the trainings apart, for people as far as it goes."""
    trial = record.trial
    network = SEPARATOR.join(map(_plain, trial.network.split(SEPARATOR)))[:_LONGEST_NAME]
    return f"{record.phase} {network} {trial.capacity:g} seed {trial.seed} {_digest(record.key)}"
