"""One question about a table from its options to its answer: what ``taskgroup solve`` and the service both do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grouping.errors import InfeasibleError, InputError, NoResultError
from grouping.solver.solution import Solution
from search.questions.loss_columns import LossColumns
from search.questions.option_values import steps
from search.questions.pair_question import frontier_by_pairs, solve_by_pairs, sweep_by_pairs
from search.questions.serving_costs import ServingCosts
from search.questions.solution_json import certain_json, solution_json
from search.questions.table_draws import Certainty, certainty, require_replicates
from search.questions.table_question import InfeasibleBudget, TableQuestion

__all__ = ["Answer", "SolveOptions", "ask", "infeasible"]


@dataclass(frozen=True)
class SolveOptions:
    """The options of ``taskgroup solve`` by their names there; texts are as a user writes them.

    Raises:
        InputError: options that do not go together.
    """

    budget: Sequence[str] = ()
    max_networks: int | None = None
    max_size: int | None = None
    partition: bool = False
    where: Mapping[str, str] = field(default_factory=dict)
    score_where: Mapping[str, str] = field(default_factory=dict)
    estimator: str = "measured"
    estimate_where: Mapping[str, str] = field(default_factory=dict)
    fraction: float | None = None
    relative: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)
    objective: str = "sum"
    at_most: Mapping[str, float] = field(default_factory=dict)
    together: Sequence[str] = ()
    apart: Sequence[str] = ()
    deployed: Sequence[str] = ()
    sunk: Sequence[str] = ()
    shared_cost: Sequence[str] = ()
    drop_heads: bool = False
    auxiliary: Sequence[str] = ()
    top: int = 1
    draws: int | None = None
    tail: float | None = None
    seed: int = 0
    frontier: bool = False
    budgets: str | None = None
    time_limit: float | None = None

    def __post_init__(self) -> None:
        if self.frontier and self.budget:
            raise InputError(
                "--frontier takes no --budget", where="--budget", fix="Name the budgets: --budgets 1:5:0.5"
            )
        if self.frontier and self.top > 1 and self.budgets is None:
            raise InputError(
                "--frontier gives one solution a point", where="--top", fix="Name --budgets, or leave it out"
            )
        if self.budgets and not self.frontier:
            raise InputError(
                "--budgets needs --frontier", where="--budgets", fix="Add --frontier, or give one --budget"
            )
        if self.frontier and self.draws:
            raise InputError(
                "--draws judges one answer", where="--draws", fix="Give one --budget instead of --frontier"
            )
        if self.tail is not None and not (self.draws and 0 < self.tail <= 1):
            what = f"the tail {self.tail:g} is no share" if self.draws else "--tail needs --draws"
            raise InputError(what, where="--tail", fix="Give --draws 1000 --tail 0.1 for the worst tenth")
        if not (self.frontier or self.budget or self.max_networks):
            raise InputError(
                "nothing limits the networks", where="--budget", fix="Give --budget B, --max-networks K or --frontier"
            )


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of it.

    Args:
        question: The question as it was answered.
        points: One solution; or the frontier, with budgets that nothing fits.
        frontier: Which of the two it is.
        certainty: What draws say about the one solution, where they were asked for.
    """

    question: TableQuestion
    points: Sequence[Solution | InfeasibleBudget]
    frontier: bool
    certainty: Certainty | None = None

    @property
    def solutions(self) -> list[Solution]:
        """The points that are answers."""
        return [point for point in self.points if not isinstance(point, InfeasibleBudget)]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it; what had been found by then stands."""
        return any(point.stopped == "interrupted" for point in self.solutions)

    def as_json(self) -> dict[str, Any]:
        """What ``taskgroup solve --json`` prints."""
        if self.frontier:
            return {
                "solutions": [
                    point.as_json() if isinstance(point, InfeasibleBudget) else solution_json(self.question, point)
                    for point in self.points
                ]
            }
        (solution,) = self.solutions
        if self.certainty is not None:
            return certain_json(self.question, solution, self.certainty)
        return solution_json(self.question, solution)


def ask(columns: LossColumns, options: SolveOptions) -> Answer:
    """Read the table, put the question, and answer it.

    Raises:
        TableError: the table.
        InputError: options that do not fit it.
        NoResultError: nothing fits, or nothing was found in time.
    """
    question = TableQuestion.read(
        columns,
        where=options.where,
        score_where=options.score_where,
        estimator=options.estimator,
        estimate_where=options.estimate_where,
        fraction=options.fraction,
        relative=options.relative,
        max_size=options.max_size,
        auxiliary=options.auxiliary,
    ).constrained(
        weights=options.weights,
        at_most=options.at_most,
        together=options.together,
        apart=options.apart,
        deployed=options.deployed,
        max_networks=options.max_networks,
        max_size=options.max_size,
        partition=options.partition,
        objective=options.objective,
    )
    question = ServingCosts(options.sunk, options.shared_cost, options.drop_heads).added_to(
        question.within(options.budget), columns, options.where
    )
    if options.draws and not question.by_pairs:
        require_replicates(question)
    return _frontier(question, options) if options.frontier else _one(question, options)


def _one(question: TableQuestion, options: SolveOptions) -> Answer:
    if question.by_pairs:
        if options.top > 1 or options.draws:
            raise InputError(
                f"{len(question.table.tasks)} tasks form too many groups to be listed for --top or --draws",
                where="--top" if options.top > 1 else "--draws",
                fix="Leave it out, or make the groups few with --max-size",
            )
        question, solution = solve_by_pairs(question, time_limit=options.time_limit)
    else:
        solution = question.solve(top=options.top, time_limit=options.time_limit)
    if not options.draws or solution.stopped == "interrupted":
        return Answer(question, [solution], frontier=False)
    try:
        found = certainty(question, solution, draws=options.draws, tail=options.tail, seed=options.seed)
    except KeyboardInterrupt:  # the answer itself stands
        return Answer(question, [replace(solution, stopped="interrupted")], frontier=False)
    return Answer(question, [solution], frontier=False, certainty=found)


def _frontier(question: TableQuestion, options: SolveOptions) -> Answer:
    points: Sequence[Solution | InfeasibleBudget]
    budgets = None if options.budgets is None else steps(options.budgets, "--budgets")
    if question.by_pairs and budgets is None:
        question, points = frontier_by_pairs(question, time_limit=options.time_limit)
    elif question.by_pairs and budgets is not None:
        question, points = sweep_by_pairs(question, budgets, time_limit=options.time_limit)
    elif budgets is None:
        points = question.frontier(options.time_limit)
    else:
        points = question.sweep(budgets, top=options.top, time_limit=options.time_limit)
    if not points:
        raise NoResultError("stopped before any grouping was found", fix="Allow more time")
    return Answer(question, points, frontier=True)


def infeasible(answer: Answer) -> InfeasibleError:
    """The error of a frontier none of whose budgets fits anything."""
    least = max(point.minimum_budget or 0.0 for point in answer.points if isinstance(point, InfeasibleBudget))
    return InfeasibleError(
        "no grouping fits any of these budgets",
        where="--budgets",
        fix=f"The smallest feasible budget is {least:.12g}",
        minimum_budget=least,
    )
