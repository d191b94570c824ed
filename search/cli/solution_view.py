"""An answer of the solver for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grouping.solver.solution import Solution
from search.questions.solution_json import behind, network_json
from search.questions.table_question import InfeasibleBudget, TableQuestion

__all__ = ["aligned", "frontier_text", "network_lines", "solution_text"]


def solution_text(question: TableQuestion, solution: Solution, *, brief: bool = False) -> str:
    """The answer as a small table: who is trained together, who is served by whom, and how sure it is."""
    answers = [solution, *solution.alternatives]
    parts = []
    for rank, answer in enumerate(answers, start=1):
        head = _headline(question, answer) if rank == 1 else f"{rank}. {_figures(question, answer, best=solution)}"
        known = brief and rank == 1 and answer.proven_optimal  # who asks for less must still hear what is not proven
        lines = [] if known else [head, ""]
        parts.append("\n".join([*lines, *network_lines(question, answer)]))
    return "\n\n".join(parts)


def _headline(question: TableQuestion, solution: Solution) -> str:
    limit = "" if math.isinf(solution.budget) else f" within a budget of {solution.budget:g}"
    n_candidates, n_tasks = question.considered, len(question.table.tasks)
    return "\n".join(
        [
            f"{_count(n_tasks, 'task')}, {_count(n_candidates, 'candidate network')}{limit}",
            _proof(question, solution),
            _figures(question, solution),
        ]
    )


def _proof(question: TableQuestion, solution: Solution) -> str:
    if solution.proven_optimal:
        return f"Proven optimal for the {question.optimal_for}."
    why = f"stopped: {solution.stopped}; " if solution.stopped else ""
    return f"NOT proven optimal ({why}gap {solution.gap:.2%}) for the {question.optimal_for}."


def _figures(question: TableQuestion, solution: Solution, *, best: Solution | None = None) -> str:
    name = {"sum": "total", "max": "worst"}[question.options["objective"]]
    kind = "gain" if question.sign < 0 else "relative loss" if question.relative else "loss"
    text = f"{name} {kind} {question.sign * solution.objective:.6g}"
    if best is not None:
        text += f" ({_gap(question, best, solution)})"
    text += f", cost {solution.cost:g}{_counted(question)}"
    if not solution.proven_optimal:
        text += f", bound {question.sign * solution.bound:.6g}"
    score = question.score(solution)
    if score is not None:
        text += f"; scored: {score[0]:.6g} as routed, {score[1]:.6g} by the best chosen network"
    return text


def _counted(question: TableQuestion) -> str:
    """What the cost is, where it is not the sum over networks."""
    notes = [
        (question.options["sunk"], "sunk networks included"),
        (question.options["shared"], "what is shared counted once"),
        (question.options.get("head_cost") is not None, "without idle heads"),
    ]
    told = [note for there, note in notes if there]
    return f" ({', '.join(told)})" if told else ""


def _gap(question: TableQuestion, best: Solution, other: Solution) -> str:
    """'+0.42% above the best', or the difference itself where the best is zero; gains are below it."""
    behind_by = behind(best, other)
    share, side = behind_by["gap_to_best_relative"], "above" if question.sign > 0 else "below"
    if behind_by["gap_to_best"] == 0:
        return "as good as the best"
    mark = "+" if question.sign > 0 else "-"
    amount = f"{behind_by['gap_to_best']:.3g}" if share is None else f"{100 * share:.3g}%"
    return f"{mark}{amount} {side} the best"


def network_lines(question: TableQuestion, solution: Solution) -> list[str]:
    """One line a network: who is served by it, and who is trained in it for the others' sake."""
    rows = [("network", "cost", "serves", "trained to help")]
    for g in range(len(solution.chosen)):
        network = network_json(question, solution, g)
        loss_of = dict(zip(question.table.tasks, solution.losses_T.tolist(), strict=True))
        served = [f"{task} {question.sign * loss_of[task]:.4g}" for task in network["serves"]]
        helping = [task for task in network["tasks"] if task not in network["serves"]]
        name = network["network"] + (f" [{network['candidate']}]" if network["candidate"] else "")
        cost = next((state for state in ("deployed", "sunk") if network.get(state)), f"{network['cost']:g}")
        rows.append((name, cost, ", ".join(served), ", ".join(helping) or "-"))
    return aligned(rows)


def frontier_text(question: TableQuestion, points: Sequence[Solution | InfeasibleBudget]) -> str:
    """One line a budget."""
    n_candidates, n_tasks = question.considered, len(question.table.tasks)
    rows = [("budget", "cost", "objective", "proven", "networks")]
    for point in points:
        if isinstance(point, InfeasibleBudget):
            least = "" if point.minimum_budget is None else f"; {point.minimum_budget:g} would do"
            rows.append((f"{point.budget:g}", "-", "-", "-", f"infeasible{least}"))
            continue
        names = [network_json(question, point, g) for g in range(len(point.chosen))]
        rows.append(
            (
                f"{point.budget:g}",
                f"{point.cost:g}",
                f"{question.sign * point.objective:.6g}",
                "yes" if point.proven_optimal else f"gap {point.gap:.2%}",
                "  ".join(f"{network['network']}@{network['cost']:g}" for network in names),
            )
        )
    head = f"{_count(n_tasks, 'task')}, {_count(n_candidates, 'candidate network')}"
    why = next((point.stopped for point in points if isinstance(point, Solution) and point.stopped), "")
    cut = [f"Stopped ({why}): the budgets that are not listed were not reached."] if why else []
    return "\n".join([f"{head}; optimal for the {question.optimal_for}", *cut, "", *aligned(rows)])


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns of text, two blanks apart."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [f"  {line}" for line in lines]
