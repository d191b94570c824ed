"""Where the losses of ``taskgroup solve`` stand in a file, and reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grouping.errors import InputError
from grouping.files import read_curves, read_losses
from grouping.losses import LossTable

__all__ = ["LossColumns"]


@dataclass(frozen=True)
class LossColumns:
    """Where the losses stand in a file."""

    path: Path
    loss: str
    group: str
    higher_is_better: bool

    def table(self, where: Mapping[str, str]) -> LossTable:
        """The losses of some rows."""
        return read_losses(
            self.path,
            loss_column=self.loss,
            group_column=self.group,
            higher_is_better=self.higher_is_better,
            where=where,
        )

    def early(self, where: Mapping[str, str], estimate_where: Mapping[str, str], fraction: float | None) -> LossTable:
        """The losses of some rows early in training: other rows, or those at a fraction of the curves.

        Raises:
            InputError: not exactly one of the two was given.
        """
        if (fraction is None) == (not estimate_where):
            raise InputError(
                "early stopping needs to know which losses are early",
                where="--estimator",
                fix="Give --estimate-where COLUMN=VALUE, or --fraction F for a table with a column 'step'",
            )
        if fraction is None:
            return self.table({**where, **estimate_where})
        curves = read_curves(
            self.path,
            loss_column=self.loss,
            group_column=self.group,
            higher_is_better=self.higher_is_better,
            where=where,
        )
        return curves.at_fraction(fraction)
