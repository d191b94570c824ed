"""How numbers and verdicts read, the same in every face of a report. No markup here.

Relative losses are written as a change against the task's own network ("+1.20 %" is 1.2 % more loss), because a
reader asks "how much worse than one network per task?". The minus sign is U+2212, blanks before units do not break.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from grouping.budget import BudgetUnit
from grouping.recommendation import Baseline, Paired, Recommendation, Verdict

__all__ = [
    "MISSING",
    "VERDICT_LABELS",
    "beaten_by",
    "change",
    "chosen_score",
    "cost",
    "count",
    "difference",
    "duration",
    "headline",
    "interval",
    "lede",
    "loss",
    "metric",
    "number",
    "plain",
    "reading",
    "sentence",
    "share",
    "signed",
    "verdict_sentences",
]

MISSING = "\N{EN DASH}"
_GAP = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"

VERDICT_LABELS: Mapping[Verdict, str] = {
    "grouping": "Grouping matters",
    "capacity": "Only capacity matters",
    "separation": "Separation matters",
    "noise": "Within noise",
    "unsure": "Unsure",
}


_SAID_BY_LABEL: Mapping[Verdict, frozenset[str]] = {
    verdict: frozenset({label, "Which tasks share matters"} if verdict == "grouping" else {label})
    for verdict, label in VERDICT_LABELS.items()
}
"""How a verdict's text may begin where it only repeats the label."""

_WIDER = (
    "A verdict takes these wider intervals, because noise could name a winner in more than one way; all other "
    f"intervals here are of 95{_GAP}%."
)


def number(value: float | None, digits: int = 4) -> str:
    """A number to so many significant digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.{digits}g}".replace("-", _MINUS) if abs(value) < 1e5 else f"{value:,.0f}".replace("-", _MINUS)


def signed(value: float | None, decimals: int = 2) -> str:
    """Percentage points or percent with their sign; zero has none."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:+.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", _MINUS)


def change(relative: float | None, decimals: int = 2) -> str:
    """A relative loss as a change against the task's own network: 1.012 is "+1.20 %"."""
    return difference(None if relative is None else relative - 1, decimals)


def difference(value: float | None, decimals: int = 2) -> str:
    """A difference of relative losses, in percent of a single-task loss."""
    text = signed(None if value is None else 100 * value, decimals)
    return text if text == MISSING else f"{text}{_GAP}%"


def interval(low: float | None, high: float | None, *, of: str = "difference") -> str:
    """Both ends in brackets: ``of`` a relative loss ("change"), a "difference" of two, or a plain "number"."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    if of == "number":
        return f"[{metric(low)}, {metric(high)}]"
    shift = 1 if of == "change" else 0
    return f"[{signed(100 * (low - shift))}, {signed(100 * (high - shift))}]"


def loss(value: float | None) -> str:
    """A loss or an objective, to five decimals."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.5f}".replace("-", _MINUS)


def share(fraction: float | None, decimals: int = 0) -> str:
    """A fraction of one as a percentage."""
    return MISSING if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.{decimals}f}{_GAP}%"


def count(n: int, noun: str) -> str:
    """ "1 network", "3 networks"."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{n:,}{_GAP}{noun if n == 1 else plural}"


def cost(value: float, unit: BudgetUnit) -> str:
    """A cost in the unit the budget was given in."""
    if unit == "snt":
        return f"{value:.4g}{_GAP}SNT"
    if unit == "latency_ms":
        return f"{value:.3g}{_GAP}ms"
    return f"{_scaled(value)}{'FLOPs' if unit == 'flops' else 'parameters'}"


def _scaled(value: float) -> str:
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.4g}{_GAP}{prefix}"
    return f"{value:.4g}{_GAP}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f}{_GAP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{_GAP}min {rest}{_GAP}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{_GAP}h {minutes}{_GAP}min"


def plain(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Any value of an environment or a table of settings, as one line of text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(inner) for inner in value)
    return MISSING if value is None or value == "" else str(value)


def reading(pair: Paired) -> str:
    """What a paired difference allows to say: only an interval that excludes zero names a winner."""
    if pair.low is None or pair.high is None:
        return "no interval"
    if pair.high < 0:
        return "the choice is better"
    if pair.low > 0:
        return "the alternative is better"
    return "not distinguishable"


def chosen_score(recommendation: Recommendation) -> Baseline | None:
    """The choice's own mean test loss with its interval, where it was confirmed: the entry named ``chosen``."""
    return next((b for b in recommendation.baselines if b.name == "chosen"), None)


