"""Error rates of the verdict and coverage of the intervals, on simulated runs and on retrained networks."""
