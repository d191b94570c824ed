"""All subsets of 8 to 20 tasks: ours at every size, the peers up to 12 tasks, and once at 15."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from grouping.solver.solve import solve
from tests.benchmarks.solver.measurement import Finding, Measurement, interleaved, status_of
from tests.benchmarks.solver.peers import HAS_CP_SAT, SCALE, cp_sat, highs
from tests.grouping.solver.families import family

__all__ = ["large", "memory", "ours", "peers"]

Float = NDArray[np.float64]

FAMILIES = ("hoa-lat", "noise-iid", "mix-iid")
LIMIT, LONG_LIMIT = 20.0, 60.0


def ours(losses_CT: Float, cost_C: Float, budget: float, time_limit: float | None = None) -> Finding:
    """Our answer."""
    found = solve(losses_CT, cost_C, budget, time_limit=time_limit)
    nodes = math.nan if found.certificate is None else len(found.certificate.nodes)
    return Finding(found.objective, found.bound, status_of(found.proven_optimal, found.stopped), nodes)


def peers(*, tiny: bool) -> Iterator[Measurement]:
    """Ours against the peers, same instance, same minute."""
    sizes, seeds, budgets = ((8,), (1,), (3,)) if tiny else ((8, 10, 12), (1, 2, 3, 4), (2, 3, 5))
    for n_tasks in sizes:
        for name in FAMILIES:
            for seed in seeds:
                losses_CT, cost_C = family(name, n_tasks, seed)
                for budget in budgets:
                    # CP-SAT rarely ends before its limit, so it gets one seed.
                    yield from _beside(name, seed, losses_CT, cost_C, budget, with_cp_sat=seed == 1)
    if not tiny:
        losses_CT, cost_C = family("hoa-lat", 15, 1)
        yield from _beside("hoa-lat", 1, losses_CT, cost_C, 3, with_cp_sat=True)


def _beside(
    name: str, seed: int, losses_CT: Float, cost_C: Float, budget: float, *, with_cp_sat: bool
) -> Iterator[Measurement]:
    question = (losses_CT, cost_C, float(budget))
    limit = LONG_LIMIT if losses_CT.shape[1] > 12 else LIMIT
    runs: dict[str, Callable[[], Finding]] = {"ours": partial(ours, *question)}
    runs["HiGHS"] = partial(highs, *question, limit)
    if with_cp_sat and HAS_CP_SAT:
        runs["CP-SAT"] = partial(cp_sat, *question, limit)
    taken = interleaved(runs, {"ours": 5, "HiGHS": 1, "CP-SAT": 1})
    for peer, slack in (("HiGHS", 2e-7 * taken["ours"]["objective"]), ("CP-SAT", losses_CT.shape[1] / SCALE)):
        if peer in taken and taken[peer]["status"] == "optimal":
            difference = abs(taken[peer]["objective"] - taken["ours"]["objective"])
            assert difference <= slack, f"{peer} has another optimum of {name} {seed} at {budget}: {taken}"
    for said in taken.values():
        yield Measurement("peers", f"{name} {seed}", losses_CT.shape[1], budget, len(losses_CT), **said)


def large(*, tiny: bool) -> Iterator[Measurement]:
    """Ours alone on 15 to 20 tasks."""
    sizes = {"hoa-lat": (15, 20), "hoa-iid": (20,), "noise-iid": (15, 20), "mix-iid": (15, 18)}
    for name, each in {"hoa-lat": (12,)}.items() if tiny else sizes.items():
        for n_tasks in each:
            losses_CT, cost_C = family(name, n_tasks, 0)
            runs = {str(budget): partial(ours, losses_CT, cost_C, float(budget)) for budget in (2, 3, 5)}
            for budget, said in interleaved(runs, dict.fromkeys(runs, 3)).items():
                said["solver"] = "ours"
                yield Measurement("scale", f"{name} 0", n_tasks, float(budget), len(losses_CT), **said)


def memory(*, tiny: bool) -> Iterator[Measurement]:
    """What a process holds that solves 20 tasks: the table it was given, its peak while solving, and its peak overall.

    These rows have no seconds.
    """
    for name in ("hoa-lat",) if tiny else ("hoa-lat", "noise-iid"):
        n_tasks = 12 if tiny else 20
        command = [sys.executable, "-m", "tests.benchmarks.solver.peak", name, str(n_tasks), "3"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        nothing = math.nan
        size = 2**n_tasks - 1
        yield Measurement(
            "memory", f"{name} 0", n_tasks, 3, size, "ours", nothing, nothing, nothing, 1, note=said.strip()
        )
