"""The front's side of one process: that it is started again, and when."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dragoman.model.decoding.engines.replicas.messages import ReplicaSetup
from dragoman.model.decoding.engines.replicas.replica import MAX_PAUSE, Replica, describe_end, pause_before_start
from dragoman.model.errors import DragomanError

SETUP = ReplicaSetup((Path("nowhere"),), "")


def test_the_first_end_costs_no_pause_and_each_further_one_a_longer_one() -> None:
    pauses = [pause_before_start(number) for number in range(1, 15)]
    assert pauses[:5] == [0.0, 0.25, 0.5, 1.0, 2.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE


def test_an_end_is_described() -> None:
    assert describe_end(0) == "ended with status 0"
    assert describe_end(-9) == "ended by SIGKILL"
    assert describe_end(-1000) == "ended by signal 1000"


def make_replica(*command: str) -> Replica:
    return Replica(0, SETUP, threading.Condition(), lambda *_: None, lambda *_: None, command)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("/nowhere/at/all",), "an engine process does not start: it cannot be started: No such file or directory"),
        ((sys.executable, "-c", "raise SystemExit(7)"), "an engine process does not start: ended with status 7"),
    ],
)
def test_a_process_that_does_not_start_is_told_and_not_tried_again(command: tuple[str, ...], message: str) -> None:
    replica = make_replica(*command)
    with pytest.raises(DragomanError, match=f"^{message}$"):
        replica.first_start.result(timeout=30)
    replica.close()
    assert not replica.is_alive
    assert replica.num_starts <= 1


def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.model.decoding.engines.replicas.replica.EXIT_SECONDS", 0.0)
    started = threading.Event()
    processes: list[subprocess.Popen[bytes]] = []

    class NotedProcess(subprocess.Popen[bytes]):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            processes.append(self)
            started.set()

    monkeypatch.setattr(subprocess, "Popen", NotedProcess)
    replica = make_replica(sys.executable, "-c", "import signal; signal.pause()")
    assert started.wait(30)
    replica.close()
    assert [process.returncode for process in processes] == [-9]
