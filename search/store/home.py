"""Where runs and their database live, decided in one place; imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["HOME_VARIABLE", "STORE_FILE", "URL_VARIABLE", "home_is_explicit", "runs_home", "store_url"]

HOME_VARIABLE = "TASKGROUP_HOME"
"""Environment variable that moves runs and store elsewhere."""

URL_VARIABLE = "TASKGROUP_STORE"
"""Environment variable that puts the database on a server: ``postgresql+psycopg://user:password@host/database``."""

STORE_FILE = "store.sqlite3"
"""The database, inside the home; a run's folder stands beside it under the run's id."""

_DEFAULT = Path("results") / "runs"


def runs_home(environment: Mapping[str, str] = os.environ) -> Path:
    """``TASKGROUP_HOME`` if that is set and not empty, else ``results/runs`` under the current directory."""
    return Path(environment[HOME_VARIABLE]) if home_is_explicit(environment) else _DEFAULT


def home_is_explicit(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user named a home; a missing one is then a mistake and not a fresh start."""
    return bool(environment.get(HOME_VARIABLE))


def store_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """``TASKGROUP_STORE`` if that is set and not empty; None: a file in the home."""
    return environment.get(URL_VARIABLE) or None
