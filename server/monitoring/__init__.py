"""What a running server tells of itself: metrics, logs and traces."""

from server.monitoring.calls import Call
from server.monitoring.monitor import Monitor

__all__ = ["Call", "Monitor"]
