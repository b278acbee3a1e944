"""Metrics, logs and traces of a running server."""

from dragoman.server.telemetry.monitor import Monitor

__all__ = ["Monitor"]
