"""The peers: HiGHS and CP-SAT on the textbook program with ``x <= y``, with a time limit.

With ``y_c`` = candidate c is chosen and ``x_ct`` = it serves task t: every task is served once, ``x_ct <= y_c``, and
the costs keep the budget. Building the model counts, as it does for ours.
"""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, hstack, vstack

from tests.benchmarks.solver.measurement import Finding

__all__ = ["HAS_CP_SAT", "cp_sat", "highs"]

Float = NDArray[np.float64]

HAS_CP_SAT = find_spec("ortools") is not None
SCALE = 10**7
"""CP-SAT counts in integers: losses are rounded to this part of one."""


def highs(losses_CT: Float, cost_C: Float, budget: float, time_limit: float) -> Finding:
    """HiGHS through SciPy; relative gap 1e-7, everything else as it comes."""
    candidate_S, task_S = np.nonzero(~np.isnan(losses_CT))
    n_candidates, n_tasks = losses_CT.shape
    n_services = len(candidate_S)
    service_S, one_S = np.arange(n_services), np.ones(n_services)
    assign = coo_array((one_S, (task_S, service_S)), (n_tasks, n_services))
    opened = coo_array((-one_S, (service_S, candidate_S)), (n_services, n_candidates))
    served = coo_array((one_S, (service_S, service_S)), (n_services, n_services))
    matrix = vstack(
        [
            hstack([coo_array((n_tasks, n_candidates)), assign]),
            hstack([opened, served]),
            hstack([coo_array(cost_C[None, :]), coo_array((1, n_services))]),
        ]
    ).tocsc()
    lower = np.concatenate([np.ones(n_tasks), np.full(n_services + 1, -np.inf)])
    upper = np.concatenate([np.ones(n_tasks), np.zeros(n_services), [budget]])
    result = milp(
        np.concatenate([np.zeros(n_candidates), losses_CT[candidate_S, task_S]]),
        constraints=LinearConstraint(matrix, lower, upper),
        integrality=np.concatenate([np.ones(n_candidates), np.zeros(n_services)]),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-7, "time_limit": time_limit},
    )
    bound = math.nan if result.mip_dual_bound is None else float(result.mip_dual_bound)
    if result.x is None:
        return Finding(math.nan, bound, f"nothing found in {time_limit:g} s")
    status = "optimal" if result.status == 0 else f"not proven in {time_limit:g} s"
    return Finding(float(result.fun), bound, status)


def cp_sat(losses_CT: Float, cost_C: Float, budget: float, time_limit: float) -> Finding:
    """CP-SAT; costs are multiples of a half. The time limit is wall time and does not count building the model."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    n_candidates, n_tasks = losses_CT.shape
    opened = [model.new_bool_var("") for _ in range(n_candidates)]
    terms, weights = [], []
    serving: list[list[object]] = [[] for _ in range(n_tasks)]
    for c, t in np.argwhere(~np.isnan(losses_CT)).tolist():
        served = model.new_bool_var("")
        model.add_implication(served, opened[c])
        serving[t].append(served)
        terms.append(served)
        weights.append(round(float(losses_CT[c, t]) * SCALE))
    for options in serving:
        model.add_exactly_one(options)
    model.add(
        cp_model.LinearExpr.weighted_sum(opened, [round(2 * c) for c in cost_C.tolist()]) <= math.floor(2 * budget)
    )
    model.minimize(cp_model.LinearExpr.weighted_sum(terms, weights))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 8  # it is a portfolio: one worker takes many times the CPU seconds of eight
    solver.parameters.max_time_in_seconds = time_limit
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Finding(math.nan, solver.best_objective_bound / SCALE, f"nothing found in {time_limit:g} s")
    proven = "optimal" if status == cp_model.OPTIMAL else f"not proven in {time_limit:g} s"
    return Finding(solver.objective_value / SCALE, solver.best_objective_bound / SCALE, proven)
