"""Affinity for eyes and for other programs: a clustered matrix, GraphML of the task graph, and CSV.

Orientation everywhere: the effect **on the row (task) of training with the column (partner)**.
"""

from __future__ import annotations

import csv
import io

import networkx as nx
import numpy as np

from grouping.affinity import Affinity, order_by_clustering, task_graph
from grouping.files.sheet import escaped
from grouping.recommendation import Recommendation

__all__ = ["affinity_csv", "graphml", "read_affinity"]


def read_affinity(recommendation: Recommendation, *, clustered: bool = False) -> Affinity:
    """The recommendation's pairs as a matrix; NaN where a pair has no entry, tasks without any entry left out.

    Args:
        recommendation: Whose ``affinity`` is read.
        clustered: Order the tasks so that mutual helpers stand side by side, instead of in task order.
    """
    entries = recommendation.affinity
    known = {e.task for e in entries} | {e.partner for e in entries}
    names = [task.name for task in recommendation.tasks if task.name in known]
    at = {name: i for i, name in enumerate(names)}
    gain_TT, low_TT, high_TT = (np.full((len(names), len(names)), np.nan) for _ in range(3))
    significant_TT = np.zeros(gain_TT.shape, bool)
    for e in entries:
        cell = at[e.task], at[e.partner]
        gain_TT[cell] = e.gain
        low_TT[cell] = np.nan if e.low is None else e.low
        high_TT[cell] = np.nan if e.high is None else e.high
        significant_TT[cell] = e.significant
    affinity = Affinity(tuple(names), gain_TT, low_TT, high_TT, significant_TT)
    if not clustered:
        return affinity
    order = order_by_clustering(affinity)
    square = np.ix_(order, order)
    ordered = tuple(names[i] for i in order)
    return Affinity(ordered, gain_TT[square], low_TT[square], high_TT[square], significant_TT[square])


def graphml(recommendation: Recommendation) -> str:
    """The task graph as GraphML: nodes with type, weight, role and the network that serves them.

    Attributes of the graph say what the affinities were measured at.
    """
    graph = task_graph(read_affinity(recommendation))
    graph.graph.update(recommendation.affinity_measured_at)
    serving = {task: n.network for n in recommendation.solution.networks for task in n.serves}
    for task in recommendation.tasks:
        served_by = serving.get(task.name, "")
        graph.add_node(task.name, type=task.type, weight=task.weight, role=task.role, served_by=served_by)
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def affinity_csv(recommendation: Recommendation) -> str:
    """One row a directed pair: task (who is affected), partner, gain, its interval, and what it was measured at.

    An affinity holds for the rows, epochs, learning rate and width it was measured with, so they stand in every row.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    measured_at = recommendation.affinity_measured_at
    writer.writerow(("task", "partner", "gain", "low", "high", "significant", *measured_at))
    for e in recommendation.affinity:
        ends = ("" if end is None else repr(end) for end in (e.low, e.high))
        writer.writerow(
            (
                escaped(e.task),
                escaped(e.partner),
                repr(e.gain),
                *ends,
                str(e.significant).lower(),
                *measured_at.values(),
            )
        )
    return out.getvalue()
