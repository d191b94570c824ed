"""Estimators against complete tables of retrained networks: what they rank, what they cost, what they choose."""
