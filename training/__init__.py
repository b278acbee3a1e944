"""Learning: from a parallel corpus to a bundle."""
