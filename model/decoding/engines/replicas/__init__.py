"""Engines in processes of their own, behind the face of one: more cores than Python's lock lets one process use."""
