"""A search as a process of its own, to be killed: ``python -m tests.search.tuning.killed HOME RUN``.

Prints every configuration of the run when it ends by itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from search.execution.ray_executor import RayExecutor
from search.spec.searching import SearchSpec
from search.store.configurations import Configurations
from search.store.store import Store
from search.tuning.driver import search_configurations
from tests.search.tuning.planted import SPACE, plan, planted

SEARCH = SearchSpec(space=SPACE, configurations=10, brackets=(1.0, 4.0))


def main(home: Path, run: str) -> None:
    """Do what is not done yet."""
    with Store.open(home) as store, RayExecutor(workers=1) as executor:
        store.take(run)
        book = Configurations(store.sessions)
        records = search_configurations(plan(run, SEARCH), SEARCH, book, planted, executor.workers)
        sys.stdout.write(json.dumps([[record.place, record.state, record.attempts] for record in records]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
