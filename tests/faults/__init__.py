"""What may happen to a run from outside, and what must hold then. ``python -m tests.faults`` does it at full length."""

import os

FULL_VARIABLE = "TASKGROUP_FULL_FAULTS"
"""Environment variable; 1: every fault is injected as often as was promised."""

FULL = os.environ.get(FULL_VARIABLE) == "1"
"""Whether it is set."""
