"""Memory of one solve in a process of its own, on Linux: ``python -m tests.benchmarks.solver.peak hoa-lat 20 3``.

Asks the kernel instead of ``resource.getrusage``, whose peak starts at what the parent process held.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from grouping.solver.solve import solve
from tests.grouping.solver.families import family

MIB = 1024 * 1024


def main() -> None:
    """Generate, forget what generating needed, solve, and say MiB."""
    name, n_tasks, budget = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    losses_CT, cost_C = family(name, n_tasks, 0)
    gc.collect()
    generating = _status("VmHWM")
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the highest resident size so far
    solve(losses_CT, cost_C, budget)
    words = {
        "table": (losses_CT.nbytes + cost_C.nbytes) / MIB,
        "before solving": before,
        "peak while solving": _status("VmHWM"),
        "peak while generating": generating,
    }
    sys.stdout.write("; ".join(f"{word} {amount:.0f} MiB" for word, amount in words.items()) + "\n")


def _status(field: str) -> float:
    """A size of this process from the kernel, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    main()
