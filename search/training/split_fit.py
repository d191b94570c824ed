"""Networks in training that are too many for one stack: several stacks that take turns between readings.

What a stack holds while it trains is let go before the next one has its turn. Company has no influence, so the numbers
are those of one stack.

Axes: ``K`` networks of all stacks, ``S`` steps, ``N`` rows, ``O`` outputs of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from torch import Tensor

from grouping.candidates import FloatArray
from search.networks.hard_sharing import HardSharing
from search.training.stacked_fit import StackedFit
from search.trials import NetworkState

__all__ = ["SplitFit"]


class SplitFit:
    """As ``StackedFit``; members are counted through all stacks.

    Args:
        fits: At least one.
        sizes: Networks of each.
    """

    def __init__(self, fits: Sequence[StackedFit], sizes: Sequence[int]) -> None:
        self._fits = list(fits)
        self._firsts = list(accumulate(sizes, initial=0))

    def advance(self, step: int) -> FloatArray:
        """As ``StackedFit.advance``, [S, K]."""
        return np.concatenate([fit.advance(step) for fit in self._fits], axis=1)

    def outputs(self, inputs_NF: Tensor) -> list[Tensor]:
        """As ``StackedFit.outputs``, [N, O] of each network."""
        return [outputs_NO for fit in self._fits for outputs_NO in fit.outputs(inputs_NF)]

    def store(self, member: int, network: HardSharing) -> None:
        """As ``StackedFit.store``."""
        place = self._place(member)
        self._fits[place].store(member - self._firsts[place], network)

    def state(self, member: int, network: HardSharing) -> NetworkState:
        """As ``StackedFit.state``."""
        place = self._place(member)
        return self._fits[place].state(member - self._firsts[place], network)

    def keep(self, members: Sequence[int]) -> None:
        """As ``StackedFit.keep``, for members in ascending order."""
        own = [[m - self._firsts[p] for m in members if self._place(m) == p] for p in range(len(self._fits))]
        for fit, left in zip(self._fits, own, strict=True):
            if left:
                fit.keep(left)
        self._fits = [fit for fit, left in zip(self._fits, own, strict=True) if left]
        self._firsts = list(accumulate((len(left) for left in own if left), initial=0))

    def _place(self, member: int) -> int:
        """The stack of a member."""
        return int(np.searchsorted(self._firsts, member, side="right")) - 1
