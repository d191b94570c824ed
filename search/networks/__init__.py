"""Shared networks and what they cost."""
