"""How the losses of the tasks of one network become the gradient that a step is taken along."""

from search.training.balancing.balancer import Balancer, BalancingState
from search.training.balancing.methods import METHODS, make_balancer

__all__ = ["METHODS", "Balancer", "BalancingState", "make_balancer"]
