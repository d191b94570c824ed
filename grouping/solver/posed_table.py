"""The question of a certificate as arrays, made from the raw table by code that the solver does not use."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.solver.certificate import Certificate
from grouping.solver.question import Question

__all__ = ["PosedTable", "pose", "unfold"]


@dataclass(frozen=True)
class PosedTable:
    """The question as arrays, candidates first.

    Weighted losses (+inf: cannot serve), costs as fractions of limits, what is paid of the limits already, and the
    optional shared parts: their costs and users.
    """

    value_CT: FloatArray
    cost_CD: FloatArray
    limit_D: FloatArray
    paid_D: FloatArray
    name_C: IntArray
    part_KD: FloatArray
    uses_CK: BoolArray
    partition: bool

    def only(self, kept_C: BoolArray) -> PosedTable:
        return replace(
            self,
            value_CT=self.value_CT[kept_C],
            cost_CD=self.cost_CD[kept_C],
            name_C=self.name_C[kept_C],
            uses_CK=self.uses_CK[kept_C],
        )


def unfold(
    certificate: Certificate,
    table: tuple[FloatArray, FloatArray, BoolArray],
    head_CTD: FloatArray,
    complaints: list[str],
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The table without heads, or one row for each set of tasks that a network may serve."""
    question = certificate.question
    losses_CT, cost_CD, members_CT = table
    served = [t for t in range(losses_CT.shape[1]) if t not in question.auxiliary]
    rows: list[tuple[int, list[int]]] = []
    for c, losses_T in enumerate(losses_CT):
        able = [t for t in served if not math.isnan(losses_T[t])]
        if question.heads == "trunks" or question.partition:
            rows += [(c, able)] if able or question.heads == "trunks" else []
        else:
            rows += [(c, [t for i, t in enumerate(able) if number >> i & 1]) for number in range(1, 2 ** len(able))]
    new_CT, new_CD = np.full((len(rows), losses_CT.shape[1]), np.nan), np.zeros((len(rows), cost_CD.shape[1]))
    for row, (c, able) in enumerate(rows):
        new_CT[row, able] = losses_CT[c, able]
        trunk_D = cost_CD[c] - head_CTD[c, members_CT[c]].sum(axis=0)
        paid_D = 0.0 if question.heads == "trunks" else head_CTD[c, able].sum(axis=0)
        new_CD[row] = np.where(trunk_D <= 1e-11 * cost_CD[c], 0.0, trunk_D) + paid_D
    if question.heads == "trunks":
        heads = [[head_CTD[c, t] for c in range(len(losses_CT)) if not math.isnan(losses_CT[c, t])] for t in served]
        due_D = np.sum([np.max(heads_CD, axis=0) for heads_CD in heads], axis=0)
        if not np.allclose(due_D, question.spent_D, rtol=1e-9):
            complaints.append(f"the heads of all tasks cost {due_D.tolist()}, not {question.spent_D}")
    return new_CT, new_CD, members_CT[[c for c, _ in rows]]


