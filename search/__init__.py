"""The machinery that fills the tables of ``grouping``: data, networks, training, workers, the store, the CLI."""
