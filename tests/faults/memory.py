"""A process of its own for workers that run out of memory: ``python -m tests.faults.memory BYTES``."""

from __future__ import annotations

import json
import sys
import time

from search.execution.ray_executor import RayExecutor
from tests.faults.jobs import swells

if __name__ == "__main__":
    with RayExecutor(workers=2) as executor:
        list(executor.run(swells, None, [0, 0]))  # both workers are there
        began = time.monotonic()
        outcomes = sorted(executor.run(swells, None, [0, int(sys.argv[1]), 0]), key=lambda outcome: outcome.index)
        seconds = time.monotonic() - began
    jobs = [{"failure": outcome.failure} for outcome in outcomes]
    sys.stdout.write(json.dumps({"jobs": jobs, "seconds": seconds}))
