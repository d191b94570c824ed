"""A decision: what is planned, measured, chosen, confirmed and said of it; ``search.run`` tells the story whole."""
