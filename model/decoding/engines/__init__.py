"""Engines own slots: a single one, or a fleet of threads or processes with the same interface."""
