"""Which requests are to blame when engine processes end."""

import pytest

from dragoman.model.decoding.engines import suspects as module
from dragoman.model.decoding.engines.suspects import FATAL, Suspects, digest
from dragoman.model.decoding.request import Lost, Request
from dragoman.model.decoding.search_options import SearchOptions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make_request(*pieces: int, number: int = 0) -> Request:
    return Request(number, pieces, SearchOptions(), 100)


def test_a_digest_is_of_the_sentence_and_not_of_its_id() -> None:
    assert digest(make_request(1, 2)) == digest(make_request(1, 2, number=9))
    assert digest(make_request(1, 2)) != digest(make_request(12))
    assert digest(make_request(1, 2)) != digest(make_request(1, 2), "another model")
    assert len(digest(make_request(1, 2))) == 16


def test_a_request_that_was_alone_in_a_crash_is_the_reason() -> None:
    suspects = Suspects()
    assert suspects.lose([(3, make_request(1))], "SIGSEGV", is_fault=True) == [Lost(3, FATAL, is_at_fault=True)]
    assert suspects.is_fatal(make_request(1, number=5))
    assert not suspects.is_fatal(make_request(2))


def test_requests_of_a_crash_are_suspects_until_they_are_finished_or_crash_again() -> None:
    suspects = Suspects()
    both = [(1, make_request(1)), (2, make_request(2))]
    assert suspects.lose(both, "SIGSEGV", is_fault=True) == [Lost(1, "SIGSEGV"), Lost(2, "SIGSEGV")]
    assert suspects.is_suspect(make_request(1))
    suspects.clear(make_request(1))
    assert not suspects.is_suspect(make_request(1))
    (lost,) = suspects.lose([(2, make_request(2))], "SIGKILL")
    assert lost == Lost(2, FATAL, is_at_fault=True)


def test_a_process_that_was_killed_from_outside_accuses_nobody_the_first_time() -> None:
    suspects = Suspects()
    assert suspects.lose([(1, make_request(1))], "SIGKILL") == [Lost(1, "SIGKILL")]
    assert not suspects.is_fatal(make_request(1))


def test_suspects_are_forgotten_after_a_time() -> None:
    clock = Clock()
    suspects = Suspects(10.0, clock)
    suspects.lose([(1, make_request(1))], "SIGSEGV", is_fault=True)
    suspects.lose([(2, make_request(2))], "SIGKILL")
    clock.now = 9.0
    assert suspects.is_fatal(make_request(1))
    clock.now = 10.0
    assert not suspects.is_suspect(make_request(1))
    assert suspects.lose([(2, make_request(2))], "SIGKILL") == [Lost(2, "SIGKILL")]  # the first death does not count


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SUSPECTS", 2)
    suspects = Suspects()
    suspects.lose([(number, make_request(number)) for number in range(4)], "SIGSEGV")
    assert len(suspects) == 2
    assert [suspects.is_suspect(make_request(number)) for number in range(4)] == [False, False, True, True]
