"""Numbers that several processes share."""

import multiprocessing
import os
import signal

import pytest

from dragoman.server.access.counts import Bucket, Count, Counts, LocalCounts
from dragoman.server.processes import shared_counts
from dragoman.server.processes.shared_counts import SharedCounts

FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=[LocalCounts, SharedCounts])
def counts(request: pytest.FixtureRequest) -> Counts:
    made: Counts = request.param()
    return made


def test_numbers_are_kept_by_name(counts: Counts) -> None:
    counts.change_running("alice", 2)
    counts.change_running("bob", 1)
    counts.change_running("alice", -1)
    counts.keep_bucket("alice", Bucket(60, -3.5, 12.25))
    counts.add_used("alice", 7, 3, of_day=Count(10, 1), of_month=Count(10, 1))
    counts.add_used("alice", 8, 3, of_day=Count(5, 1), of_month=Count(5, 1))
    assert (counts.running("alice"), counts.running("bob"), counts.running("carol")) == (1, 1, 0)
    assert (counts.bucket("alice"), counts.bucket("bob")) == (Bucket(60, -3.5, 12.25), None)
    assert counts.used("alice", 8, 3) == (Count(5, 1), Count(15, 2))
    assert counts.used("alice", 9, 4) == (Count(), Count())
    assert counts.used("bob", 8, 3) == (Count(), Count())


def _work(counts: SharedCounts, process: int) -> None:
    counts.be_process(process)
    for _ in range(500):
        with counts.locked():
            counts.change_running("alice", 1)
            counts.add_used("alice", 1, 1, of_day=Count(3, 1), of_month=Count(3, 1))


def test_processes_count_together_and_those_that_die_are_forgotten() -> None:
    counts = SharedCounts()
    workers = [FORK.Process(target=_work, args=(counts, process)) for process in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert counts.running("alice") == 1500
    assert counts.used("alice", 1, 1) == (Count(4500, 1500), Count(4500, 1500))
    counts.forget_process(1)
    assert counts.running("alice") == 1000
    counts.forget_process(1)
    assert counts.running("alice") == 1000


def _die_with_the_lock(counts: SharedCounts) -> None:
    with counts.locked():
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_releases_the_lock() -> None:
    counts = SharedCounts()
    worker = FORK.Process(target=_die_with_the_lock, args=(counts,))
    worker.start()
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
    with counts.locked():
        counts.change_running("alice", 1)
    assert counts.running("alice") == 1


def test_places_of_names_without_numbers_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "MAX_NAMES", 3)
    counts = SharedCounts()
    for name in ("a", "b", "c"):
        counts.change_running(name, 1)
    counts.change_running("b", -1)
    counts.change_running("d", 1)  # in the place of b
    counts.change_running("e", 1)  # there is none: counted by this process alone
    counts.change_running("ipv4:127.0.0.1:9", 1)  # likewise
    assert [counts.running(name) for name in ("a", "c", "d", "e", "ipv4:127.0.0.1:9")] == [1] * 5
    assert counts.running("b") == 0
