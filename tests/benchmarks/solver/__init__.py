"""Seconds of the grouping solver beside HiGHS and CP-SAT; ``python -m tests.benchmarks.solver --help``."""
