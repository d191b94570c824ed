"""What the whole suite shares: one local Ray cluster, property tests that do not look at the clock, two processes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from search.execution.ray_executor import RayExecutor
    from tests.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[1]

for _library in ("OMP", "MKL", "OPENBLAS"):  # as in workers and in commands; read when numpy or torch is first imported
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

settings.register_profile("project", deadline=None)  # a busy machine is not a failure
settings.load_profile("project")


_RAY = re.compile(r"mark\.ray\b|\bray_executor\b")


@cache
def _starts_ray(file: str) -> bool:
    return _RAY.search((ROOT / file).read_text(encoding="utf-8")) is not None


class _WholeFiles(LoadScopeScheduling):  # type: ignore[misc]  # a class of unknown base
    """Processes get whole files, and one of them all files of tests that start Ray: a cluster wants this machine."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "ray" if _starts_ray(file) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Who runs what, with ``-n``."""
    return _WholeFiles(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts Ray comes first: it is the longest piece that cannot be divided."""
    items.sort(key=lambda item: not _starts_ray(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def ray_executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayExecutor]:
    """Two workers for the whole run: a cluster takes five seconds and most of a gigabyte.

    Ray would write to the home directory; it gets one of its own.
    """
    from search.execution.ray_executor import RayExecutor

    home: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        with RayExecutor(workers=2, state_folder=home / "state") as executor:
            yield executor
    assert not (home / ".ray").exists(), "Ray wrote to the home directory"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run; tests that need one are skipped where none is installed."""
    from tests.postgres import PostgresServer, programs

    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with PostgresServer() as server:
        yield server
