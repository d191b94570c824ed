"""The public face of ``grouping``: these names, no more, and nothing heavy behind them."""

from __future__ import annotations

import subprocess
import sys

import grouping

PUBLIC = [
    "Affinity",
    "Budget",
    "Candidates",
    "Certificate",
    "CurveTable",
    "GroupingError",
    "InfeasibleError",
    "InputError",
    "LossTable",
    "NoResultError",
    "Progress",
    "Recommendation",
    "RegretChoice",
    "SharedCost",
    "Solution",
    "Study",
    "TableError",
    "Task",
    "bootstrap",
    "bootstrap_draws",
    "estimate",
    "frontier_from_pairs",
    "least_regret",
    "order_by_clustering",
    "pair_affinity",
    "read_curves",
    "read_losses",
    "recommend",
    "solve",
    "solve_from_pairs",
    "solve_frontier",
    "task_graph",
    "verify",
    "write_losses",
]


def test_the_public_names_are_these() -> None:
    assert grouping.__all__ == PUBLIC
    assert all(hasattr(grouping, name) for name in PUBLIC)


def test_importing_them_needs_numpy_alone() -> None:
    heavy = ["torch", "ray", "optuna", "scipy", "plotly", "jinja2", "sqlalchemy", "pyarrow", "networkx"]
    code = f"import sys, grouping; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
