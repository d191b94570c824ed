"""What trainings report, checked before anybody sees it: a loss that is no number must never reach Tune or Optuna."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

from search.errors import TrialError
from search.trials import Remark

__all__ = ["Reading", "validated"]

_LARGEST = 1e9
"""A mean loss this many times that of single-task networks is no loss any more, but what is left of a diverged one."""


@dataclass(frozen=True)
class Reading:
    """A loss on the way of one configuration.

    Args:
        share: Of the training.
        loss: Mean over the main tasks and seeds, relative to single-task networks.
        seconds: Process time of everything so far.
        worker: Who trains it, ``host:pid``.
        found: What its network is, as a candidate's label; empty until it is known.
        remarks: What happened on the way since the last reading.
    """

    share: float
    loss: float
    seconds: float
    worker: str
    found: str = ""
    remarks: tuple[Remark, ...] = ()


def validated(given: Mapping[str, object], share: float, worker: str) -> Reading:
    """A report as a reading.

    Args:
        given: ``loss``, and ``seconds``, ``found`` and ``remarks`` if they are known.
        share: After what share of the training it was due.
        worker: Who reports.

    Raises:
        TrialError: the loss is missing, no number, not finite or out of all measure.
    """
    at = f"after {share:.0%} of the training"
    if "loss" not in given:
        raise TrialError(f"no loss was reported {at}", fix="Report one as 'loss'")
    loss = given["loss"]
    if isinstance(loss, bool) or not isinstance(loss, Real):
        raise TrialError(f"the loss reported {at} is {str(loss)[:60]!r}, which is no number", fix="Report a number")
    value = float(loss)
    if not math.isfinite(value):
        raise TrialError(f"non-finite loss {at}", fix="Look at the inputs, or lower the learning rates of the space")
    if abs(value) > _LARGEST:
        raise TrialError(f"exploding loss {at} ({value:.3g})", fix="Lower the learning rates of the space")
    seconds = given.get("seconds", 0.0)
    spent = float(seconds) if isinstance(seconds, Real) and math.isfinite(float(seconds)) else 0.0
    told = given.get("remarks", ())
    remarks = tuple(one for one in told if isinstance(one, Remark)) if isinstance(told, tuple) else ()
    return Reading(share, value, spent, worker, str(given.get("found", "")), remarks)
