"""Data sets that come with the product, rebuilt on the spot."""
