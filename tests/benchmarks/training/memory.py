"""Memory of a pack in training: what ``stack_memory`` says beforehand beside what the kernel saw."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator

from search.training.stack import padded
from search.training.stack_memory import stack_bytes
from tests.benchmarks.startup import ROOT
from tests.benchmarks.training.job import BATCH, INPUTS, ROWS, TASKS, VALIDATION, WIDTHS
from tests.benchmarks.training.measurement import Measurement
from tests.benchmarks.training.peak import MIB

__all__ = ["memory"]


def memory(*, quick: bool) -> Iterator[Measurement]:
    """Packs of the reference job, one process each."""
    for size in (1, 8) if quick else (1, 8, 32, 128):
        for batch_size in (BATCH,) if quick else (BATCH, 2_048):
            command = [sys.executable, "-m", "tests.benchmarks.training.peak", str(size), str(batch_size)]
            taken = float(subprocess.check_output(command, cwd=ROOT, text=True))
            outputs = (1,) * 3  # the largest group
            steps = math.ceil(ROWS / batch_size)
            stack = stack_bytes(size, INPUTS, WIDTHS, outputs, batch_size, steps, VALIDATION)
            data = 4 * (ROWS + 1) * (padded(INPUTS) + 4 * TASKS)  # padded inputs, labels as given and as kept
            cell = f"{size} networks, batch {batch_size}"
            yield Measurement("memory", cell, "measured", size, "MiB", (taken,))
            yield Measurement("memory", cell, "predicted, stack", size, "MiB", (stack / MIB,))
            yield Measurement("memory", cell, "predicted, rows", size, "MiB", (data / MIB,))
