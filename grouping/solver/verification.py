"""A check of a certificate against the raw table that shares no code with the solver.

The proof is the search tree. Each node carries prices ``u_t`` of the requirements and ``p_d >= 0`` of the limits;
whatever the prices are, no grouping of the node is better than::

    sum_t u_t - sum_d p_d limit_d + max(m * min(0, min_c r_c), sum_c min(0, r_c)),
    r_c = sum_d p_d cost_dc + sum_t min(0, value_tc - u_t)

with at most ``m`` networks chosen. ``verify`` recomputes everything from the raw losses, tries what few candidates the
prices leave, and checks that the two sides of every split cover all groupings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.solver.certificate import Branch, Certificate, ProofNode
from grouping.solver.posed_table import PosedTable, pose, unfold

__all__ = ["Check", "verify"]

_TOLERANCE = 1e-9
_MOST_TRIED = 16


@dataclass(frozen=True)
class Check:
    """The outcome of ``verify``: true where nothing is wrong.

    Args:
        objective: The grouping's objective, recomputed.
        bound: What the tree proves.
        complaints: What is wrong; empty where the certificate holds.
    """

    objective: float
    bound: float
    complaints: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.complaints


def verify(
    certificate: Certificate,
    losses_CT: FloatArray,
    cost_C: FloatArray,
    members_CT: BoolArray | None = None,
    *,
    head_cost: FloatArray | None = None,
) -> Check:
    """Check a certificate against the raw table.

    Args:
        certificate: From ``Solution.certificate`` or a file.
        losses_CT: Losses; NaN where a candidate cannot serve a task.
        cost_C: Costs [C], or [C, D] for several budgets.
        members_CT: Who is trained in each candidate; default: whom it can serve.
        head_cost: What of ``cost_C`` is the head of each task, as ``solve`` was told.
    """
    members_CT = ~np.isnan(losses_CT) if members_CT is None else members_CT
    complaints: list[str] = []
    cost_CD = cost_C.reshape(len(losses_CT), -1)
    if (head_cost is None) != (certificate.question.heads == ""):
        complaints.append("the certificate and the check differ in whether unused heads are dropped")
    elif head_cost is not None:
        head_CTD = head_cost.reshape(*losses_CT.shape, -1)
        losses_CT, cost_CD, members_CT = unfold(certificate, (losses_CT, cost_CD, members_CT), head_CTD, complaints)
    table = pose(certificate, losses_CT, cost_CD, members_CT, complaints)
    objective = _objective_of(table, set(certificate.chosen))
    slack = _TOLERANCE * max(abs(certificate.objective), 1e-12)
    if not abs(objective - certificate.objective) <= slack:
        complaints.append(f"the grouping is worth {objective!r}, not {certificate.objective!r}")
    bound = _proven(certificate, table, objective, slack, complaints)
    if not bound >= certificate.bound - slack:  # a bound that is no number proves nothing
        complaints.append(f"the tree proves {bound!r}, not {certificate.bound!r}")
    return Check(objective, bound, tuple(complaints))


def _objective_of(table: PosedTable, chosen: set[int]) -> float:
    """Worth of a grouping, +inf where it breaks a rule."""
    rows = [row for row, name in enumerate(table.name_C.tolist()) if name in chosen]
    use_D = table.cost_CD[rows].sum(axis=0) + table.uses_CK[rows].any(axis=0) @ table.part_KD
    if len(rows) < len(chosen) or not rows or (use_D > table.limit_D).any():
        return math.inf
    value_GT = table.value_CT[rows]
    if table.partition and (np.isfinite(value_GT).sum(axis=0) != 1).any():
        return math.inf
    return math.fsum(value_GT.min(axis=0).tolist())


def _excess(table: PosedTable, node: ProofNode) -> tuple[float, FloatArray, FloatArray]:
    """Bound of a node, and how far above it each candidate [C] and each service [C, T] lies."""
    duals_T, prices_D = np.array(node.duals_T), np.maximum(np.array(node.prices_D), 0.0)
    gap_CT = table.value_CT - duals_T
    taken_CT = np.where(np.isfinite(gap_CT), gap_CT, 0.0) if table.partition else np.where(gap_CT < 0, gap_CT, 0.0)
    reduced_C = table.cost_CD @ prices_D + taken_CT.sum(axis=1)
    worst = min(0.0, float(reduced_C.min(initial=0.0)))
    most = table.value_CT.shape[1]
    for d, limit in enumerate((table.limit_D - table.paid_D).tolist()):
        cheapest = float(table.cost_CD[:, d].min(initial=math.inf))
        most = min(most, math.floor(limit / cheapest)) if cheapest > 0 else most
    bound = math.fsum(node.duals_T) - float(prices_D @ (table.limit_D - table.paid_D))
    each = math.fsum(reduced_C[reduced_C < 0].tolist())
    excess_C = np.maximum(reduced_C, 0.0) if each > most * worst else reduced_C - worst
    bound += max(each, most * worst)
    if table.partition:
        return bound, excess_C, np.where(np.isfinite(gap_CT), excess_C[:, None], np.inf)
    return bound, excess_C, excess_C[:, None] + np.maximum(gap_CT, 0.0)


def _proven(
    certificate: Certificate, table: PosedTable, objective: float, slack: float, complaints: list[str]
) -> float:
    """The smallest bound over the leaves of the tree; complains about splits that leave something out."""
    nodes = certificate.nodes
    if not nodes or nodes[0].parent != -1 or not nodes[0].duals_T:
        complaints.append("there is no root with prices")
        return -math.inf
    children: dict[int, list[int]] = {}
    for number, node in enumerate(nodes[1:], start=1):
        children.setdefault(node.parent, []).append(number)
    smallest = objective
    stack: list[tuple[int, PosedTable]] = [(0, table)]
    while stack:
        number, part = stack.pop()
        below = children.get(number, [])
        branches = [branch for child in below if (branch := nodes[child].branch) is not None]
        if len(below) == 2 and _covers(branches) and nodes[number].duals_T:
            left = _left(part, nodes[number], objective - slack)
            stack.extend((child, _side(left, branch)) for child, branch in zip(below, branches, strict=True))
            continue
        if len(below) > 2:
            complaints.append(f"node {number} is split into {len(below)} parts that need not cover it")
        target = min(objective, max(smallest, certificate.bound))  # the slack of many leaves must not add up
        smallest = min(smallest, _leaf_bound(table, part, nodes[number], target, slack))
    return smallest


def _left(table: PosedTable, node: ProofNode, target: float) -> PosedTable:
    """What a grouping better than the target can use, seen from a node: all that the nodes below it speak about."""
    bound, _, excess_CT = _excess(table, node)
    kept_CT: BoolArray = np.less_equal(excess_CT, target - bound)
    value_CT = table.value_CT if table.partition else np.where(kept_CT, table.value_CT, np.inf)
    return replace(table, value_CT=value_CT).only(np.logical_or.reduce(kept_CT, axis=1))


def _covers(branches: list[Branch]) -> bool:
    """Whether two sides of a split leave nothing out."""
    first, second = sorted(branches, key=lambda branch: branch.kind)
    sides = (first.kind, second.kind)
    return first.which == second.which and (
        (sides == ("above", "at most") and first.theta == second.theta)
        or sides in (("with", "without"), ("no part", "part"))
    )


def _side(table: PosedTable, branch: Branch) -> PosedTable:
    """The part of a table that one side of a split speaks about."""
    if branch.kind == "at most":
        beyond_C = table.value_CT[:, branch.which] > branch.theta
        if table.partition:
            return table.only(~(beyond_C & np.isfinite(table.value_CT[:, branch.which])))
        value_CT = table.value_CT.copy()
        value_CT[beyond_C, branch.which] = np.inf
        return replace(table, value_CT=value_CT)
    if branch.kind == "above":
        return table.only(~(table.value_CT[:, branch.which] <= branch.theta))
    if branch.kind == "no part":
        return table.only(~table.uses_CK[:, branch.which])
    if branch.kind == "part":
        return _affordable(replace(table, paid_D=table.paid_D + table.part_KD[branch.which]))
    here_C = table.name_C == branch.which
    if branch.kind == "without":
        return table.only(~here_C)
    paid_D = table.paid_D + table.cost_CD[here_C].sum(axis=0)
    paid = replace(table, cost_CD=np.where(here_C[:, None], 0.0, table.cost_CD), paid_D=paid_D)
    if not table.partition:
        return _affordable(paid)
    met_T = np.isfinite(table.value_CT[here_C]).any(axis=0)  # whoever serves these, too, is no part of the partition
    return _affordable(paid.only(here_C | ~np.isfinite(table.value_CT[:, met_T]).any(axis=1)))


def _affordable(table: PosedTable) -> PosedTable:
    """Without the candidates that what is paid leaves no room for."""
    return table.only(np.logical_and.reduce(table.cost_CD <= table.limit_D - table.paid_D, axis=1))


def _leaf_bound(whole: PosedTable, table: PosedTable, node: ProofNode, target: float, slack: float) -> float:
    """Bound of one leaf; where its prices leave few candidates, their best grouping."""
    if np.isinf(table.value_CT).all(axis=0).any() or (table.limit_D < table.paid_D).any():
        return math.inf
    if not node.duals_T:
        return -math.inf
    bound, _, excess_CT = _excess(table, node)
    if bound >= target - slack:
        return bound
    kept_CT = excess_CT <= target - slack - bound
    if not kept_CT.any(axis=0).all():
        return target
    rows = np.flatnonzero(kept_CT.any(axis=1)).tolist()
    needed = {rows_t[0] for t in range(kept_CT.shape[1]) if len(rows_t := np.flatnonzero(kept_CT[:, t]).tolist()) == 1}
    optional = [row for row in rows if row not in needed]
    if len(optional) > _MOST_TRIED:
        return bound
    names = {row: int(table.name_C[row]) for row in rows}
    best = target
    for size in range(len(optional) + 1):
        for extra in combinations(optional, size):
            best = min(best, _objective_of(whole, {names[row] for row in (*needed, *extra)}))
    return best
