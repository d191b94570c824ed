"""Which layers tasks share, found by gradient: modes of tasks in units, learnt with the weights by Gumbel-softmax."""
