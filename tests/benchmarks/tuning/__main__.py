"""Hold every thread pool to one thread, then measure."""

from __future__ import annotations

import os

from tests.benchmarks.training.__main__ import THREADS

if __name__ == "__main__":
    os.environ.update(dict.fromkeys(THREADS, "1"))
    # Libraries read these when they are loaded, so nothing may be imported before.
    from tests.benchmarks.tuning.run import main

    main()
