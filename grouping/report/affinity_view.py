"""Affinity for eyes and for other programs: a clustered matrix, the task graph, GraphML and CSV.

Orientation everywhere: the effect **on the row (task) of training with the column (partner)**.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from grouping.candidates import BoolArray, FloatArray
from grouping.recommendation import AffinityEntry, Recommendation

__all__ = ["AffinityView", "affinity_csv", "affinity_view", "csv_safe", "graphml", "task_graph"]


@dataclass(frozen=True, eq=False)
class AffinityView:
    """Affinity as a matrix whose tasks stand in clustered order.

    Args:
        tasks: Names in clustered order, length T.
        gain_TT: Effect on the row of training with the column; NaN where it was not measured.
        low_TT: Lower end of its interval; NaN where there is none.
        high_TT: Upper end.
        significant_TT: Whether the interval excludes zero.
    """

    tasks: tuple[str, ...]
    gain_TT: FloatArray
    low_TT: FloatArray
    high_TT: FloatArray
    significant_TT: BoolArray


def affinity_view(entries: Sequence[AffinityEntry], tasks: Sequence[str]) -> AffinityView:
    """The entries as a matrix, tasks ordered by average-linkage clustering with optimal leaf order.

    Tasks without any entry are left out.
    """
    known = {e.task for e in entries} | {e.partner for e in entries}
    names = [task for task in tasks if task in known]
    at = {name: i for i, name in enumerate(names)}
    gain_TT, low_TT, high_TT = (np.full((len(names), len(names)), np.nan) for _ in range(3))
    significant_TT = np.zeros(gain_TT.shape, bool)
    for e in entries:
        cell = at[e.task], at[e.partner]
        gain_TT[cell] = e.gain
        low_TT[cell] = np.nan if e.low is None else e.low
        high_TT[cell] = np.nan if e.high is None else e.high
        significant_TT[cell] = e.significant
    order = _clustered(gain_TT)
    square = np.ix_(order, order)
    return AffinityView(
        tuple(names[i] for i in order), gain_TT[square], low_TT[square], high_TT[square], significant_TT[square]
    )


def _clustered(gain_TT: FloatArray) -> list[int]:
    if len(gain_TT) < 3:
        return list(range(len(gain_TT)))
    both_TT = np.nan_to_num(gain_TT, nan=0.0)
    both_TT = (both_TT + both_TT.T) / 2
    off_diagonal = ~np.eye(len(both_TT), dtype=bool)
    distance_TT = np.where(off_diagonal, both_TT[off_diagonal].max() - both_TT, 0.0)
    distances = squareform(distance_TT, checks=False)
    tree = hierarchy.linkage(distances, method="average", optimal_ordering=True)
    return [int(i) for i in hierarchy.leaves_list(tree)]


def task_graph(entries: Sequence[AffinityEntry], tasks: Sequence[str] = ()) -> nx.DiGraph[str]:
    """Tasks as nodes; an edge partner -> task carries the gain of the task from training with the partner."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(tasks)
    for e in entries:
        graph.add_edge(e.partner, e.task, gain=e.gain, significant=e.significant, sign="help" if e.gain > 0 else "harm")
        for name, end in (("low", e.low), ("high", e.high)):
            if end is not None:
                graph.edges[e.partner, e.task][name] = end
    return graph


def graphml(recommendation: Recommendation) -> str:
    """The task graph as GraphML, nodes with type, weight, role and the network that serves them."""
    graph = task_graph(recommendation.affinity, [task.name for task in recommendation.tasks])
    serving = {task: n.network for n in recommendation.solution.networks for task in n.serves}
    for task in recommendation.tasks:
        graph.nodes[task.name].update(
            type=task.type, weight=task.weight, role=task.role, served_by=serving.get(task.name, "")
        )
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def affinity_csv(recommendation: Recommendation) -> str:
    """One row a directed pair: task (who is affected), partner, gain, low, high, significant."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("task", "partner", "gain", "low", "high", "significant"))
    for e in recommendation.affinity:
        ends = ("" if end is None else repr(end) for end in (e.low, e.high))
        writer.writerow((csv_safe(e.task), csv_safe(e.partner), repr(e.gain), *ends, str(e.significant).lower()))
    return out.getvalue()


def csv_safe(name: str) -> str:
    """The name, quoted by an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else name
