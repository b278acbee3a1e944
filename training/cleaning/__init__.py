"""Cleaning a parallel corpus of broken, unrelated and repeated pairs."""
