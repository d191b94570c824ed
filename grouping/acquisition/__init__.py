"""Which network to train next: strategies that propose, and the exact choice among what was measured."""

from grouping.acquisition.expected_improvement import ExpectedImprovement
from grouping.acquisition.goals import Goals
from grouping.acquisition.pairs import PairsFirst
from grouping.acquisition.strategy import RandomGroups, Situation, Strategy
from grouping.acquisition.thompson import Thompson

__all__ = [
    "STRATEGIES",
    "ExpectedImprovement",
    "Goals",
    "PairsFirst",
    "RandomGroups",
    "Situation",
    "Strategy",
    "Thompson",
]

STRATEGIES: dict[str, type[Strategy]] = {
    "random": RandomGroups,
    "pairs": PairsFirst,
    "expected-improvement": ExpectedImprovement,
    "thompson": Thompson,
}
"""Every strategy by its name on the command line; ``expected-improvement`` is what a search uses."""
