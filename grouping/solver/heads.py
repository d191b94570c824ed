"""Heads that nobody is served by are dropped: the cost of a network then depends on whom it serves.

Every candidate becomes one *variant* for each set of tasks that it may serve, which costs what is left without the
heads of all other members; the variants are candidates like any other. Where a task's head costs the same in every
network, all served heads together cost the same whatever is chosen, and no variant is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.errors import InputError
from grouping.solver.problem import COST_SLACK
from grouping.solver.question import Question, SharedCost, readable
from grouping.solver.table import Table

__all__ = ["charge_served_heads"]

_MOST_VARIANTS = 1 << 21


def charge_served_heads(table: Table, head_CTD: FloatArray, question: Question) -> tuple[Table, Question, IntArray]:
    """The table and question in which a head is paid for only where it serves.

    Args:
        table: Costs with the heads of all members.
        head_CTD: What of each cost is the head of each task, [C, T, D]; ignored for tasks that are no members.
        question: Checked against the table.

    Returns:
        Table and question about variants, and each variant's candidate, [V]. Variants are ordered by candidate, then
        by the binary number whose digit i, the last being 0, says whether its i-th servable task is served.

    Raises:
        InputError: heads that are negative, not finite or dearer than their network; more variants than can be listed.
    """
    losses_CT, cost_CD, members_CT = table
    if head_CTD.shape != (*losses_CT.shape, cost_CD.shape[1]):
        expected = (*losses_CT.shape, cost_CD.shape[1])
        raise InputError(f"head costs have shape {head_CTD.shape}, expected {expected}", where="head_cost")
    head_CTD = np.where(members_CT[:, :, None], head_CTD, 0.0)
    trunk_CD = cost_CD - head_CTD.sum(axis=1)
    bad_C = ~(np.isfinite(head_CTD) & (head_CTD >= 0)).all(axis=(1, 2)) | (trunk_CD < -COST_SLACK * cost_CD).any(axis=1)
    if bad_C.any():
        c = int(np.flatnonzero(bad_C)[0])
        raise InputError(
            f"the heads of candidate {c}, which costs {readable(cost_CD[c].tolist())}, cost "
            f"{readable(head_CTD[c].sum(axis=0).tolist())}",
            where="head_cost",
            fix="A head costs 0 or more, and all heads together no more than their network",
        )
    trunk_CD = np.where(trunk_CD <= COST_SLACK * cost_CD, 0.0, trunk_CD)  # heads only, but for rounding
    servable_CT = ~np.isnan(losses_CT)
    servable_CT[:, list(question.auxiliary)] = False
    if not (question.deployed or question.sunk) and _same_everywhere(head_CTD, servable_CT):
        spent_D = np.where(servable_CT[:, :, None], head_CTD, 0.0).max(axis=0).sum(axis=0)
        about_trunks = replace(question, spent_D=tuple(spent_D.tolist()), heads="trunks")
        return (losses_CT, trunk_CD, members_CT), about_trunks, np.arange(len(losses_CT))
    count = int((2.0 ** servable_CT.sum(axis=1) - 1).sum())
    if count > _MOST_VARIANTS:
        raise InputError(
            f"with heads of unequal cost these candidates have {count} variants, by whom they serve",
            where="head_cost",
            fix="Limit the size of a network, or give each task one head cost for all networks",
        )
    return _variants((losses_CT, trunk_CD, members_CT), head_CTD, question, servable_CT)


def _same_everywhere(head_CTD: FloatArray, servable_CT: BoolArray) -> bool:
    """Whether each task's head costs the same in every network that can serve it."""
    shown_CTD = np.where(servable_CT[:, :, None], head_CTD, np.nan)
    dearest_TD = np.nan_to_num(np.fmax.reduce(shown_CTD, axis=0))
    cheapest_TD = np.nan_to_num(np.fmin.reduce(shown_CTD, axis=0))
    return bool((dearest_TD - cheapest_TD <= COST_SLACK * dearest_TD).all())


def _variants(
    table: Table, head_CTD: FloatArray, question: Question, servable_CT: BoolArray
) -> tuple[Table, Question, IntArray]:
    losses_CT, trunk_CD, members_CT = table
    served, origin = [], []
    for c, servable_T in enumerate(servable_CT):
        tasks = np.flatnonzero(servable_T)
        every = (1 << len(tasks)) - 1
        number_V = np.arange(max(every, 1) if question.partition else 1, every + 1)  # a partition serves all members
        served_VT = np.zeros((len(number_V), len(servable_T)), dtype=bool)
        served_VT[:, tasks] = number_V[:, None] >> np.arange(len(tasks)) & 1
        served.append(served_VT)
        origin.append(np.full(len(number_V), c))
    served_VT, origin_V = np.vstack(served), np.concatenate(origin)
    cost_VD = trunk_CD[origin_V] + np.einsum("vt,vtd->vd", served_VT, head_CTD[origin_V])
    losses_VT = np.where(served_VT, losses_CT[origin_V], np.nan)

    def variants_of(candidates: Sequence[int]) -> tuple[int, ...]:
        return tuple(np.flatnonzero(np.isin(origin_V, list(candidates))).tolist())

    # A sunk network is spent once and whole, so its variants are as good as deployed; so is what it shares.
    sunk = list(question.sunk)
    spent_D = trunk_CD[sunk].sum(axis=0) + head_CTD[sunk].sum(axis=(0, 1))
    shared = []
    for part in question.shared:
        users = range(len(losses_CT)) if part.candidates is None else part.candidates
        if set(users) & set(question.deployed):
            continue
        if set(users) & set(sunk):
            spent_D = spent_D + np.array(part.cost_D)
        else:
            shared.append(SharedCost(part.cost, part.candidates and variants_of(part.candidates)))
    about_variants = replace(
        question,
        deployed=variants_of([*question.deployed, *sunk]),
        sunk=(),
        shared=tuple(shared),
        spent_D=tuple(spent_D.tolist()),
        heads="variants",
    )
    return (losses_VT, cost_VD, members_CT[origin_V]), about_variants, origin_V
