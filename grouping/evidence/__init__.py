"""How sure a recommendation is: intervals, selection frequencies, regret, the audit of estimates and the verdict."""

from grouping.evidence.audit import AuditResult, audit
from grouping.evidence.draws import ResidualBootstrap, bootstrap_draws
from grouping.evidence.expected_losses import ExpectedLosses
from grouping.evidence.intervals import CONFIDENCE, Interval, TestLosses, compare, compare_with_random, relative_loss
from grouping.evidence.regret import RegretChoice, Regrets, least_regret
from grouping.evidence.stability import SelectionFrequency, bootstrap, frequency, selection_frequency
from grouping.evidence.stated_regret import StatedRegret, TableBelief, stated_regret
from grouping.evidence.verdict import Comparisons, Judgement, Verdict, verdict

__all__ = [
    "CONFIDENCE",
    "AuditResult",
    "Comparisons",
    "ExpectedLosses",
    "Interval",
    "Judgement",
    "RegretChoice",
    "Regrets",
    "ResidualBootstrap",
    "SelectionFrequency",
    "StatedRegret",
    "TableBelief",
    "TestLosses",
    "Verdict",
    "audit",
    "bootstrap",
    "bootstrap_draws",
    "compare",
    "compare_with_random",
    "frequency",
    "least_regret",
    "relative_loss",
    "selection_frequency",
    "stated_regret",
    "verdict",
]
