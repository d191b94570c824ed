"""Search over settings on Ray Tune and Optuna: they draw, stop and run; what is true stands in the store."""
