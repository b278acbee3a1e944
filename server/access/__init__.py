"""Who may call the server, how much, and over which connections."""

from dragoman.server.access.exposure import warnings_of
from dragoman.server.grpc.certificates import make_credentials
from dragoman.server.grpc.guard import make_interceptors
from dragoman.server.grpc.server_options import server_options

__all__ = ["make_credentials", "make_interceptors", "server_options", "warnings_of"]
