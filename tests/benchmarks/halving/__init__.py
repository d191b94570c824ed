"""What halving saves in time and costs in ranking quality; ``python -m tests.benchmarks.halving --help``."""
