"""``taskgroup solve``: the exact best grouping of a table of losses, without any training."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, print_result

if TYPE_CHECKING:
    from grouping.solver.solution import Solution
    from search.cli.table_question import InfeasibleBudget, TableQuestion

__all__ = ["solve"]

_NO_RESULT, _INTERRUPTED = 3, 130


class EstimatorName(StrEnum):
    """What supplies the losses of groups; the names of ``grouping.estimators.ESTIMATORS``."""

    measured = "measured"
    higher_order = "higher-order"
    early_stopping = "early-stopping"


class ObjectiveName(StrEnum):
    """What is minimised over the tasks."""

    sum = "sum"
    max = "max"


Repeated = list[str] | None


def solve(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV or Parquet: one row a (network, task).")],
    budget: Annotated[
        Repeated, typer.Option(metavar="B", help="Largest sum of costs; UNIT=B reads the column cost_UNIT. Repeatable.")
    ] = None,
    max_networks: Annotated[int | None, typer.Option(min=1, help="At most that many networks.")] = None,
    max_size: Annotated[int | None, typer.Option(min=1, help="At most that many tasks in a network.")] = None,
    partition: Annotated[bool, typer.Option("--partition", help="Each task in exactly one network.")] = False,
    loss_column: Annotated[str, typer.Option(help="The column with the losses.")] = "loss",
    group_column: Annotated[str, typer.Option(help="The column with the networks.")] = "network",
    higher_is_better: Annotated[
        bool, typer.Option("--higher-is-better", help="The column holds gains or accuracies.")
    ] = False,
    where: Annotated[Repeated, typer.Option(metavar="COLUMN=VALUE", help="Use these rows. Repeatable.")] = None,
    score_where: Annotated[
        Repeated, typer.Option(metavar="COLUMN=VALUE", help="Report the choice on these rows too. Repeatable.")
    ] = None,
    estimator: Annotated[
        EstimatorName,
        typer.Option(help="higher-order: groups of three or more from pairs, also those the table holds."),
    ] = EstimatorName.measured,
    estimate_where: Annotated[
        Repeated, typer.Option(metavar="COLUMN=VALUE", help="early-stopping: the rows of early losses.")
    ] = None,
    fraction: Annotated[
        float | None, typer.Option(help="early-stopping: the share of training, where there is a column 'step'.")
    ] = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="Losses relative to the task's own network of cost 1.")
    ] = False,
    weights: Annotated[str | None, typer.Option(metavar="TASK=W,...", help="Weights of tasks; default 1.")] = None,
    objective: Annotated[ObjectiveName, typer.Option(help="Over tasks.")] = ObjectiveName.sum,
    at_most: Annotated[
        Repeated, typer.Option(metavar="TASK=LOSS", help="Worst loss accepted, in the table's unit. Repeatable.")
    ] = None,
    together: Annotated[Repeated, typer.Option(metavar="A+B", help="Some network trains both. Repeatable.")] = None,
    apart: Annotated[Repeated, typer.Option(metavar="A+B", help="No network trains both. Repeatable.")] = None,
    deployed: Annotated[
        Repeated, typer.Option(metavar="NETWORK", help="Paid for already, NETWORK or NETWORK@COST. Repeatable.")
    ] = None,
    sunk: Annotated[
        Repeated, typer.Option(metavar="NETWORK", help="Spent of the budget, used or not. Repeatable.")
    ] = None,
    shared_cost: Annotated[
        Repeated,
        typer.Option(metavar="[LABEL=]COST", help="Paid once by all, or by networks labelled so. Repeatable."),
    ] = None,
    drop_heads: Annotated[
        bool, typer.Option("--drop-heads", help="Heads that serve nobody cost nothing; needs the column head_cost.")
    ] = False,
    auxiliary: Annotated[Repeated, typer.Option(metavar="TASK", help="Need not be served. Repeatable.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many solutions, best first, with their gaps to the best.")] = 1,
    draws: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Solve N tables resampled from the seeds: frequency, regret.")
    ] = None,
    tail: Annotated[
        float | None, typer.Option(metavar="SHARE", help="--draws: least regret over this share of worst tables, too.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="--draws: what the draws are made from.")] = 0,
    frontier: Annotated[bool, typer.Option("--frontier", help="The best grouping for every budget.")] = False,
    budgets: Annotated[
        str | None, typer.Option(metavar="FROM:TO:STEP", help="--frontier: these budgets only, both ends included.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Then the best so far; --draws come on top.")
    ] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Find the best grouping of a table of losses under a budget, and prove it."""
    from grouping.errors import InputError
    from search.cli.loss_columns import LossColumns
    from search.cli.option_values import conditions, numbers
    from search.cli.serving_costs import ServingCosts
    from search.cli.solution_view import solution_json, solution_text
    from search.cli.table_question import TableQuestion

    if frontier and budget:
        raise InputError("--frontier takes no --budget", where="--budget", fix="Name the budgets: --budgets 1:5:0.5")
    if frontier and top > 1 and budgets is None:
        raise InputError("--frontier gives one solution a point", where="--top", fix="Name --budgets, or leave it out")
    if budgets and not frontier:
        raise InputError("--budgets needs --frontier", where="--budgets", fix="Add --frontier, or give one --budget")
    if frontier and draws:
        raise InputError("--draws judges one answer", where="--draws", fix="Give one --budget instead of --frontier")
    if tail is not None and not (draws and 0 < tail <= 1):
        what = f"the tail {tail:g} is no share" if draws else "--tail needs --draws"
        raise InputError(what, where="--tail", fix="Give --draws 1000 --tail 0.1 for the worst tenth")
    if not (frontier or budget or max_networks):
        raise InputError(
            "nothing limits the networks", where="--budget", fix="Give --budget B, --max-networks K or --frontier"
        )
    columns, rows = LossColumns(table, loss_column, group_column, higher_is_better), conditions(where, "--where")
    question = TableQuestion.read(
        columns,
        where=rows,
        score_where=conditions(score_where, "--score-where"),
        estimator=estimator.value,
        estimate_where=conditions(estimate_where, "--estimate-where"),
        fraction=fraction,
        relative=relative,
        max_size=max_size,
        auxiliary=auxiliary or [],
    ).constrained(
        weights=numbers(weights.split(",") if weights else [], "--weights"),
        at_most=numbers(at_most, "--at-most"),
        together=together or [],
        apart=apart or [],
        deployed=deployed or [],
        max_networks=max_networks,
        max_size=max_size,
        partition=partition,
        objective=objective.value,
    )
    question = ServingCosts(sunk or [], shared_cost or [], drop_heads).added_to(
        question.within(budget or []), columns, rows
    )
    if draws and not question.by_pairs:
        from search.cli.table_draws import require_replicates

        require_replicates(question)
    if frontier:
        _frontier(question, budgets, top, time_limit, as_json=as_json)
        return
    if question.by_pairs:
        from search.cli.pair_question import solve_by_pairs

        if top > 1 or draws:
            raise InputError(
                f"{len(question.table.tasks)} tasks form too many groups to be listed for --top or --draws",
                where="--top" if top > 1 else "--draws",
                fix="Leave it out, or make the groups few with --max-size",
            )
        question, solution = solve_by_pairs(question, time_limit=time_limit)
    else:
        solution = question.solve(top=top, time_limit=time_limit)
    if draws and solution.stopped != "interrupted":
        from search.cli.draws_view import certain_json, certain_text
        from search.cli.table_draws import certainty

        try:
            found = certainty(question, solution, draws=draws, tail=tail, seed=seed)
        except KeyboardInterrupt:  # the answer itself stands
            solution = replace(solution, stopped="interrupted")
        else:
            if as_json:
                emit_json(certain_json(question, solution, found))
            else:
                print_result(escape_controls(certain_text(question, solution, found, brief=quiet)))
            return
    if as_json:
        emit_json(solution_json(question, solution))
    else:
        print_result(escape_controls(solution_text(question, solution, brief=quiet)))
    if solution.stopped == "interrupted":
        raise typer.Exit(_INTERRUPTED)


