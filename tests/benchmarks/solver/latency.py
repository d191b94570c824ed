"""What a compiler would buy: one pricing pass in NumPy and in numba, and what numba costs before its first pass.

A pricing pass is ``r_c = p cost_c + sum_t min(0, value_tc - u_t)`` for every candidate, the solver's largest expense.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.solver.measurement import Finding, Measurement, interleaved
from tests.grouping.solver.families import family

__all__ = ["first_call", "pricing"]

Float = NDArray[np.float64]

FIRST = """
import time
start = time.process_time()
import numpy as np
loaded = time.process_time()
from grouping.solver.solve import solve
members = (np.arange(1, 256)[:, None] >> np.arange(8) & 1).astype(bool)
losses = np.where(members, np.random.default_rng(0).uniform(0.5, 1.5, members.shape), np.nan)
imported = time.process_time()
solve(losses, np.ones(255), 3.0)
once = time.process_time()
solve(losses, np.ones(255), 3.0)
print(loaded - start, imported - loaded, once - imported, time.process_time() - once)
"""


def first_call(*, tiny: bool) -> Iterator[Measurement]:
    """A fresh process: NumPy, the solver's own files, the first answer for 8 tasks, the second."""
    runs = [_fresh(FIRST) for _ in range(2 if tiny else 7)]
    parts = ("import numpy", "import the solver", "first answer, 8 tasks", "second answer")
    for part, seconds in zip(parts, zip(*runs, strict=True), strict=True):
        yield _row("latency", part, 8, "ours", list(seconds))


def pricing(*, tiny: bool) -> Iterator[Measurement]:
    """One pass over all candidates in NumPy and in numba."""
    start = time.process_time()
    kernel = _compiled(np.ones((1, 1)), np.ones(1), np.ones(1))
    taken = [time.process_time() - start]
    yield _row("numba", "import numba and compile the pass", 1, "numba", taken)
    for n_tasks in (10,) if tiny else (12, 15, 20):
        losses_CT, cost_C = family("hoa-lat", n_tasks, 0)
        arguments = np.where(np.isnan(losses_CT.T), np.inf, losses_CT.T), np.full(n_tasks, 0.95), 0.1 * cost_C
        passes = {"NumPy": partial(_once, _numpy_pass, arguments), "numba": partial(_once, kernel, arguments)}
        results = {name: run().objective for name, run in passes.items()}
        assert abs(results["NumPy"] - results["numba"]) <= 1e-9
        for said in interleaved(passes, dict.fromkeys(passes, 15)).values():
            yield Measurement("numba", "hoa-lat 0", n_tasks, math.nan, len(cost_C), **said, note="one pricing pass")


def _numpy_pass(value_TC: Float, duals_T: Float, price_C: Float) -> Float:
    reduced_C = price_C.copy()
    # A block of candidates at a time stays in the processor's cache.
    for start in range(0, len(price_C), 4096):
        margin_TC = value_TC[:, start : start + 4096] - duals_T[:, None]
        np.minimum(margin_TC, 0.0, out=margin_TC)
        reduced_C[start : start + 4096] += np.add.reduce(margin_TC, axis=0)
    return reduced_C


def _compiled(value_TC: Float, duals_T: Float, price_C: Float) -> Callable[..., Any]:
    """The same pass in numba, compiled for these types."""
    numba: Any = import_module("numba")

    @numba.njit  # type: ignore[untyped-decorator]
    def run(value_TC: Float, duals_T: Float, price_C: Float) -> Float:
        reduced_C = price_C.copy()
        for t in range(len(duals_T)):
            for c in range(len(price_C)):
                margin = value_TC[t, c] - duals_T[t]
                reduced_C[c] += min(margin, 0.0)
        return reduced_C

    run(value_TC, duals_T, price_C)
    kernel: Callable[..., Any] = run
    return kernel


def _once(run: Callable[..., Float], arguments: tuple[Float, Float, Float]) -> Finding:
    return Finding(float(run(*arguments).min()), math.nan, "one pass")


def _fresh(code: str) -> list[float]:
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return [float(word) for word in said.split()]


def _row(section: str, note: str, n_tasks: int, solver: str, seconds: list[float]) -> Measurement:
    low, middle, high = np.quantile(seconds, [0, 0.5, 1]).tolist()
    repeats = len(seconds)
    return Measurement(
        section, "", n_tasks, math.nan, 2**n_tasks - 1, solver, middle, low, high, repeats, status="", note=note
    )
