"""What a running server tells of itself: metrics, logs and traces."""

from dragoman.server.telemetry.monitor import Monitor

__all__ = ["Monitor"]
