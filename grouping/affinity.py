"""Who helps whom: the effect on each task of sharing a network with one other, with its error.

Everywhere row ``t`` is the recipient and column ``u`` the partner: ``gain_TT[t, u]`` is what t gains from being trained
with u. It is not symmetric. Axes: ``T`` tasks, ``R`` replicates (seeds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray, frozen
from grouping.errors import InputError
from grouping.losses import LossTable, single_task_losses
from grouping.moderation import FEWEST_PEERS, Variance, moderated

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Affinity", "order_by_clustering", "pair_affinity", "pair_errors", "residual_variance", "task_graph"]

_CONFIDENCE = 0.95
_FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True, eq=False)
class Affinity:
    """Relative gains of tasks from partners; higher is better.

    Args:
        tasks: Task names, length T.
        gain_TT: ``(L_alone - L_pair) / L_alone`` of recipient t (row) with partner u (column); 0 on the diagonal, NaN
            where the pair was not trained.
        low_TT: Lower end of the 95 % interval of each entry by itself; NaN where there is no error to be had.
        high_TT: Upper end.
        significant_TT: Entries that differ from 0 with a false discovery rate of 5 % over the whole matrix (Benjamini &
            Hochberg 1995). Single intervals that exclude 0 are more: of 56 entries of pure noise about three do.

    Raises:
        InputError: a matrix that is not [T, T], or an infinite gain.
    """

    tasks: tuple[str, ...]
    gain_TT: FloatArray
    low_TT: FloatArray
    high_TT: FloatArray
    significant_TT: BoolArray

    def __post_init__(self) -> None:
        shape = (len(self.tasks),) * 2
        for name in ("gain_TT", "low_TT", "high_TT", "significant_TT"):
            values_TT = frozen(getattr(self, name))
            if values_TT.shape != shape:
                raise InputError(
                    f"{name} has the shape {values_TT.shape}, {shape} is needed",
                    where="affinity",
                    fix="Give one row and one column for each task",
                )
            object.__setattr__(self, name, values_TT)
        for t, u in np.argwhere(np.isinf(self.gain_TT)).tolist():
            raise InputError(
                f"the gain of '{self.tasks[t]}' from '{self.tasks[u]}' is infinite",
                where="affinity",
                fix="Give finite gains, and NaN where a pair was not trained",
            )


def pair_affinity(table: LossTable, cost: float = 1.0) -> Affinity:
    """Pairwise affinity from the single-task and the two-task networks of a table; intervals as ``pair_errors`` says.

    Args:
        table: Losses; single and pair candidates with that cost and an empty label are looked at.
        cost: Cost of the compared networks.

    Raises:
        InputError: a task without a single-task network of that cost, or whose loss is not positive.
    """
    from scipy.special import stdtr, stdtrit  # 0.2 s that the import of this module need not cost

    gain_TT, error_TT, df_TT = pair_errors(table, cost)
    half_TT = stdtrit(df_TT, (1 + _CONFIDENCE) / 2) * error_TT
    with np.errstate(divide="ignore", invalid="ignore"):  # no spread: 0/0 on the diagonal, infinite t elsewhere
        p_TT = 2 * stdtr(df_TT, -np.abs(gain_TT / error_TT))
    return Affinity(table.tasks, gain_TT, gain_TT - half_TT, gain_TT + half_TT, _discoveries(p_TT))


def pair_errors(table: LossTable, cost: float = 1.0) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gains, their standard errors, and the degrees of freedom of those, [T, T] each.

    An entry's error is that of a ratio of means over the R seeds that both networks have, so it includes that of the
    reference: the variance of ``(L_pair - (1 - gain) L_alone) / L_alone`` over seeds, by R. That variance is moderated
    by those of the recipient's other partners (``moderated``), which makes three seeds usable. On retrained networks
    nominal 90 % intervals from four seeds hold what four others say in 90 % of cases (``tests/benchmarks/evidence``).

    With fewer than four partners, or where a pair has one seed with its reference only, nothing can be learnt of how
    variances differ. The recipient's networks (alone, and with each partner) are then treatments in a block design with
    seeds as blocks: one residual variance ``s^2`` for all of them, and the error is
    ``s^2 / R * (1 + (1 - gain)^2)``, on losses relative to L_alone.

    Arguments and errors as for ``pair_affinity``.
    """
    reference_T = single_task_losses(table, cost)
    relative_RCT = table.scaled(reference_T).losses_RCT
    single_T, pair_TT = _networks(table, cost)
    n_tasks = len(table.tasks)
    gain_TT = np.where(np.eye(n_tasks, dtype=bool), 0.0, np.nan)
    error_TT, df_TT = gain_TT.copy(), np.ones((n_tasks, n_tasks))
    for t in range(n_tasks):
        partners = np.flatnonzero(pair_TT[t] >= 0)
        losses_RK = relative_RCT[:, np.concatenate([single_T[t : t + 1], pair_TT[t, partners]]), t]
        alone_RK = np.where(np.isnan(losses_RK[:, 1:]), np.nan, losses_RK[:, :1])
        shared_K = (~np.isnan(alone_RK)).any(axis=0)
        alone_RK, partners = alone_RK[:, shared_K], partners[shared_K]
        pair_RK = np.where(np.isnan(alone_RK), np.nan, losses_RK[:, 1:][:, shared_K])
        ratio_K = np.nansum(pair_RK, axis=0) / np.nansum(alone_RK, axis=0)
        gain_TT[t, partners] = 1 - ratio_K
        error_TT[t, partners], df_TT[t, partners] = _errors(losses_RK, alone_RK, pair_RK, ratio_K)
    return gain_TT, error_TT, df_TT


