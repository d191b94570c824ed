"""A disk that is full: exit 5, nothing half written under a final name, and the run goes on when there is space."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.store.home import STORE_FILE
from tests.faults import FULL
from tests.faults.conftest import Undisturbed
from tests.faults.victims import Victims

Note = Callable[[str, object], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a file system of a given size, or gives the one there is another size."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    place = tmp_path / "runs"
    place.mkdir()

    def sized(size: str) -> Path:
        again = ["-o", f"remount,size={size}"] if place.is_mount() else ["-t", "tmpfs", "-o", f"size={size}", "none"]
        done = subprocess.run(["mount", *again, str(place)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no small file system can be mounted here ({done.stderr.strip()})")
        return place

    yield sized
    if place.is_mount():
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.fault(
    "R7", "a file system of a given size (tmpfs) that fills up: opening the store, recording, the report"
)
@pytest.mark.parametrize(
    "size", ["40k", "200k", "300k", "400k", "600k", "1m", "2m", "3m"] if FULL else ["40k", "400k", "3m"]
)
def test_a_full_disk_ends_a_run_in_good_order_and_it_goes_on_when_there_is_space(
    size: str, small_disk: Callable[[str], Path], victims: Victims, undisturbed: Undisturbed, record_property: Note
) -> None:
    home = small_disk(size)
    victim = victims.start(home)
    assert victim.wait() == 5, victim.said
    assert "space" in victim.said
    assert str(home) in victim.said
    assert "Traceback" not in victim.said
    _assert_whole(home)
    small_disk("64m")
    assert victims.run(home, "resume" if _has_run(home) else "recommend") == 0
    undisturbed.assert_equalled(home, kills=1, lost=1)
    record_property("figure", f"{size}: exit 5, integrity ok, resumed to the same decision")


def _assert_whole(home: Path) -> None:
    """What stands under a final name is whole, and the database is sound."""
    if (home / STORE_FILE).exists():
        with sqlite3.connect(home / STORE_FILE) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()
    for path in (path for path in home.rglob("*") if path.is_file()):
        if path.suffix == ".json":
            json.loads(path.read_text())
        if path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>")


def _has_run(home: Path) -> bool:
    if not (home / STORE_FILE).exists():
        return False
    with sqlite3.connect(home / STORE_FILE) as database:
        tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'runs'").fetchone()[0]
        found = bool(tables) and bool(database.execute("SELECT count(*) FROM runs").fetchone()[0])
    database.close()
    return found
