"""Seconds of the fused trainer beside loops as users write them; ``python -m tests.benchmarks.training --help``."""
