"""Linear multi-task regression: tasks share features (group sparsity) or draw near to each other in clusters.

Where the field began, and still the first thing to look at on a table: no network, exact answers, seconds.
"""

from grouping.linear.clustered import ClusteredFit, clustered, find_clusters
from grouping.linear.group_sparse import GroupSparseFit, group_sparse, largest_penalty
from grouping.linear.problem import LinearProblem

__all__ = [
    "ClusteredFit",
    "GroupSparseFit",
    "LinearProblem",
    "clustered",
    "find_clusters",
    "group_sparse",
    "largest_penalty",
]
