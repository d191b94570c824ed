"""What one training of all tasks tells of every group: gradients and look-aheads on the way, and its end linearised."""
