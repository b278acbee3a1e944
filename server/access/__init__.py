"""Who may call the server, how much, and over which connections."""

from server.access.certificates import make_credentials
from server.access.exposure import warnings_of
from server.access.guard import make_interceptors
from server.access.options import server_options

__all__ = ["make_credentials", "make_interceptors", "server_options", "warnings_of"]