def _frontier(
    question: TableQuestion, budgets: str | None, top: int, time_limit: float | None, *, as_json: bool
) -> None:
    """Answer for many budgets.

    Raises:
        NoResultError: none of them is feasible, or it was stopped before the first answer.
    """
    from grouping.errors import InfeasibleError, NoResultError
    from search.cli.option_values import steps
    from search.cli.solution_view import frontier_text, solution_json
    from search.cli.table_question import InfeasibleBudget

    points: list[Solution | InfeasibleBudget]
    if question.by_pairs:
        from search.cli.pair_question import frontier_by_pairs, sweep_by_pairs

        if budgets is None:
            question, found = frontier_by_pairs(question, time_limit=time_limit)
            points = [*found]
        else:
            question, points = sweep_by_pairs(question, steps(budgets, "--budgets"), time_limit=time_limit)
    elif budgets is None:
        points = [*question.frontier(time_limit)]
    else:
        points = question.sweep(steps(budgets, "--budgets"), top=top, time_limit=time_limit)
    solutions = [point for point in points if not isinstance(point, InfeasibleBudget)]
    if not points:
        raise NoResultError("stopped before any grouping was found", fix="Allow more time")
    if as_json:
        emit_json(
            {
                "solutions": [
                    point.as_json() if isinstance(point, InfeasibleBudget) else solution_json(question, point)
                    for point in points
                ]
            }
        )
    elif solutions:
        print_result(escape_controls(frontier_text(question, points)))
    else:
        least = max(point.minimum_budget or 0.0 for point in points if isinstance(point, InfeasibleBudget))
        raise InfeasibleError(
            "no grouping fits any of these budgets",
            where="--budgets",
            fix=f"The smallest feasible budget is {least:.12g}",
            minimum_budget=least,
        )
    if any(point.stopped == "interrupted" for point in solutions):
        raise typer.Exit(_INTERRUPTED)
    if not solutions:
        raise typer.Exit(_NO_RESULT)
