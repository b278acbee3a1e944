"""Engines in processes of their own: they use more cores than Python's lock lets one process use."""
