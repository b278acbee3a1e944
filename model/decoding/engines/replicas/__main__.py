"""The process of one engine: `python -m dragoman.model.decoding.engines.replicas DESCRIPTOR`, its socket to the front.

The front handles signals. Those that a terminal or a service manager sends to all processes at once are ignored here,
before anything else is imported, so that requests in flight can be finished.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)

import sys  # noqa: E402
from multiprocessing.connection import Connection  # noqa: E402

from dragoman.model.decoding.engines.replicas.child import serve  # noqa: E402

if __name__ == "__main__":
    sys.exit(serve(Connection(int(sys.argv[1]))))
