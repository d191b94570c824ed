"""What may happen to a run from outside, and what must hold then. ``python -m tests.faults`` does it at full length."""

FULL_VARIABLE = "TASKGROUP_FULL_FAULTS"
"""Environment variable; 1: every fault is injected as often as was promised."""
