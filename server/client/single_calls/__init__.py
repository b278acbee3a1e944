"""Calls of one text: those that run at the same time with equal options share a stream."""
