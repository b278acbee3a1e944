"""The front's side of one process: that it is started again, and when."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from dragoman.model.decoding.engines.lanes import Lane
from dragoman.model.decoding.engines.replicas.messages import (
    Failed,
    ReplicaSetup,
    Report,
    Work,
    decode_from_replica,
    decode_to_replica,
    encode,
)
from dragoman.model.decoding.engines.replicas.replica import MAX_PAUSE, Replica, describe_end, pause_before_start
from dragoman.model.decoding.request import Event, Finished, Partial, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import StepCounts
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError

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


class Owner:
    """Takes note of nothing."""

    def __init__(self) -> None:
        self.changed = threading.Condition()

    def deliver(self, lane: Lane, events: Sequence[Event]) -> None: ...
    def lose(self, lane: Lane, reason: str, *, is_fault: bool = False) -> None: ...
    def fail(self, lane: Lane, error: Exception) -> None: ...


def make_replica(*command: str) -> Replica:
    return Replica(0, SETUP, Owner(), command)


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


def test_a_process_of_another_version_of_the_program_is_not_talked_to() -> None:
    code = (
        "import sys; from multiprocessing.connection import Connection; front = Connection(int(sys.argv[1]));"
        "front.send_bytes(b'of another version'); front.recv_bytes(); front.recv_bytes(); front.recv_bytes()"
    )
    replica = make_replica(sys.executable, "-c", code)
    with pytest.raises(DragomanError, match="it is of another version of the program: restart the server"):
        replica.first_start.result(timeout=30)
    replica.close()


def test_messages_arrive_as_they_were() -> None:
    options = SearchOptions(beam_size=2, suppressed_pieces=("a",), sampling_temperature=0.5)
    request = Request(7, (1, 2), options, 9, (3,), (4,), np.arange(5, dtype=np.int32), is_followed=True)
    work = decode_to_replica(encode(Work((1, 2), (request,))))
    assert isinstance(work, Work)
    assert work == Work((1, 2), (request,))
    allowed_ids = work.admitted[0].allowed_ids
    assert allowed_ids is not None
    assert allowed_ids.tolist() == [0, 1, 2, 3, 4]
    attention = np.random.default_rng(0).random((2, 3), np.float32)
    hypothesis = TokenHypothesis((5,), -0.5, (-0.25, -np.inf), attention)
    sent = Report.of([Partial(1, (2, 3), 1), Finished(2, (hypothesis,), 12.5)], StepCounts(1, 2.0, 3))
    report = decode_from_replica(encode(sent))
    assert isinstance(report, Report)
    (finished,) = report.finished
    assert (report.partials, report.steps, finished.first_token_at) == (sent.partials, sent.steps, 12.5)
    (found,) = finished.hypotheses
    assert found == hypothesis
    assert found.token_log_probs == hypothesis.token_log_probs
    assert found.attention is not None
    assert found.attention.tobytes() == attention.tobytes()
    setup = ReplicaSetup((Path("a"), Path("b")), "0123", max_cached_positions=3)
    assert decode_to_replica(encode(setup)) == setup


def test_what_is_no_message_is_refused() -> None:
    for content in (b"", b"\x80\x04.", encode(SETUP)[:-1], encode(SETUP)):
        with pytest.raises(msgspec.DecodeError):
            decode_from_replica(content)


def test_an_error_keeps_its_kind() -> None:
    for error in (NotFoundError("no model"), InvalidInputError("weights: damaged"), DragomanError("else")):
        failed = decode_from_replica(encode(Failed.of(error, "")))
        assert isinstance(failed, Failed)
        assert type(failed.error) is type(error)
        assert str(failed.error) == str(error)
    assert Failed.of(MemoryError("no room\nfor more"), "").error is None
