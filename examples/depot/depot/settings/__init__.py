"""Three databases, three URLs."""
