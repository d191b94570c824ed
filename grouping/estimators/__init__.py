"""Estimators: losses of groups that were not trained (to the end), from losses that were measured.

An estimator is a function from a loss table to a loss table whose ``estimated_CT`` says which numbers it supplied.
"""

from __future__ import annotations

from collections.abc import Callable

from grouping.errors import InputError
from grouping.estimators.early_stopping import early_stopping
from grouping.estimators.higher_order import complete
from grouping.estimators.linear_surrogate import complete_linear
from grouping.losses import LossTable
from grouping.tasks import nearest_name

__all__ = ["ESTIMATORS", "estimate"]


def _measured(table: LossTable) -> LossTable:
    return table


ESTIMATORS: dict[str, Callable[[LossTable], LossTable]] = {
    "measured": _measured,
    "higher-order": complete,
    "linear-surrogate": complete_linear,
    "early-stopping": early_stopping,
}
"""Every estimator by its name on the command line and in specs."""


def estimate(table: LossTable, estimator: str) -> LossTable:
    """The table completed by the named estimator.

    Raises:
        InputError: no such estimator, or a table it cannot work on.
    """
    if estimator not in ESTIMATORS:
        raise InputError(
            f"there is no estimator '{estimator}'", where="estimator", fix=nearest_name(estimator, ESTIMATORS)
        )
    return ESTIMATORS[estimator](table)