def beaten_by(recommendation: Recommendation) -> tuple[Paired, ...]:
    """Alternatives within the budget that the choice is worse than, beyond the interval."""
    rivals = {baseline.name for baseline in recommendation.baselines if baseline.comparable} | {"random"}
    return tuple(p for p in recommendation.paired if p.against in rivals and p.low is not None and p.low > 0)


def headline(recommendation: Recommendation) -> str:
    """The recommendation at a glance. Only a verdict of "grouping" recommends *these* groups."""
    networks = len(recommendation.solution.networks)
    tasks = sum(task.role == "main" for task in recommendation.tasks)
    split = f"{networks} networks" if networks != 1 else "one network"
    if tasks == 1:
        return "One task: there is nothing to group"
    if "all-in-one" in {pair.against for pair in beaten_by(recommendation)}:
        return "One network for all tasks does better than the grouping found"
    if recommendation.verdict == "capacity":
        return "One network as wide as the budget is enough"
    if recommendation.verdict == "separation":
        return f"Split into {split}; which tasks go together is open"
    if recommendation.verdict == "noise":
        return "No grouping stands out here"
    if recommendation.verdict == "unsure":
        return "Not enough evidence yet to recommend a grouping"
    if networks == tasks:
        return "Keep one network per task"
    return f"Serve {split} instead of {tasks}" if networks < tasks else f"Serve {split} for {count(tasks, 'task')}"


def verdict_sentences(recommendation: Recommendation) -> tuple[str, str]:
    """The verdict's first sentence without its label, which stands beside it, and the numbers that it rests on."""
    first, stop, rest = recommendation.verdict_text.partition(". ")
    label, colon, said = first.partition(": ")
    if colon and label in _SAID_BY_LABEL[recommendation.verdict]:
        first = sentence(said)
    return first + stop.strip(), f"{rest} {_WIDER}" if "intervals over" in rest else rest


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def metric(value: float | None) -> str:
    """A metric to four significant digits, zeros included, so that columns compare."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:#.4g}".rstrip(".").replace("-", _MINUS) if 1e-3 <= abs(value) < 1e5 else number(value)


def lede(recommendation: Recommendation) -> str:
    """What stands under the headline: what does better than the choice, then what is served, at what cost and loss."""
    solution = recommendation.solution
    networks = count(len(solution.networks), "network")
    text = (
        f"The best grouping found serves {count(sum(t.role == 'main' for t in recommendation.tasks), 'task')} with "
        f"{networks}, at {cost(solution.cost, recommendation.unit)} "
        f"of the budget of {cost(recommendation.budget, recommendation.unit)}."
    )
    score = chosen_score(recommendation)
    if score is not None:
        ends = interval(score.low, score.high, of="change")
        text += (
            f" On fresh seeds and test data its mean loss is {change(score.mean)} against one standard network per task"
            + (f" (95{_GAP}% interval {ends})." if ends != MISSING else ", with no interval (one seed).")
        )
    return " ".join(part for part in (_better_than_choice(recommendation), text) if part)


def _better_than_choice(recommendation: Recommendation) -> str:
    """Who beats the choice; whether one network for all does at least as well is said even where it is not shown."""
    beaten = beaten_by(recommendation)
    if beaten:
        named = " and ".join(f"{pair.label} (by {_by(pair)})" for pair in beaten)
        return f"The choice is worse than {named}."
    single = next((pair for pair in recommendation.paired if pair.against == "all-in-one"), None)
    if single is None or single.difference <= 0:
        return ""
    reserve = "" if single.low is None else ", which may be noise"
    return f"The choice did worse than {single.label}, by {_by(single)}{reserve}."


def _by(pair: Paired) -> str:
    ends = interval(pair.low, pair.high)
    return difference(pair.difference).lstrip("+") + ("" if ends == MISSING else f", 95{_GAP}% interval {ends}")
