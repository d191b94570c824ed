"""``taskgroup replay``: a complete table as the training oracle, to compare ways of choosing what to train."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, is_terminal, print_result

if TYPE_CHECKING:
    from grouping.acquisition import Goals
    from grouping.losses import LossTable
    from search.questions.table_question import TableQuestion

__all__ = ["replay"]

Repeated = list[str] | None


def replay(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV or Parquet with every group of the tasks.")],
    groups: Annotated[int, typer.Option(min=1, help="Groups of two or more tasks that may be trained.")],
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="Runs of each strategy.")] = 20,
    strategy: Annotated[
        Repeated, typer.Option(help="random, pairs, expected-improvement, thompson; repeatable. Default: all.")
    ] = None,
    budget: Annotated[
        Repeated, typer.Option(metavar="B", help="Largest sum of costs; repeatable. Default: 2, 3, ... networks.")
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
        Repeated, typer.Option(metavar="COLUMN=VALUE", help="Score the choices on these rows. Repeatable.")
    ] = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="Losses relative to the task's own network of cost 1.")
    ] = False,
    weights: Annotated[str | None, typer.Option(metavar="TASK=W,...", help="Weights of tasks; default 1.")] = None,
    auxiliary: Annotated[Repeated, typer.Option(metavar="TASK", help="Need not be served. Repeatable.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Captured gain by groups trained: .html.")] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Let strategies search a table that is known in full: how good is each after so many trained groups?"""
    from grouping.acquisition import STRATEGIES
    from grouping.replay.replay import replay as run_replay
    from grouping.replay.summary import replay_json
    from search.questions.loss_columns import LossColumns
    from search.questions.option_values import conditions, numbers
    from search.questions.table_question import TableQuestion

    question = TableQuestion.read(
        LossColumns(table, loss_column, group_column, higher_is_better),
        where=conditions(where, "--where"),
        score_where=conditions(score_where, "--score-where"),
        estimator="measured",
        estimate_where={},
        fraction=None,
        relative=relative,
        max_size=max_size,
        auxiliary=auxiliary or [],
    ).constrained(
        weights=numbers(weights.split(",") if weights else [], "--weights"),
        at_most={},
        together=[],
        apart=[],
        deployed=[],
        max_networks=max_networks,
        max_size=max_size,
        partition=partition,
        objective="sum",
    )
    goals = _goals(question, budget or [])
    if plot is not None:
        from grouping.report.replay_page import check_page, write_plot

        check_page(plot)
    found = run_replay(
        goals,
        question.table,
        groups,
        seeds,
        strategies=strategy or tuple(STRATEGIES),
        scored=_aligned(question),
        progress=lambda name, run: _tell(name, run, seeds, quiet=quiet or as_json),
    )
    answer = {"table": str(table), "tasks": list(question.table.tasks), **replay_json(found, question.sign)}
    if plot is not None:
        write_plot(answer, plot)
    if as_json:
        emit_json(answer)
    else:
        print_result(escape_controls(_text(answer, len(question.table.seeds), brief=quiet)))


def _goals(question: TableQuestion, budgets: list[str]) -> Goals:
    """The budgets asked for; by default as many networks of the commonest cost as there are tasks, from two on.

    Raises:
        InputError: no number, or a unit other than the table's cost.
    """
    import numpy as np

    from grouping.acquisition import Goals
    from grouping.errors import InputError
    from search.questions.option_values import number

    candidates = question.table.candidates
    limits = [number(text) for text in budgets]
    for text, limit in zip(budgets, limits, strict=True):
        if limit is None or limit <= 0:
            raise InputError(f"'{text}' is no budget", where="--budget", fix="Give a positive number, as in --budget 3")
    if not limits:
        costs, counts = np.unique(candidates.cost_C[candidates.size_C > 1], return_counts=True)
        if not len(costs):
            raise InputError("the table has no network of two or more tasks", where="TABLE", fix="Add them")
        limits = [float(k * costs[counts.argmax()]) for k in range(2, candidates.n_tasks + 1)]
    rules = {name: value for name, value in question.options.items() if name != "members_CT"}
    return Goals(candidates, tuple(limit for limit in limits if limit is not None), rules=rules)


def _aligned(question: TableQuestion) -> LossTable | None:
    """The scored part with its candidates and tasks in the table's order.

    Raises:
        InputError: a network that it lacks.
    """
    import numpy as np

    from grouping.errors import InputError
    from grouping.losses import LossTable

    table, scored = question.table, question.scored
    if scored is None:
        return None
    candidates = table.candidates
    order = [scored.tasks.index(task) if task in scored.tasks else -1 for task in table.tasks]
    rows = []
    for c in range(len(candidates)):
        members = [task for task, member in zip(table.tasks, candidates.members_CT[c], strict=True) if member]
        row = scored.candidates.index(members, float(candidates.cost_C[c]), candidates.label_C[c])
        if row is None or -1 in order:
            raise InputError(
                f"the rows of --score-where do not hold network '{candidates.name(c)}'",
                where="--score-where",
                fix="Score on a part that holds every network",
            )
        rows.append(row)
    losses_RCT = scored.losses_RCT[:, rows][:, :, order]
    return LossTable(candidates, np.where(candidates.members_CT, losses_RCT, np.nan), scored.seeds)


def _tell(name: str, run: int, runs: int, *, quiet: bool) -> None:
    """One live line on a terminal."""
    if not quiet and is_terminal():
        done = f"\r{name}: run {run + 1} of {runs}"
        sys.stderr.write(done.ljust(60) + ("\r" + " " * 60 + "\r" if run + 1 == runs else ""))
        sys.stderr.flush()


def _text(answer: dict[str, Any], seeds: int, *, brief: bool) -> str:
    """The replay as a table: one line a strategy."""
    from search.cli.solution_view import aligned

    strategies = answer["strategies"]
    first = strategies[0]
    judged = "the table is the truth"
    if seeds > 1:
        judged = f"trained on {seeds // 2} of its {seeds} seeds, judged on the others"
    budgets = len(answer["budgets"])
    head = (
        f"{len(answer['tasks'])} tasks, {first['groups_trained']} groups trained, {first['runs']} runs of each "
        f"strategy, {budgets} budget{'s' * (budgets > 1)}; {judged}"
    )
    scored = "scored" in first
    heads = ("strategy", "captured", "share of optimum", "scored" if scored else "objective")
    rows = [
        (one["name"], *(_interval(one[name]) for name in ("captured", "share_of_optimum", heads[-1])))
        for one in sorted(strategies, key=lambda s: -s["captured"]["mean"])
    ]
    lines = aligned([heads, *rows])[1:] if brief else [head, "", *aligned([heads, *rows])]
    if not brief:
        lines += ["", "captured: 0 = best of singles and all-in-one, 1 = optimum; mean over budgets, 95 % intervals"]
    return "\n".join(lines)


def _interval(value: dict[str, float]) -> str:
    import math

    mean, low, high = value["mean"], value["low"], value["high"]
    if math.isnan(mean):
        return "-"
    ends = "" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]"
    return f"{mean:.3f}{ends}"
