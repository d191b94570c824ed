"""Memory of training one pack in a process of its own, on Linux: ``python -m tests.benchmarks.training.peak 8``.

Asks the kernel instead of ``resource.getrusage``, whose peak starts at what the parent process held.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from tests.benchmarks.training.contenders import OURS
from tests.benchmarks.training.job import dataset, experiment, mixed_groups, trials

MIB = 1024 * 1024


def main() -> None:
    """Warm up, train the pack for one epoch, and say how far the resident memory rose, in MiB."""
    size, batch_size = int(sys.argv[1]), int(sys.argv[2])
    fused = next(engine for engine in OURS if engine.name == "fused")
    common = experiment(dataset(), fused.name, batch_size=batch_size, epochs=1)
    small = experiment(dataset(512, validation=32), fused.name, batch_size=batch_size, epochs=1)
    fused.train_pack(small, trials(mixed_groups(1)))
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the highest resident size so far
    fused.train_pack(common, trials(mixed_groups(size)))
    sys.stdout.write(f"{_status('VmHWM') - before}\n")


def _status(field: str) -> float:
    """A size of this process from the kernel, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    main()
