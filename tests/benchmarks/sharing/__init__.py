"""Ways to share and ways to balance on real data, at equal cost."""
