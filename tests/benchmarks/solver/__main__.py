"""Hold every thread pool to one thread, then measure."""

from __future__ import annotations

import os

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

if __name__ == "__main__":
    os.environ.update(dict.fromkeys(THREADS, "1"))
    # Libraries read these when they are loaded, so nothing may be imported before.
    from tests.benchmarks.solver.run import main

    main()
