"""``taskgroup solve``: the exact best grouping of a table of losses, without any training."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, print_result

if TYPE_CHECKING:
    from search.questions.ask import Answer

__all__ = ["solve"]

_NO_RESULT, _INTERRUPTED = 3, 130


class EstimatorName(StrEnum):
    """What supplies the losses of groups; the names of ``grouping.estimators.ESTIMATORS``."""

    measured = "measured"
    higher_order = "higher-order"
    linear_surrogate = "linear-surrogate"
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
        typer.Option(
            help="higher-order: groups of three or more from pairs. linear-surrogate: those not in the table."
        ),
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
    from search.questions.ask import SolveOptions, ask, infeasible
    from search.questions.loss_columns import LossColumns
    from search.questions.option_values import conditions, numbers

    options = SolveOptions(
        budget=budget or (),
        max_networks=max_networks,
        max_size=max_size,
        partition=partition,
        where=conditions(where, "--where"),
        score_where=conditions(score_where, "--score-where"),
        estimator=estimator.value,
        estimate_where=conditions(estimate_where, "--estimate-where"),
        fraction=fraction,
        relative=relative,
        weights=numbers(weights.split(",") if weights else [], "--weights"),
        objective=objective.value,
        at_most=numbers(at_most, "--at-most"),
        together=together or (),
        apart=apart or (),
        deployed=deployed or (),
        sunk=sunk or (),
        shared_cost=shared_cost or (),
        drop_heads=drop_heads,
        auxiliary=auxiliary or (),
        top=top,
        draws=draws,
        tail=tail,
        seed=seed,
        frontier=frontier,
        budgets=budgets,
        time_limit=time_limit,
    )
    answer = ask(LossColumns(table, loss_column, group_column, higher_is_better), options)
    if as_json:
        emit_json(answer.as_json())
    elif not answer.solutions:
        raise infeasible(answer)
    else:
        print_result(escape_controls(_text(answer, brief=quiet)))
    if answer.interrupted:
        raise typer.Exit(_INTERRUPTED)
    if not answer.solutions:
        raise typer.Exit(_NO_RESULT)


def _text(answer: Answer, *, brief: bool) -> str:
    from search.cli.draws_view import certain_text
    from search.cli.solution_view import frontier_text, solution_text

    if answer.frontier:
        return frontier_text(answer.question, answer.points)
    (solution,) = answer.solutions
    if answer.certainty is not None:
        return certain_text(answer.question, solution, answer.certainty, brief=brief)
    return solution_text(answer.question, solution, brief=brief)
