"""Whether configurations of a search are trained in packs, and what Ray Tune costs for each of them."""
