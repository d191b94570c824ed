"""A cluster that others use is joined in wrong ways: ``python -m tests.faults.refusals ADDRESS``.

In a process of its own, since Ray lives once in a process. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from grouping.errors import GroupingError
from search.execution import ray_cluster
from search.execution.ray_executor import RayExecutor

_OTHERS = """
import sys, time, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
@ray.remote(num_cpus=1)
class Holder:
    def hold(self): return 1
holders = [Holder.remote() for _ in range(2)]
ray.get([holder.hold.remote() for holder in holders])
print("taken", flush=True)
time.sleep(600)
"""


def main(address: str) -> None:
    token = os.environ["RAY_AUTH_TOKEN"]
    os.environ["RAY_AUTH_TOKEN"] = "0" * len(token)  # the probe is another process and reads it anew
    said = {"wrong token": _refused(lambda: RayExecutor(address, workers=1).__enter__())}
    os.environ["RAY_AUTH_TOKEN"] = token
    said["too many workers"] = _refused(lambda: RayExecutor(address, workers=5).__enter__())
    said["full"] = _full(address)
    sys.stdout.write(json.dumps(said) + "\n")


def _full(address: str) -> dict[str, Any]:
    """Join while somebody else has both cores; they are given three seconds in place of twenty to let one go."""
    ray_cluster._ROOM_SECONDS = 3.0
    with subprocess.Popen([sys.executable, "-c", _OTHERS, address], stdout=subprocess.PIPE, text=True) as others:
        assert others.stdout is not None
        assert others.stdout.readline() == "taken\n"
        refused = _refused(lambda: RayExecutor(address, workers=1).__enter__())
        others.kill()
    return refused


def _refused(attempt: Callable[[], object]) -> dict[str, Any]:
    began = time.monotonic()
    try:
        return {"result": repr(attempt()), "seconds": time.monotonic() - began}
    except GroupingError as error:
        return {"error": str(error), "exit_code": error.exit_code, "seconds": time.monotonic() - began}


if __name__ == "__main__":
    main(sys.argv[1])
