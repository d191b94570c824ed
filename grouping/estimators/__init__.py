"""Losses of groups that were not trained to the end, as pure functions on tables."""
