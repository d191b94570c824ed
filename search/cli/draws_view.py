"""How sure an answer is over draws of its table, for people; regrets are in the objective's unit, 0 or more."""

from __future__ import annotations

from grouping.evidence.regret import RegretChoice
from grouping.evidence.stability import grouping_name
from grouping.solver.solution import Solution
from search.cli.solution_view import aligned, network_lines, solution_text
from search.questions.solution_json import MOST_GROUPINGS
from search.questions.table_draws import Certainty
from search.questions.table_question import TableQuestion

__all__ = ["certain_text"]


def certain_text(question: TableQuestion, solution: Solution, certainty: Certainty, *, brief: bool = False) -> str:
    """The answer; under it how often it and others were the best, and what it may lose against the best."""
    found, answer = certainty.frequency, certainty.answer
    error = f" +- {answer.error:.2g}" if found.draws > 1 else ""
    head = (
        f"Over {found.draws} tables resampled from the seeds, the answer was the best in {found.frequency:.1%}\n"
        f"(a selection frequency, not the probability of being best). Expected regret: {answer.expected:.4g}{error}."
    )
    table = "\n".join(aligned(_frequencies(question, certainty)))
    parts = [solution_text(question, solution, brief=brief), head, table]
    if not certainty.is_answer(certainty.least):
        least = certainty.least
        parts += [
            f"Least expected regret: {least.expected:.4g}, by",
            "\n".join(network_lines(question, least.solution)),
        ]
    if certainty.safest is not None:
        parts += _tail(question, certainty, certainty.safest)
    return "\n\n".join(parts)


def _frequencies(question: TableQuestion, certainty: Certainty) -> list[tuple[str, ...]]:
    """Who was the best how often: the most frequent groupings, and every one that was asked for."""
    ranks: dict[tuple[str, ...], str] = {}
    for rank, choice in enumerate(certainty.choices, start=1):
        ranks.setdefault(grouping_name(choice.solution, question.table.tasks), "answer" if rank == 1 else f"{rank}.")
    shares = certainty.frequency.groupings
    shown = [*list(shares)[:MOST_GROUPINGS]]
    shown += [name for name in ranks if name not in shown]
    rows = [(f"{shares.get(name, 0.0):.1%}", ranks.get(name, ""), "  ".join(name)) for name in shown]
    return [("best in", "rank", "networks"), *rows]


def _tail(question: TableQuestion, certainty: Certainty, safest: RegretChoice) -> list[str]:
    """What the answer loses in the worst draws, and who loses least there."""
    assert certainty.tail is not None
    worst = f"the worst {100 * certainty.tail:g}% of tables (CVaR)"
    proof = "proven least" if safest.gap <= 1e-9 else f"NOT proven least: bound {safest.bound:.4g}"
    value = f"{certainty.answer.cvar(certainty.tail):.4g}"
    if certainty.is_answer(safest):
        return [f"Regret over {worst}: {value}, {proof}."]
    return [
        f"Regret over {worst}: {value}. Least there: {safest.value:.4g} ({proof}), by",
        "\n".join(network_lines(question, safest.solution)),
    ]
