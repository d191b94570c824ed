"""Task grouping as arithmetic on tables: losses of candidate networks in, proven groupings and reports out.

Needs neither torch nor Ray; the machinery that fills the tables is the package ``search``. ::

    import grouping as g

    table = g.read_losses("losses.csv")
    solution = g.solve(table.mean_CT, table.candidates.cost_C, budget=3.0)
    assert g.verify(solution.certificate, table.mean_CT, table.candidates.cost_C)
"""

from grouping.budget import Budget
from grouping.candidates import Candidates
from grouping.curves import CurveTable
from grouping.errors import GroupingError, InfeasibleError, InputError, NoResultError, TableError
from grouping.estimators import estimate
from grouping.files import read_curves, read_losses, write_losses
from grouping.losses import LossTable
from grouping.solver.certificate import Certificate
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Progress, Solution
from grouping.solver.solve import solve
from grouping.solver.verification import verify
from grouping.tasks import Task

__all__ = [
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
    "Solution",
    "TableError",
    "Task",
    "estimate",
    "read_curves",
    "read_losses",
    "solve",
    "solve_frontier",
    "verify",
    "write_losses",
]
