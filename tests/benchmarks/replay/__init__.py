"""How good adaptive search is: strategies replayed on published tables and on our own complete ones."""
