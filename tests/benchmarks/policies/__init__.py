"""Searched policies against what they have to beat: see ``run``."""
