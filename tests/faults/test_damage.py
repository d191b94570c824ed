"""Bytes that are not what was written: found, told, trained again or recovered; never silently believed."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from search.store.blobs import decode_result, encode_result
from search.store.home import STORE_FILE
from search.store.store import Store
from search.trials import TestScores, TrialResult
from tests.faults import FULL
from tests.faults.conftest import Resume, Undisturbed
from tests.faults.victims import Victims, decided, log_of, trained

Note = Callable[[str, object], None]

DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "truncated": lambda data, rng: data[: rng.randrange(len(data))],
    "empty": lambda data, rng: b"",
    "flipped": lambda data, rng: _flipped(data, rng.randrange(8 * len(data))),
    "random": lambda data, rng: rng.randbytes(len(data)),
    "zeroed": lambda data, rng: data[:200] + bytes(len(data) - 200),
}


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.fault("R8", "every single bit of a stored result flipped; truncated anywhere")
def test_no_damage_to_a_stored_result_goes_unseen(record_property: Note) -> None:
    scores = TestScores(np.ones((1, 2)), np.ones((1, 2)), {"a": {"RMSE": 1.0}})
    data = encode_result(TrialResult(np.arange(1, 4), np.ones((1, 3)), 0.5, "h:1", 2, scores, b"weights"))
    decode_result(data)
    damaged = [_flipped(data, bit) for bit in range(8 * len(data))] + [data[:end] for end in range(len(data))]
    for changed in damaged:
        with pytest.raises(ValueError, match="damaged result"):
            decode_result(changed)
    record_property("count", len(damaged))
    record_property("figure", f"{len(damaged)} of {len(damaged)} found by SHA-256")


@pytest.mark.fault("R8", "stored results truncated, empty, flipped, random or zeroed in the database of a stopped run")
def test_damaged_results_are_told_and_trained_again(
    victims: Victims, undisturbed: Undisturbed, home: Path, record_property: Note
) -> None:
    rng = random.Random(8)
    assert victims.run(home, fault="phase.end:2") == -signal.SIGKILL
    with sqlite3.connect(home / STORE_FILE) as database:
        rows = database.execute("SELECT key, result FROM trials ORDER BY number").fetchall()
        hit = dict(zip(DAMAGES, rng.sample(rows, len(DAMAGES)), strict=True))
        for damage, (key, result) in hit.items():
            database.execute("UPDATE trials SET result = ? WHERE key = ?", (DAMAGES[damage](result, rng), key))
    database.close()
    assert victims.run(home, "resume") == 0
    run, trials = undisturbed.only(home)
    keys = {key for key, _ in hit.values()}
    assert {record.key for record in trials if record.attempts == 2} == keys
    assert {key for key, times in trained(home).items() if times == 2} == keys
    with Store.open(home) as store:
        (told,) = [event.payload for event in store.events(run.id) if event.kind == "warning"]
        assert set(told["keys"]) == keys
    decision = decided(home, run.id)
    assert decision.pop("warnings") == ["stored results of 5 trainings were damaged; they were trained again"]
    assert decision == {name: value for name, value in undisturbed.decision.items() if name != "warnings"}
    record_property("count", len(hit))
    record_property("figure", f"{len(hit)} of {len(hit)} trained again, an event and a warning tell; same decision")


@pytest.mark.fault("R9", "the database's journal cut at random places after a kill")
def test_a_journal_that_lost_its_end_is_recovered_to_its_last_whole_transaction(
    victims: Victims, undisturbed: Undisturbed, resume: Resume, home: Path, record_property: Note
) -> None:
    """What a power cut may do to the last transactions that were not synced: whole ones are lost, never a part."""
    assert victims.run(home, fault="job.end:30") == -signal.SIGKILL
    journal = f"{STORE_FILE}-wal"
    length = (home / journal).stat().st_size
    rng, lost = random.Random(9), []
    for n in range(8 if FULL else 2):
        place = home.parent / f"cut {n}" / "runs"
        shutil.copytree(home, place)
        shutil.copy(log_of(home), log_of(place))
        with (place / journal).open("r+b") as file:
            file.truncate(rng.randrange(length // 2, length))
        before = len(undisturbed.only(place)[1]) if _runs(place) else 0
        lost.append(sum(trained(place).values()) - before)
        assert resume(place) == 0
        undisturbed.assert_equalled(place, kills=1, lost=lost[-1])
    record_property("count", len(lost))
    record_property("figure", f"recovered each time; {min(lost)} to {max(lost)} trainings were lost and trained again")


def _runs(home: Path) -> int:
    with Store.open(home) as store:
        return store.list_runs().total


@pytest.mark.fault("R9", "the last line of log.jsonl cut in half")
def test_a_log_whose_last_line_is_cut_goes_on(victims: Victims, undisturbed: Undisturbed, home: Path) -> None:
    assert victims.run(home, fault="phase.begin:2") == -signal.SIGKILL
    run, _ = undisturbed.only(home)
    log = home / run.id / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    assert victims.run(home, "resume") == 0
    undisturbed.assert_equalled(home, kills=1)
