"""Task grouping as arithmetic on tables: losses of candidate networks in, proven groupings and reports out.

Needs neither torch nor Ray; the machinery that fills the tables is the package ``search``. ::

    import grouping as g

    table = g.read_losses("losses.csv")
    solution = g.solve(table.mean_CT, table.candidates.cost_C, budget=3.0)
    assert g.verify(solution.certificate, table.mean_CT, table.candidates.cost_C)
"""

from grouping.affinity import Affinity, order_by_clustering, pair_affinity, task_graph
from grouping.budget import Budget
from grouping.candidates import Candidates
from grouping.curves import CurveTable
from grouping.errors import GroupingError, InfeasibleError, InputError, NoResultError, TableError
from grouping.estimators import estimate
from grouping.evidence import RegretChoice, bootstrap, bootstrap_draws, least_regret
from grouping.files import read_curves, read_losses, write_losses
from grouping.losses import LossTable
from grouping.recommendation import Recommendation, recommend
from grouping.solver.certificate import Certificate
from grouping.solver.frontier import solve_frontier
from grouping.solver.implicit import frontier_from_pairs, solve_from_pairs
from grouping.solver.question import SharedCost
from grouping.solver.solution import Progress, Solution
from grouping.solver.solve import solve
from grouping.solver.verification import verify
from grouping.study import Study
from grouping.tasks import Task

__all__ = [
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
