"""Hold every thread pool to one thread, then measure.

Two threads on a shared machine of two cores are no faster but wait for each other: up to a hundred times slower.
"""

from __future__ import annotations

import os

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

if __name__ == "__main__":
    os.environ.update(dict.fromkeys(THREADS, "1"))
    # Libraries read these when they are loaded, so nothing may be imported before.
    from tests.benchmarks.training.run import main

    main()
