"""Connections that show when a host of the run has died, with its power or its network: such a host closes no
connection, and the others would wait for it."""

import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from torch._C._distributed_c10d import Store

IDLE_SECONDS, PROBE_SECONDS, NUM_PROBES = 15, 5, 6
"""After so long without a sign a host is probed, every so many seconds, and given up after so many probes. The kernels
probe and answer, so a process may be as busy as it likes."""

_LOST = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH}
_CONNECT_SECONDS = 60.0


def end_process() -> None:
    """Ends this process at once, so that torchrun starts the run again with the hosts that are left."""
    print("dragoman: another host of this run does not answer any more; this process ends", file=sys.stderr, flush=True)
    os._exit(1)


class Lifeline:
    """Connects each process of a run with the next one, and calls `end` when that one's host has died."""

    def __init__(self, store: Store, rank: int, size: int, address: str, end: Callable[[], None] = end_process) -> None:
        """address: of this host, for the others. All processes call it. Raises OSError where they cannot connect."""
        with socket.create_server((address, 0), family=_family(address)) as listener:
            listener.settimeout(_CONNECT_SECONDS)
            store.set(f"lifeline/{rank}", json.dumps(listener.getsockname()[:2]))
            host, port = json.loads(store.get(f"lifeline/{(rank + 1) % size}"))
            following = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
            self._connections = [following, listener.accept()[0]]
        for connection in self._connections:
            connection.settimeout(None)
            _probe(connection)
            Thread(target=watch, args=(connection, end), name="lifeline", daemon=True).start()

    def close(self) -> None:
        """Lets the others see that this process has ended as it should."""
        for connection in self._connections:
            with suppress(OSError):  # the other end is closed already
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def watch(connection: socket.socket, end: Callable[[], None]) -> None:
    """Waits until the connection ends; calls `end` if the other host was lost. A process that ends, or is killed,
    closes its connections; torchrun and the process group see that without help."""
    try:
        connection.recv(1)
    except OSError as error:
        if error.errno in _LOST:
            end()


def host_address(peer: str, port: int) -> str:
    """The address under which this host reaches a peer. Raises OSError."""
    family, kind, protocol, _, place = socket.getaddrinfo(peer, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as unconnected:
        unconnected.connect(place)  # sends nothing
        return str(unconnected.getsockname()[0])


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _probe(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", IDLE_SECONDS),
        ("TCP_KEEPINTVL", PROBE_SECONDS),
        ("TCP_KEEPCNT", NUM_PROBES),
    ):
        if hasattr(socket, name):  # not of every system
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
