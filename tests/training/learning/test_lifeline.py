"""A host that dies is noticed; a process that ends is not mistaken for one."""

import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import enumerate as all_threads

import pytest
from torch._C._distributed_c10d import HashStore

from dragoman.training.learning.lifeline import Lifeline, host_address, watch


class Connection:
    """One whose reading ends with an error."""

    def __init__(self, error: int) -> None:
        self.error = error

    def recv(self, size: int) -> bytes:
        raise OSError(self.error, "lost")


@pytest.mark.parametrize(
    ("error", "ends"), [(errno.ETIMEDOUT, 1), (errno.EHOSTUNREACH, 1), (errno.ECONNRESET, 0), (errno.EBADF, 0)]
)
def test_only_a_host_that_does_not_answer_ends_the_process(error: int, ends: int) -> None:
    ended: list[None] = []
    watch(Connection(error), lambda: ended.append(None))  # type: ignore[arg-type]
    assert len(ended) == ends


def test_processes_hold_lifelines_to_each_other_and_let_go() -> None:
    store, ended = HashStore(), list[int]()
    with ThreadPoolExecutor(3) as executor:
        made = [
            executor.submit(Lifeline, store, rank, 3, "127.0.0.1", partial(ended.append, rank)) for rank in range(3)
        ]
        lifelines = [one.result() for one in made]
    for lifeline in lifelines:
        for connection in lifeline._connections:
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    watchers = [thread for thread in all_threads() if thread.name == "lifeline"]
    assert len(watchers) == 6
    for lifeline in lifelines:
        lifeline.close()
    for thread in watchers:
        thread.join()
    assert ended == []


def test_a_host_s_address_is_that_which_reaches_the_others() -> None:
    assert host_address("127.0.0.1", 29400) == "127.0.0.1"
