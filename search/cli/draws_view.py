"""How sure an answer is over draws of its table, for scripts (JSON) and for people (text).

``draws`` in the JSON: ``count``, ``seed``; of the answer its ``frequency``, ``expected_regret``,
``expected_regret_error`` (Monte-Carlo standard error) and, with ``--tail``, ``tail`` and ``cvar``; ``groupings``, the
most frequent ones; ``least_regret`` and, with ``--tail``, ``least_cvar``: the groupings that are best by these, with
the proven ``bound`` and the ``gap`` to it. Regrets are in the objective's unit, 0 or more, gains or losses alike.
"""

from __future__ import annotations

from typing import Any

from grouping.evidence.regret import RegretChoice
from grouping.evidence.stability import grouping_name
from grouping.solver.solution import Solution
from search.cli.solution_view import aligned, network_json, network_lines, solution_json, solution_text
from search.cli.table_draws import Certainty
from search.cli.table_question import TableQuestion

__all__ = ["certain_json", "certain_text"]

_MOST_GROUPINGS = 10


def certain_json(question: TableQuestion, solution: Solution, certainty: Certainty) -> dict[str, Any]:
    """The answer with what draws say about it, under ``draws``; each alternative has its own part of that."""
    answer = solution_json(question, solution)
    most = list(certainty.frequency.groupings.items())[:_MOST_GROUPINGS]
    answer["draws"] = {
        "count": certainty.frequency.draws,
        "seed": certainty.seed,
        **_regret_json(question, certainty, certainty.answer),
        "groupings": [{"networks": list(networks), "frequency": share} for networks, share in most],
        "least_regret": _choice_json(question, certainty, certainty.least),
    }
    if certainty.safest is not None:
        answer["draws"]["least_cvar"] = _choice_json(question, certainty, certainty.safest)
    for alternative, choice in zip(answer.get("alternatives", []), certainty.choices[1:], strict=True):
        alternative["draws"] = _regret_json(question, certainty, choice)
    return answer


def _regret_json(question: TableQuestion, certainty: Certainty, choice: RegretChoice) -> dict[str, Any]:
    """How often a grouping was the best, and what it loses against the best."""
    name = grouping_name(choice.solution, question.table.tasks)
    regret: dict[str, Any] = {
        "frequency": certainty.frequency.groupings.get(name, 0.0),
        "expected_regret": choice.expected,
        "expected_regret_error": choice.error,
    }
    if certainty.tail is not None:
        regret |= {"tail": certainty.tail, "cvar": choice.cvar(certainty.tail)}
    return regret


def _choice_json(question: TableQuestion, certainty: Certainty, choice: RegretChoice) -> dict[str, Any]:
    """A grouping that was chosen over draws; ``bound`` and ``gap`` are of what it was chosen by."""
    solution = choice.solution
    return {
        "objective": question.sign * solution.objective,
        "cost": solution.cost,
        "networks": [network_json(question, solution, g) for g in range(len(solution.chosen))],
        **_regret_json(question, certainty, choice),
        "bound": choice.bound,
        "gap": choice.gap,
        "is_answer": certainty.is_answer(choice),
    }


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
    shown = [*list(shares)[:_MOST_GROUPINGS]]
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
