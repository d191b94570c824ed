"""What the whole suite shares: one local Ray cluster, property tests that do not look at the clock, two processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from search.execution.ray_executor import RayExecutor
    from tests.postgres import PostgresServer

for _library in ("OMP", "MKL", "OPENBLAS"):  # as in workers and in commands; read when numpy or torch is first imported
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

settings.register_profile("project", deadline=None)  # a busy machine is not a failure
settings.load_profile("project")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, what starts Ray stays in one process and comes first; of the rest a file is never torn apart."""
    if not getattr(config.option, "loadgroup", False):  # set in every process; these know of --dist no more
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group("ray" if _starts_ray(item) else item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: not _starts_ray(item))


def _starts_ray(item: pytest.Item) -> bool:
    return item.get_closest_marker("ray") is not None or "ray_executor" in getattr(item, "fixturenames", ())


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
