"""The exact solver: which candidate networks to serve under a budget, with a certificate."""
