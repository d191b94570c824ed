"""Where the store's contract is tested: a database that can be opened again and again, from this process and others."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from search.store.store import Store

__all__ = ["Place"]

_PREAMBLE = """
import sys
from pathlib import Path
from search.errors import StoreError
from search.store import fencing
from search.store.store import Store
from tests.contract.stores import Place
store = Place(Path(sys.argv[1])).open()
run = sys.argv[2]
"""


@dataclass(frozen=True)
class Place:
    """A database of runs.

    Args:
        home: Folder of runs.
    """

    home: Path

    def open(self) -> Store:
        """The store there, through a connection of its own."""
        return Store.open(self.home)

    def process(self, code: str, run: str) -> subprocess.Popen[str]:
        """Another process, which knows ``store`` and ``run``; it says and hears lines."""
        command = [sys.executable, "-c", _PREAMBLE + code, str(self.home), run]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
