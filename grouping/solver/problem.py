"""The grouping problem in the one standard form that the solver works on.

Candidates ``C``, requirements ``T`` (the tasks to serve, then one for each pair that must share), limits ``D``
(budgets, then the number of networks), shared parts ``K``. With ``y_c`` = candidate c is chosen, ``x_tc`` = it serves
t and ``z_k`` = part k is used by somebody::

    minimise   sum_c open_c y_c + sum_k shared_open_k z_k + sum_tc value_tc x_tc
    such that  sum_c x_tc = 1,  x_tc <= y_c,  y_c <= z_k where c uses k,
               sum_c cost_dc y_c + sum_k shared_dk z_k <= limit_d

Opening prices are zero for a question about losses and the cost for a question about the smallest budget.
Inside the solver the task axis comes first (``value_TC``), because every sum over tasks then runs along memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray

__all__ = ["COST_SLACK", "Problem", "blocks"]

COST_SLACK = 1e-11
"""Budgets are compared with this relative tolerance: 0.1 + 0.2 fits into 0.3."""

_BLOCK = 4096


def blocks(count: int) -> Iterator[slice]:
    """Slices of so many candidates as fit, with all their values, into the processor's cache."""
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))


@dataclass(frozen=True, eq=False)
class Problem:
    """The standard form. All arrays are the solver's own and never written to.

    Args:
        value_TC: Weighted loss of requirement t in candidate c; +inf where c cannot serve it.
        open_C: Price of choosing c, beside the losses.
        cost_DC: What c takes of each limit, divided by the limit where that is positive.
        limit_D: 1 (or 0), plus the tolerance ``COST_SLACK``.
        charge_C: The cost that ties are broken by, in the user's unit.
        members_CT: Who is trained in c, for the last tie-break.
        index_C: Position of c in the user's table.
        partition: Whether every requirement is met by exactly one chosen candidate.
        constant: Opening prices that are paid already.
        spendable: What of each limit can be spent at all, in the user's unit.
        uses_KC: Who uses which shared part.
        shared_DK, shared_open_K, shared_charge_K: Of the shared parts, what ``cost_DC``, ``open_C`` and ``charge_C``
            are of candidates.
    """

    value_TC: FloatArray
    open_C: FloatArray
    cost_DC: FloatArray
    limit_D: FloatArray
    charge_C: FloatArray
    members_CT: BoolArray
    index_C: IntArray
    uses_KC: BoolArray
    shared_DK: FloatArray
    shared_open_K: FloatArray
    shared_charge_K: FloatArray
    partition: bool = False
    constant: float = 0.0
    spendable: tuple[float, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of requirements."""
        return len(self.value_TC)

    def keep(self, rows_C: BoolArray | IntArray) -> Problem:
        """The same problem with some of the candidates only."""
        return replace(
            self,
            value_TC=self.value_TC[:, rows_C],
            open_C=self.open_C[rows_C],
            cost_DC=self.cost_DC[:, rows_C],
            charge_C=self.charge_C[rows_C],
            members_CT=self.members_CT[rows_C],
            index_C=self.index_C[rows_C],
            uses_KC=self.uses_KC[:, rows_C],
        )

    def between(self, above_T: FloatArray, up_to_T: FloatArray) -> Problem:
        """Only solutions in which the value of every requirement lies in ``(above, up_to]``.

        A candidate with a value at or below ``above`` would serve that requirement, so it goes altogether; a value
        beyond ``up_to`` only forbids that one service.
        """
        value_TC = self.value_TC
        kept_C: BoolArray = np.logical_not((value_TC <= above_T[:, None]).any(axis=0))
        beyond_TC = value_TC > up_to_T[:, None]
        if self.partition:
            kept_C &= ~(beyond_TC & np.isfinite(value_TC)).any(axis=0)
            return self.keep(kept_C)
        narrowed = replace(self, value_TC=np.where(beyond_TC, np.inf, value_TC))
        return narrowed.keep(kept_C & ~beyond_TC.all(axis=0))

    def flat(self, price_C: FloatArray, shared_price_K: FloatArray) -> Problem:
        """The covering problem: the same services at no loss, every candidate and shared part at a price."""
        return replace(
            self,
            value_TC=np.where(np.isfinite(self.value_TC), 0.0, np.inf),
            open_C=price_C,
            charge_C=price_C,
            shared_open_K=shared_price_K,
            shared_charge_K=shared_price_K,
        )

    def paid(self, row: int) -> Problem:
        """The same problem where one candidate is paid for, whether it is used or not; in a partition it has to be."""
        cost_DC, open_C = self.cost_DC.copy(), self.open_C.copy()
        constant = self.constant + float(open_C[row])
        limit_D = self.limit_D - cost_DC[:, row]
        cost_DC[:, row] = open_C[row] = 0.0
        paid = replace(self, cost_DC=cost_DC, open_C=open_C, limit_D=limit_D, constant=constant)
        kept_C: BoolArray = np.logical_and.reduce(cost_DC <= limit_D[:, None], axis=0)
        if self.partition:
            met_T = np.isfinite(self.value_TC[:, row])
            kept_C &= ~np.isfinite(self.value_TC[met_T]).any(axis=0)
            kept_C[row] = True
        return paid.keep(kept_C)

    def with_part(self, part: int) -> Problem:
        """The same problem where a shared part is paid for, whether it is used or not."""
        limit_D = self.limit_D - self.shared_DK[:, part]
        shared_DK, shared_open_K = self.shared_DK.copy(), self.shared_open_K.copy()
        shared_DK[:, part] = shared_open_K[part] = 0.0
        constant = self.constant + float(self.shared_open_K[part])
        paid = replace(self, shared_DK=shared_DK, shared_open_K=shared_open_K, limit_D=limit_D, constant=constant)
        return paid.keep(np.logical_and.reduce(self.cost_DC <= limit_D[:, None], axis=0))

    def key(self, row: int) -> tuple[object, ...]:
        """What orders equally good candidates: sorted members, then cost, then the values themselves."""
        members = tuple(np.flatnonzero(self.members_CT[row]).tolist())
        return (members, float(self.charge_C[row]), tuple(self.value_TC[:, row].tolist()), int(self.index_C[row]))
