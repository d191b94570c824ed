"""What the fault tests share: runs to be killed, what an undisturbed one gives, and how often a fault is injected."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from search.store.records import RunRecord, TrialRecord
from search.store.store import Store
from tests.faults.victims import Victims, decided, trained


@pytest.fixture(scope="session")
def victims() -> Iterator[Victims]:
    with Victims() as started:
        yield started


@dataclass(frozen=True)
class Undisturbed:
    """A run that was left alone, and the law that every other one of the same spec is held to.

    ``passages`` says how often it passed each point where it could have died.
    """

    decision: dict[str, Any]
    keys: set[str]
    files: set[str]
    passages: dict[str, int]

    def assert_equalled(self, home: Path, kills: int, *, lost: int = 1, url: str | None = None) -> None:
        """The only run of this kind in a folder has ended as this one did.

        Args:
            home: The folder of runs.
            kills: How many processes died while working on it.
            lost: Trainings that each of them may have taken along unrecorded.
            url: The database, where it is not in the folder.
        """
        run, trials = self.only(home, url)
        assert (run.state, run.finished, run.failed) == ("finished", len(self.keys), 0)
        assert run.planned == len(self.keys)
        assert {record.key for record in trials} == self.keys
        assert len(trials) == len(self.keys)
        assert {record.attempts for record in trials} == {1}
        again = trained(home)
        assert set(again) == self.keys
        assert sum(again.values()) - len(self.keys) <= kills * lost, "more was trained again than was lost"
        assert decided(home, run.id) == self.decision
        assert files_of(home / run.id) == self.files

    @staticmethod
    def only(home: Path, url: str | None = None) -> tuple[RunRecord, list[TrialRecord]]:
        with Store.open(home, create=False, url=url) as store:
            (run,) = store.list_runs(name="planted").runs
            return run, store.trials(run.id)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def undisturbed(victims: Victims, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    home = tmp_path_factory.mktemp("undisturbed") / "runs"
    home.mkdir()
    victim = victims.start(home, fault="count")
    assert victim.wait() == 0
    run, trials = Undisturbed.only(home)
    found = Undisturbed(
        decided(home, run.id), {record.key for record in trials}, files_of(home / run.id), json.loads(victim.said)
    )
    found.assert_equalled(home, 0)
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder of runs with room for messages beside it."""
    made = tmp_path / "runs"
    made.mkdir()
    return made


Resume = Callable[[Path], int]


@pytest.fixture(scope="session")
def resume(victims: Victims) -> Resume:
    """Goes on with what a dead process left: the latest run, if it was created and has not ended."""

    def go_on(home: Path) -> int:
        with Store.open(home) as store:
            runs = store.list_runs().runs
        if not runs:
            return victims.run(home)
        return 0 if runs[0].state == "finished" else victims.run(home, "resume")

    return go_on
