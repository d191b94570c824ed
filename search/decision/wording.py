"""Sentences about a decision: what to do next, and one line for each repetition of the split."""

from __future__ import annotations

from typing import Any

from grouping.evidence import Interval
from grouping.evidence.verdict import VERDICT_CONFIDENCE
from grouping.recommendation import Audit, Stability
from search.decision.assembly import Comparison, halving_record
from search.decision.decide import Decision

__all__ = ["next_steps", "repeated_split"]

_SEEDS_WORTH_HAVING = 5
_STABLE = 0.5
_TRUSTED = 0.3
_MOST_SEEDS = 100


def next_steps(
    decision: Decision, comparison: Comparison, stability: Stability | None, audit: Audit | None
) -> tuple[str, ...]:
    """What a user could do now, most useful first; never empty."""
    spec, verdict = decision.plan.spec, comparison.judgement.verdict
    steps = []
    if verdict == "unsure":
        steps.append("Confirm with at least 3 fresh seeds (evidence.seeds); fewer say nothing about the noise.")
    if verdict == "noise":
        steps.append(
            "Serve the cheapest of the alternatives above: no grouping is distinguishable from the others here. "
            f"{_what_would_decide(comparison.against_random)}"
        )
    if verdict == "capacity":
        steps.append(
            "Widen before you split: try larger network.capacities, or one network as wide as the budget; "
            "it is simpler to serve."
        )
    if verdict == "separation":
        steps.append(
            "Keep tasks apart, in the chosen way unless another suits your serving better: that it beats random ways "
            f"is not shown. {_what_would_decide(comparison.against_random)}"
        )
    if verdict == "grouping":
        ours = "Serve the chosen networks; their weights are in the run folder under networks/."
        steps.append(ours if spec.trainer is None else "Train the chosen networks with your trainer, and serve them.")
    if stability is not None and stability.frequency < _STABLE and verdict == "grouping":
        steps.append(
            f"The same grouping came out of only {stability.frequency:.0%} of the re-solves: treat close alternatives "
            f"as equal, or train more search seeds (training.seeds is {spec.training.seeds})."
        )
    if audit is not None and audit.spearman is not None and audit.spearman < _TRUSTED:
        steps.append(
            "The estimates ordered the audited groups poorly: use affinity.estimator: measured on a smaller set of "
            "groups (candidates.max_size or candidates.groups)."
        )
    halving = halving_record(decision)
    if halving is not None and halving.best:
        steps.append(
            f"{halving.best} of {halving.audited} audited groups that halving dropped came out best for a task: raise "
            "candidates.halving.keep, or compare later (candidates.halving.rungs)."
        )
    if spec.evidence.seeds < _SEEDS_WORTH_HAVING and verdict != "unsure":
        steps.append(f"Confirm with {_SEEDS_WORTH_HAVING} fresh seeds or more before you rely on the intervals.")
    steps.append("See what other budgets would buy: the frontier in this report, or taskgroup solve --frontier.")
    return tuple(steps)


def _what_would_decide(against_random: Interval | None) -> str:
    """How many fresh seeds would show what the choice seems to gain over random groupings."""
    judged = None if against_random is None else against_random.at(VERDICT_CONFIDENCE)
    if judged is None or not judged.bounded or judged.mean >= 0 or judged.below:
        return "More fresh seeds (evidence.seeds) or more test rows would narrow the intervals."
    seeds = judged.seeds_to_find()
    gain = f"gains {-judged.mean:.1%} over random groupings, as it seems to here"
    if seeds is None or seeds > _MOST_SEEDS:
        return (
            f"If the choice {gain}, more fresh seeds would hardly show it: it takes more test rows, or more random "
            "groupings (evidence.random_groupings)."
        )
    return (
        f"If the choice {gain}, a run with {max(seeds, judged.n + 1)} fresh seeds (evidence.seeds) would show "
        "it in 8 of 10 cases."
    )


def repeated_split(decision: Decision, comparison: Comparison) -> dict[str, Any]:
    """One repetition of the data split in a row: what was chosen and how it compares."""
    random = next((paired for paired in comparison.paired if paired.against == "random"), None)
    wide = next((paired for paired in comparison.paired if paired.against == "wide"), None)
    return {
        "split": decision.split,
        "verdict": comparison.judgement.verdict,
        "networks": [decision.plan.candidates.name(int(c)) for c in decision.solution.chosen],
        "relative_loss": comparison.levels["chosen"].mean,
        "against_random": None if random is None else random.difference,
        "against_wide": None if wide is None else wide.difference,
    }
