"""What serving costs beside the sum over networks, as options of ``taskgroup solve`` name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.solver.question import SharedCost
from search.questions.loss_columns import LossColumns
from search.questions.option_values import number
from search.questions.table_question import TableQuestion

__all__ = ["ServingCosts"]


@dataclass(frozen=True)
class ServingCosts:
    """The options, as they were written.

    Args:
        sunk: Networks whose cost is spent whether they are used or not.
        shared: ``COST`` for what all networks share, ``LABEL=COST`` for those with that label in column ``candidate``;
            several costs, divided by commas, where there are several budgets.
        drop_heads: Whether the heads of tasks that a network does not serve are dropped.
    """

    sunk: Sequence[str]
    shared: Sequence[str]
    drop_heads: bool

    def added_to(self, question: TableQuestion, columns: LossColumns, where: Mapping[str, str]) -> TableQuestion:
        """The question that counts them.

        Raises:
            InputError: an unknown network or label, costs that do not fit the budgets, or no head costs.
        """
        options = {
            **question.options,
            "sunk": [question.network(text, "--sunk") for text in self.sunk],
            "shared": [_shared(text, question) for text in self.shared],
        }
        if self.drop_heads:
            options["head_cost"] = np.stack([_heads(question, columns, where, unit) for unit in question.units], axis=2)
        return replace(question, options=options)


def _shared(text: str, question: TableQuestion) -> SharedCost:
    label, equals, amounts = text.rpartition("=")
    costs = [number(amount) for amount in amounts.split(",")]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs) or (equals and not label):
        raise InputError(
            f"'{text}' is no shared cost", where="--shared-cost", fix="Write 0.5, or LABEL=0.5 for some networks"
        )
    if len(known) != len(question.units):
        raise InputError(
            f"'{text}' has {len(known)} costs for budgets in {', '.join(question.units)}",
            where="--shared-cost",
            fix="Give one cost for each budget, divided by commas",
        )
    if not equals:
        return SharedCost(known)
    users = [c for c, its in enumerate(question.table.candidates.label_C) if its == label]
    if not users:
        labels = sorted({its for its in question.table.candidates.label_C if its})
        raise InputError(
            f"no network has '{label}' in column 'candidate'",
            where="--shared-cost",
            fix=f"Labels of this table: {', '.join(labels) or 'none'}",
        )
    return SharedCost(known, users)


def _heads(question: TableQuestion, columns: LossColumns, where: Mapping[str, str], unit: str) -> FloatArray:
    """What each head costs in a unit, [C, T]."""
    name = "head_cost" if unit == "snt" else f"head_cost_{unit}"
    heads = replace(columns, loss=name, higher_is_better=False).table(where)
    candidates = question.table.candidates
    order = [heads.tasks.index(task) if task in heads.tasks else -1 for task in candidates.tasks]
    head_CT = np.zeros(candidates.members_CT.shape)
    for c, members_T in enumerate(candidates.members_CT):
        members = [task for task, member in zip(candidates.tasks, members_T, strict=True) if member]
        found = heads.candidates.index(members, float(candidates.cost_C[c]), candidates.label_C[c])
        costs_T = np.full(len(order), np.nan) if found is None else heads.mean_CT[found, order]
        if np.isnan(costs_T[members_T]).any():
            raise InputError(
                f"column '{name}' lacks heads of network '{candidates.name(c)}'",
                where="--drop-heads",
                fix="Give the cost of every task's head in every network, or leave --drop-heads out",
            )
        head_CT[c, members_T] = costs_T[members_T]
    return head_CT
