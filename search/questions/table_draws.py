"""A question about a table put to many tables that other seeds could have given: how sure its answer is.

Every draw goes the whole way of the measured table: references of relative losses and estimates are made anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.estimators.higher_order import complete
from grouping.estimators.linear_surrogate import complete_linear
from grouping.evidence.draws import ResidualBootstrap
from grouping.evidence.regret import RegretChoice, Regrets
from grouping.evidence.stability import SelectionFrequency, frequency
from grouping.losses import LossTable
from grouping.solver.solution import Solution
from search.questions.table_question import TableQuestion

__all__ = ["Certainty", "certainty", "drawn_losses", "require_replicates"]

_AT_ONCE, _IN_ALL = 2**26, 2**32
"""Bytes of losses that are resampled at once, and of all draws together."""


@dataclass(frozen=True)
class Certainty:
    """What draws say about an answer.

    Args:
        seed: What the draws were made from.
        tail: Share of worst draws to look at, if any.
        frequency: How often each grouping was the best.
        choices: Regret of the answer and its alternatives, in their order.
        least: The grouping of least expected regret.
        safest: The grouping of least regret over the worst draws, where it was asked for.
    """

    seed: int
    tail: float | None
    frequency: SelectionFrequency
    choices: tuple[RegretChoice, ...]
    least: RegretChoice
    safest: RegretChoice | None

    @property
    def answer(self) -> RegretChoice:
        """Regret of the answer itself."""
        return self.choices[0]

    def is_answer(self, choice: RegretChoice) -> bool:
        """Whether a grouping is the answer: every task served by the same network."""
        a, b = choice.solution, self.answer.solution
        return bool(np.array_equal(a.chosen[a.serves_T], b.chosen[b.serves_T]))


def certainty(question: TableQuestion, solution: Solution, *, draws: int, tail: float | None, seed: int) -> Certainty:
    """Put the question to draws of its table, and judge the answer by them.

    Raises:
        InputError: no network was measured with two seeds, draws that fill the memory, or the objective is the maximum.
    """
    if question.options["objective"] != "sum":
        raise InputError(
            "regret over draws adds up losses of tasks, which --objective max does not",
            where="--draws",
            fix="Leave out one of the two",
        )
    rules = {name: value for name, value in question.options.items() if name != "objective"}
    losses_DCT = drawn_losses(question, draws, np.random.default_rng(seed))
    regrets = Regrets(losses_DCT, question.cost_CD, question.budget_D, measured_CT=question.table.mean_CT, **rules)
    least = regrets.least()
    safest = None if tail is None else regrets.least(tail)
    return Certainty(
        seed=seed,
        tail=tail,
        frequency=frequency(solution, regrets.best, question.table.tasks),
        choices=tuple(regrets.judge(choice, tail) for choice in (solution, *solution.alternatives)),
        least=least,
        safest=safest,
    )


def require_replicates(question: TableQuestion) -> None:
    """Refuse a table that cannot be resampled, before anything takes time.

    Raises:
        InputError: no network was measured with two seeds.
    """
    if not (question.given.replicates_CT > 1).any():
        raise InputError(
            "--draws resamples what differs between seeds, and no network was measured with two",
            where="--draws",
            fix="Add a column 'seed' with the rows of every seed, or leave --draws out",
        )


def drawn_losses(question: TableQuestion, draws: int, rng: np.random.Generator) -> FloatArray:
    """Mean losses of the question's candidates in resampled tables, [D, C, T].

    Raises:
        InputError: the draws would fill the memory.
    """
    given = question.given
    resample = ResidualBootstrap(given)
    seeds, each = len(given.seeds), 8 * question.table.mean_CT.size
    if draws * each > _IN_ALL:
        raise InputError(
            f"{draws} draws of {len(question.table.candidates)} networks do not fit into memory",
            where="--draws",
            fix=f"Ask for at most {_IN_ALL // each}, or limit the networks with --max-size",
        )
    parts = []
    at_once = max(1, _AT_ONCE // (each * seeds))
    for start in range(0, draws, at_once):
        count = min(at_once, draws - start)
        drawn = np.concatenate([resample.losses(rng) for _ in range(count)])
        if question.relative:
            drawn /= np.repeat(_references(question, drawn.reshape(count, seeds, *drawn.shape[1:])), seeds, axis=0)
        table = replace(given, losses_RCT=drawn, seeds=tuple(map(str, range(len(drawn)))))
        if question.estimator == "higher-order":
            table = complete(table, keep_measured=False, max_size=question.options["max_size"])
        if question.estimator == "linear-surrogate":
            table = complete_linear(table, question.options["max_size"])
        parts.append(_means(table, count))
    return np.concatenate(parts)


def _references(question: TableQuestion, losses_DRCT: FloatArray) -> FloatArray:
    """Single-task losses at cost 1 in each draw, [D, 1, T]; ones for tasks that are never served."""
    candidates = question.given.candidates
    reference_DT = np.ones((len(losses_DRCT), len(candidates.tasks)))
    for t, task in enumerate(candidates.tasks):
        single = candidates.index([task], 1.0)
        if t not in question.auxiliary and single is not None:
            reference_DT[:, t] = np.nanmean(losses_DRCT[:, :, single, t], axis=1)
    return reference_DT[:, None]


def _means(table: LossTable, draws: int) -> FloatArray:
    """Means over the replicates of each draw for candidates that have any, [D, C, T]."""
    losses_RCT = table.losses_RCT[:, np.logical_or.reduce(~np.isnan(table.losses_RCT), axis=(0, 2))]
    losses_DRCT = losses_RCT.reshape(draws, -1, *losses_RCT.shape[1:])
    count_DCT = (~np.isnan(losses_DRCT)).sum(axis=1)
    mean_DCT: FloatArray = np.full(count_DCT.shape, np.nan)
    np.divide(np.nansum(losses_DRCT, axis=1), count_DCT, out=mean_DCT, where=count_DCT > 0)
    return mean_DCT
