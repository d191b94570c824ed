"""Who trained the networks where that was not us, as a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ForeignTrainer"]


@dataclass(frozen=True)
class ForeignTrainer:
    """Somebody's own trainer, and what is known of the losses that it reported.

    Args:
        name: What it is, for people: ``the command python train.py ...``.
        confirmed_on: The part that losses of the confirmation are from; choices are always made on ``validation``.
        by_rows: Whether it told test rows apart by clusters; if not, intervals are over seeds alone.
    """

    name: str
    confirmed_on: Literal["test", "validation"]
    by_rows: bool
