"""How much better than the chosen grouping another may be: regret under the posterior, with an interval.

The table of losses is not the truth: few trainings are noisy, and groups that nobody trained may be better than any
that was. The posterior over the whole table (measurements, and what they say of the rest) is drawn from; in each draw
the exact solver finds the best grouping, and the regret of a grouping is what it loses against that.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks, ``D`` draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.errors import InputError
from grouping.evidence.expected_losses import kinds
from grouping.evidence.regret import Regrets
from grouping.losses import LossTable
from grouping.posterior import Belief, Believed
from grouping.solver.solution import Solution

__all__ = ["REGRET_CONFIDENCE", "TAIL", "TAIL_UNTRAINED", "StatedRegret", "TableBelief", "stated_regret"]

REGRET_CONFIDENCE = 0.9
"""Of the interval of a stated regret."""

TAIL, TAIL_UNTRAINED = 0.05, 0.025
"""Share of draws beyond each end of the interval: as it should be where every rival was trained, and less where some
were not. The model is too sure of those: on complete tables of which two groups in five were trained, the middle 90 %
of draws held the realised regret in too few cases. The smaller tail mends that on the tables of each data set when it
is found on those of the others (``tests/benchmarks/regret``)."""

_DRAWS = 200


@dataclass(frozen=True, eq=False)
class StatedRegret:
    """What a grouping may lose against the best, in the objective's unit.

    Args:
        expected: Mean regret.
        low, high: 90 % interval.
        best: Chance that it is the best of all.
        chance: Chance that the regret is worth while: above a limit that was asked about.
        draws: Tables it was judged on.
        untrained: Whether groups that nobody trained were among its rivals.
    """

    expected: float
    low: float
    high: float
    best: float
    chance: float
    draws: int
    untrained: bool


@dataclass(frozen=True, eq=False)
class TableBelief:
    """The belief of a table whose candidates may have several costs or kinds; each kind is modelled by itself.

    The grouping of least expected regret is the best one on the expected losses (see ``least_regret``): they shrink a
    lucky training towards what similar groups gave.

    Args:
        table: Measured losses, NaN where nothing was trained.
        rivals_C: Candidates that are drawn; the others are left out.
    """

    table: LossTable
    rivals_C: BoolArray

    @property
    def drawn_C(self) -> BoolArray:
        """Candidates that something is believed of: the rivals of kinds with at least two measured cells."""
        drawn_C = np.zeros(len(self.table.candidates), dtype=bool)
        for kind_C in self._kinds():
            drawn_C |= kind_C
        return drawn_C

    def draws(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Tables that may be true, [D, C, T]; NaN off the members and for candidates that are left out.

        Raises:
            InputError: too many cells to be drawn together.
        """
        drawn_DCT = np.full((count, *self.table.candidates.members_CT.shape), np.nan)
        for kind_C in self._kinds():
            drawn_DCT[:, kind_C] = self._believed(kind_C).draws(count, rng)
        return drawn_DCT

    def mean_CT(self) -> FloatArray:
        """Expected losses, [C, T]; NaN off the members and for candidates that are left out."""
        mean_CT = np.full(self.table.candidates.members_CT.shape, np.nan)
        for kind_C in self._kinds():
            mean_CT[kind_C] = self._believed(kind_C).mean_CT
        return mean_CT

    def _kinds(self) -> list[BoolArray]:
        return kinds(self.table, self.rivals_C)

    def _believed(self, kind_C: BoolArray) -> Believed:
        part = self.table.select(kind_C)
        return Belief(part.candidates.members_CT).of(part, exact=False)


def stated_regret(
    belief: TableBelief,
    solution: Solution,
    cost_C: FloatArray,
    budget: float | Sequence[float],
    rng: np.random.Generator,
    *,
    rules: Mapping[str, Any] | None = None,
    draws: int = _DRAWS,
    worthwhile: float = 0.0,
) -> StatedRegret:
    """Regret of a grouping against the best of all rivals in tables that may be true.

    On complete tables of retrained networks (``tests/benchmarks/regret``) the realised regret lies within the 90 %
    interval in about nine cases of ten, whether every rival was trained or two in five were. What was never trained is
    believed to promise a little too much: the expected regret is then too high, by a seventh to a quarter.

    Args:
        belief: Of the whole table; the rivals include every chosen candidate.
        solution: The grouping, indices into the table.
        cost_C: What serving costs.
        budget: As for ``solve``.
        rng: Source of the draws.
        rules: What else ``solve`` takes.
        draws: How many tables.
        worthwhile: Limit that ``chance`` is about, in the objective's unit.

    Raises:
        InputError: too many cells to be drawn together, or a chosen candidate that is no rival.
    """
    drawn_DCT = belief.draws(draws, rng)
    index = np.flatnonzero(~np.isnan(drawn_DCT[0]).all(axis=1))
    if not np.isin(solution.chosen, index).all():
        raise InputError("a chosen network is not among those that are drawn", fix="Let rivals_C hold the choice")
    members_CT = belief.table.candidates.members_CT[index]
    regrets = Regrets(drawn_DCT[:, index], cost_C[index], budget, members_CT=members_CT, **(rules or {}))
    place = {int(c): i for i, c in enumerate(index)}
    served_T = np.array([place[int(c)] for c in solution.chosen])[solution.serves_T]
    regret_D = np.maximum(regrets.losses(served_T) - regrets.optimal_D, 0.0)
    untrained_C = (belief.table.replicates_CT == 0).all(axis=1)
    tail = TAIL_UNTRAINED if untrained_C[index].any() else TAIL
    low, high = np.quantile(regret_D, [tail, 1 - tail]).tolist()
    best = float((regret_D <= 1e-9 * np.abs(regrets.optimal_D)).mean())
    chance = float((regret_D > max(worthwhile, 1e-9)).mean())
    return StatedRegret(float(regret_D.mean()), low, high, best, chance, draws, bool(untrained_C[index].any()))