def pose(
    certificate: Certificate,
    losses_CT: FloatArray,
    cost_CD: FloatArray,
    members_CT: BoolArray,
    complaints: list[str],
) -> PosedTable:
    """The question as arrays; complains about limits that are tighter than the budgets allow."""
    question = certificate.question
    n_tasks = losses_CT.shape[1]
    columns = []
    legal_C = np.ones(len(losses_CT), dtype=bool)
    for a, b in question.apart:
        legal_C[members_CT[:, a] & members_CT[:, b]] = False
    if question.max_size is not None:
        legal_C[members_CT.sum(axis=1) > question.max_size] = False
    for t in range(n_tasks):
        if t in question.auxiliary:
            continue
        loss_C = np.where(np.isnan(losses_CT[:, t]), np.inf, losses_CT[:, t])
        loss_C[loss_C > question.at_most.get(t, math.inf)] = np.inf
        columns.append(loss_C * question.weights_T[t])
        if question.partition:
            legal_C[members_CT[:, t] & np.isinf(loss_C)] = False
    value_CT = np.stack(columns, axis=1)
    value_CT[~legal_C] = np.inf
    legal_C &= np.isfinite(value_CT).any(axis=1)
    for a, b in question.together:
        if question.partition and {a, b} <= set(question.auxiliary):  # several networks may be shared by these
            if not members_CT[list(certificate.chosen)][:, [a, b]].all(axis=1).any():
                complaints.append(f"no chosen network has both {a} and {b}")
            continue
        value_CT = np.column_stack([value_CT, np.where(members_CT[:, a] & members_CT[:, b] & legal_C, 0.0, np.inf)])
    charged_CD, limits, part_KD, uses_CK = _charges(question, cost_CD)
    names = np.arange(len(value_CT))
    if len(certificate.spendable) != len(limits):
        complaints.append(f"{len(certificate.spendable)} limits for {len(limits)} budgets")
        limit_D = np.array(limits, dtype=float)
        return PosedTable(value_CT, charged_CD, limit_D, 0 * limit_D, names, part_KD, uses_CK, question.partition)
    if min(question.spent_D, default=0.0) < 0 or (any(question.spent_D) and question.heads != "trunks"):
        complaints.append(f"nothing in the question costs {question.spent_D} whatever is chosen")
    for d, (limit, claimed) in enumerate(zip(limits, certificate.spendable, strict=True)):
        if not _nothing_between(
            charged_CD[legal_C, d], claimed, limit, value_CT.shape[1], exact=bool(part_KD[:, d].any())
        ):
            complaints.append(f"{claimed!r} is not the largest sum of costs within the budget of {limit!r}")
        charged_CD[:, d] /= claimed if claimed > 0 else 1.0
        part_KD[:, d] /= claimed if claimed > 0 else 1.0
    limit_D = np.array([(1.0 if claimed > 0 else 0.0) + 1e-11 for claimed in certificate.spendable])
    legal_C &= (charged_CD + uses_CK @ part_KD <= limit_D).all(axis=1)
    whole = PosedTable(value_CT, charged_CD, limit_D, 0 * limit_D, names, part_KD, uses_CK, question.partition)
    return whole.only(legal_C)


def _charges(question: Question, cost_CD: FloatArray) -> tuple[FloatArray, list[float], FloatArray, BoolArray]:
    """What candidates take of the limits [C, D], the limits, and what optional shared parts [K, D] take from whom."""
    n_budgets = len(question.budget_D)
    spent_D = np.zeros(n_budgets)
    if question.spent_D:
        spent_D += question.spent_D[:n_budgets]
    charged_CD = cost_CD[:, :n_budgets].astype(float)
    for c in question.sunk:
        spent_D += charged_CD[c]
    for c in (*question.sunk, *question.deployed):
        charged_CD[c] = 0.0
    part_KD, uses_KC = [], []
    for part in question.shared:
        users = set(range(len(cost_CD))) if part.candidates is None else set(part.candidates)
        if users & set(question.deployed):
            continue
        if len(users) == len(cost_CD) or users & set(question.sunk):
            spent_D += np.array(part.cost_D[:n_budgets])
        else:
            part_KD.append(np.array(part.cost_D[:n_budgets]))
            uses_KC.append(np.isin(np.arange(len(cost_CD)), list(users)))
    limits = [
        0.0 if abs(limit - spent) <= 1e-11 * limit else limit - spent
        for limit, spent in zip(question.budget_D, spent_D.tolist(), strict=True)
    ]
    shares_KD = np.array(part_KD).reshape(len(part_KD), n_budgets)
    if question.max_networks is not None:
        limits.append(question.max_networks)
        charged_CD = np.column_stack([charged_CD, np.ones(len(charged_CD))])
        shares_KD = np.column_stack([shares_KD, np.zeros(len(shares_KD))])
    return charged_CD, limits, shares_KD, np.array(uses_KC, dtype=bool).reshape(len(part_KD), len(cost_CD)).T


def _nothing_between(cost_C: FloatArray, claimed: float, limit: float, most: int, *, exact: bool) -> bool:
    """Whether the claimed sum is within the limit, and no sum of at most ``most`` costs lies between the two.

    ``exact``: further costs come on top, so only the limit itself will do.
    """
    slack = 1e-10 * abs(limit)
    if claimed >= limit - slack:
        return claimed <= limit + slack
    if exact:
        return False
    sums = {0.0}
    prices = {float(cost) for cost in cost_C if 0 < cost <= limit + slack}
    for _ in range(most):
        sums |= {round(known + price, 12) for known in sums for price in prices if known + price <= limit + slack}
    return all(known <= claimed + slack for known in sums)
