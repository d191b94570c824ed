"""How sure a recommendation is: intervals, selection frequencies, the audit of estimates and the verdict."""

from grouping.evidence.audit import AuditResult, audit
from grouping.evidence.intervals import CONFIDENCE, Interval, TestLosses, compare, compare_with_random, relative_loss
from grouping.evidence.stability import SelectionFrequency, bootstrap, selection_frequency
from grouping.evidence.verdict import Comparisons, Judgement, Verdict, verdict

__all__ = [
    "CONFIDENCE",
    "AuditResult",
    "Comparisons",
    "Interval",
    "Judgement",
    "SelectionFrequency",
    "TestLosses",
    "Verdict",
    "audit",
    "bootstrap",
    "compare",
    "compare_with_random",
    "relative_loss",
    "selection_frequency",
    "verdict",
]
