"""How sure a recommendation is, as answers to the questions people ask; the exact figures stand in the report."""

from __future__ import annotations

from dataclasses import dataclass

from grouping.recommendation import Recommendation
from grouping.report.wording import change, chosen_score, count, difference, interval, share

__all__ = ["Answer", "plain_certainty"]

_NEARLY_ALWAYS, _OFTEN = 0.8, 0.4


@dataclass(frozen=True)
class Answer:
    """A question and what can honestly be said."""

    question: str
    short: str
    text: str


def plain_certainty(recommendation: Recommendation) -> tuple[Answer, ...]:
    """Proof, repeatability, fresh data and random groupings, as far as each is known."""
    answers = (
        _proof(recommendation),
        _fresh(recommendation),
        _random(recommendation),
        _repeated(recommendation),
    )
    return tuple(answer for answer in answers if answer is not None)


def _proof(recommendation: Recommendation) -> Answer:
    question = "Is there a better grouping within the budget?"
    solution = recommendation.solution
    if solution.proven_optimal:
        text = f"None has a lower loss on the {solution.optimal_for}. The solver proved it; nothing was left to chance."
        return Answer(question, "No, that is proven", text)
    text = (
        f"At most {share(solution.gap, 2)} better, on the {solution.optimal_for}; the search for a proof was cut short."
    )
    return Answer(question, "Perhaps a slightly better one", text)


def _fresh(recommendation: Recommendation) -> Answer | None:
    question = "Does it hold on data and seeds it was not chosen on?"
    score = chosen_score(recommendation)
    if score is None:
        return Answer(question, "Not known", "The choice was not confirmed on fresh seeds.")
    seeds = count(score.seeds, "fresh seed")
    measured = f"Mean test loss over {seeds}: {change(score.mean)} against one network per task"
    if score.low is None or score.high is None:
        return Answer(question, "One seed cannot tell", f"{measured}.")
    ends = f"{measured}, 95\N{NO-BREAK SPACE}% interval {interval(score.low, score.high, of='change')}."
    if score.high < 1:
        return Answer(question, "Yes: it is better than one network per task", ends)
    if score.low > 1:
        return Answer(question, "It costs some accuracy against one network per task", ends)
    return Answer(question, "It is as good as one network per task, as far as can be told", ends)


def _random(recommendation: Recommendation) -> Answer | None:
    question = "Does it matter which tasks are together?"
    pair = next((p for p in recommendation.paired if p.against == "random"), None)
    if pair is None:
        return None
    text = f"Against random groupings of the same cost: {difference(pair.difference)} loss"
    if pair.low is None or pair.high is None:
        return Answer(question, "One seed cannot tell", f"{text}.")
    text += f", 95\N{NO-BREAK SPACE}% interval {interval(pair.low, pair.high)}."
    if pair.high < 0:
        return Answer(question, "Yes, it beats random groupings", text)
    if pair.low > 0:
        return Answer(question, "Random groupings did better", text)
    return Answer(question, "Not distinguishable from random groupings", text)


def _repeated(recommendation: Recommendation) -> Answer | None:
    question = "Would another search have chosen the same?"
    stability = recommendation.stability
    if stability is None:
        return None
    times = f"The same grouping came out in {share(stability.frequency, 1)} of {count(stability.draws, 're-solve')}"
    times += " on resampled losses. This is a selection frequency, not a probability."
    if stability.frequency >= _NEARLY_ALWAYS:
        return Answer(question, "Nearly always", times)
    if stability.frequency >= _OFTEN:
        return Answer(question, "Often", times)
    return Answer(question, "Rarely: several groupings are about as good", times)