def _errors(
    losses_RK: FloatArray, alone_RK: FloatArray, pair_RK: FloatArray, ratio_K: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Standard errors of one recipient's ratios and their degrees of freedom, [K] each; see ``pair_errors``."""
    seeds_K = (~np.isnan(alone_RK)).sum(axis=0)
    if len(seeds_K) <= FEWEST_PEERS or not (seeds_K > 1).all():
        variance, df = residual_variance(losses_RK)
        return np.sqrt(variance / seeds_K * (1 + ratio_K**2)), np.full(len(seeds_K), float(max(df, 1)))
    away_RK = pair_RK - ratio_K * alone_RK
    own_K = [
        Variance(float(value), float(seeds - 1))
        for value, seeds in zip(np.nansum(away_RK**2, axis=0) / (seeds_K - 1), seeds_K, strict=True)
    ]
    found_K = [moderated(own, [*own_K[:k], *own_K[k + 1 :]]) for k, own in enumerate(own_K)]
    value_K, df_K = (np.array([one[part] for one in found_K]) for part in (0, 1))
    return np.sqrt(value_K / seeds_K) / np.nanmean(alone_RK, axis=0), df_K


def order_by_clustering(affinity: Affinity) -> IntArray:
    """An order of the tasks that puts mutual helpers side by side, [T]: for the rows and columns of a heat map.

    Average linkage on the mean gain of both directions (unknown gains count as 0), leaves ordered optimally.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage  # 0.2 s that the import of this module need not cost

    n_tasks = len(affinity.tasks)
    if n_tasks < 3:
        return np.arange(n_tasks)
    known_TT = np.nan_to_num(affinity.gain_TT)
    mutual = ((known_TT + known_TT.T) / 2)[np.triu_indices(n_tasks, 1)]
    return leaves_list(linkage(mutual.max() - mutual, "average", optimal_ordering=True)).astype(np.int64)


def task_graph(affinity: Affinity) -> nx.DiGraph[str]:
    """The affinities as a graph: an edge runs from the partner to the recipient it helps or harms.

    Edges carry ``gain``, ``sign`` (1, 0, -1), ``significant`` and, where they are known, ``low`` and ``high``; pairs
    that were not trained have no edge, so no attribute is ever NaN.
    """
    import networkx as nx  # 0.2 s that the import of this module need not cost

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(affinity.tasks)
    for t, recipient in enumerate(affinity.tasks):
        for u, partner in enumerate(affinity.tasks):
            gain = float(affinity.gain_TT[t, u])
            if t == u or np.isnan(gain):
                continue
            ends = {"low": float(affinity.low_TT[t, u]), "high": float(affinity.high_TT[t, u])}
            graph.add_edge(
                partner,
                recipient,
                gain=gain,
                sign=int(np.sign(gain)),
                significant=bool(affinity.significant_TT[t, u]),
                **{name: end for name, end in ends.items() if not np.isnan(end)},
            )
    return graph


def _networks(table: LossTable, cost: float) -> tuple[IntArray, IntArray]:
    """Candidate index of each task alone, [T], and of each pair, [T, T]; -1 where there is none."""
    candidates = table.candidates
    single_T = np.full(len(table.tasks), -1)
    pair_TT = np.full((len(table.tasks),) * 2, -1)
    plain_C = (candidates.cost_C == cost) & np.array([not label for label in candidates.label_C], dtype=bool)
    for c in np.flatnonzero(plain_C & (candidates.size_C <= 2)):
        members = np.flatnonzero(candidates.members_CT[c])
        if len(members) == 1:
            single_T[members] = c
        else:
            pair_TT[members, members[::-1]] = c
    return single_T, pair_TT


def residual_variance(losses_RK: FloatArray) -> tuple[float, int]:
    """Variance left once every network and every seed has its own mean, and its degrees of freedom; NaN and 0 if none.

    By least squares, because some seeds may be missing for some of the K networks; the networks' means are taken out
    beforehand from both sides (Frisch & Waugh 1933), which leaves as many unknowns as there are seeds.
    """
    known_RK = ~np.isnan(losses_RK)
    count_K = known_RK.sum(axis=0)
    network_K = count_K > 0
    seed_N, owner_N = np.nonzero(known_RK)
    seeds_RN = (np.arange(len(losses_RK))[:, None] == seed_N).astype(float)
    share_RK = known_RK / np.maximum(count_K, 1)
    mean_K = np.nansum(losses_RK, axis=0) / np.maximum(count_K, 1)
    design = (seeds_RN - share_RK[:, owner_N]).T
    values_N = losses_RK[seed_N, owner_N] - mean_K[owner_N]
    fit, _, rank, _ = np.linalg.lstsq(design, values_N, rcond=None)
    df = len(values_N) - int(network_K.sum()) - int(rank)
    if df < 1:
        return float("nan"), 0
    residual_N = values_N - design @ fit
    # Rounding of the fit must not pass for noise: equal losses have no spread at all.
    residual_N[np.abs(residual_N) < 1e-12 * np.abs(mean_K).max()] = 0.0
    return float(residual_N @ residual_N) / df, df


def _discoveries(p_TT: FloatArray) -> BoolArray:
    """Entries that the step-up procedure of Benjamini and Hochberg rejects; NaN entries are not tested."""
    tested = np.sort(p_TT[~np.isnan(p_TT)])
    limits = _FALSE_DISCOVERIES * np.arange(1, len(tested) + 1) / max(len(tested), 1)
    passed = np.flatnonzero(tested <= limits)
    threshold = limits[passed[-1]] if len(passed) else -1.0
    significant_TT: BoolArray = p_TT <= threshold
    return significant_TT
