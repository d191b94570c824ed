"""Whether a stated regret comes out as stated, on complete tables of retrained networks."""
