"""The search: pure functions on arrays, on the host, without torch."""
