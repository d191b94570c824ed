"""The database of runs: the truth while a run is under way."""
