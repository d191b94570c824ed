"""When an adaptive search stops by itself, what that costs, and whether looking so often makes false verdicts."""
