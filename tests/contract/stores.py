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
run = sys.argv[2]
store = Place(Path(sys.argv[1]), sys.argv[3] or None).open()
"""


@dataclass(frozen=True)
class Place:
    """A database of runs.

    Args:
        home: Folder of runs.
        url: A database on a server; None: a file in the home.
    """

    home: Path
    url: str | None = None

    def open(self) -> Store:
        """The store there, through a connection of its own."""
        return Store.open(self.home, url=self.url)

    def process(self, code: str, run: str) -> subprocess.Popen[str]:
        """Another process, which knows ``store`` and ``run``; it says and hears lines."""
        command = [sys.executable, "-c", _PREAMBLE + code, str(self.home), run, self.url or ""]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
