"""Running functions on workers; knows nothing of training."""
