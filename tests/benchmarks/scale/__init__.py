"""A thousand workers and a hundred thousand trainings, on paper: see ``results/benchmarks/scale.md``."""
