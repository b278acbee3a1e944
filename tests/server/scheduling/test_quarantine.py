"""Sentences that end or hang engines are not decoded again."""

import logging
from collections.abc import Iterator

import pytest

from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import StalledError
from dragoman.server.scheduling import quarantine as module
from dragoman.server.scheduling.engine_loop import QUARANTINED
from dragoman.server.scheduling.quarantine import Quarantine
from dragoman.server.scheduling.worker import ReplicaLostError, Worker
from tests.server.fakes import FakeTranslator
from tests.server.scheduling.workers import Clock, Recorder, run, start, texts_of, translate

LOG = "dragoman.server.scheduling.engine_loop"


def make_request(*pieces: int, **options: int) -> Request:
    return Request(7, pieces, SearchOptions(**options), 100)  # type: ignore[arg-type]


@pytest.fixture
def quarantine(clock: Clock) -> Quarantine:
    return Quarantine(1000.0, clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.ERROR, LOG):
        yield caplog


def test_a_sentence_is_known_by_its_pieces_and_options_and_model(quarantine: Quarantine) -> None:
    assert quarantine.is_empty
    assert len(quarantine.add("m 1", make_request(1, 2))) == 32
    assert quarantine.holds("m 1", make_request(1, 2))
    assert not quarantine.holds("m 2", make_request(1, 2))
    assert not quarantine.holds("m 1", make_request(1, 2, 3))
    assert not quarantine.holds("m 1", make_request(1, 2, beam_size=2))
    assert len(quarantine) == 1


def test_a_sentence_is_forgotten_after_a_time(quarantine: Quarantine, clock: Clock) -> None:
    quarantine.add("m", make_request(1))
    quarantine.accuse("m", [make_request(2), make_request(3)])
    clock.now += 999.0
    assert quarantine.holds("m", make_request(1))
    assert quarantine.is_suspect("m", make_request(2))
    clock.now += 1.0
    assert not quarantine.holds("m", make_request(1))
    assert not quarantine.is_suspect("m", make_request(2))
    assert quarantine.is_empty
    quarantine.clear("m", make_request(3))
    assert not quarantine.has_suspects


def test_only_so_many_sentences_are_remembered(quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DIGESTS", 3)
    for piece in range(5):
        quarantine.add("m", make_request(piece))
    assert [quarantine.holds("m", make_request(piece)) for piece in range(5)] == [False, False, True, True, True]


def test_a_text_that_ended_its_process_meets_no_engine_again(
    quarantine: Quarantine, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    translator, recorder = FakeTranslator(num_slots=3), Recorder()
    translator.engine.is_lost_at_fault = True

    async def main(worker: Worker) -> None:
        assert texts_of(await translate(worker, "secret lost")) == ["replica 0 ended"]
        admitted = len(translator.engine.admitted)
        outcomes = await translate(worker, "a b", "c d | secret lost | e f", "g h")
        assert texts_of(outcomes) == ["b a", QUARANTINED, "h g"]
        assert len(translator.engine.admitted) == admitted + 2
        clock.now += 1000.0
        assert texts_of(await translate(worker, "secret lost")) == ["replica 0 ended"]

    with Worker(translator, quarantine=quarantine, observer=recorder) as worker:
        run(lambda: main(worker))
    assert [event for event in recorder.events if event[0] == "quarantined"] == [("quarantined", "en-de")] * 2
    assert ("dropped", "en-de", "quarantined") in recorder.events
    assert "a sentence of 2 pieces is refused for 1000 s, digest " in log.text
    assert "secret" not in log.text


def test_a_text_that_hung_an_engine_alone_is_refused_by_the_next_one(
    quarantine: Quarantine, log: pytest.LogCaptureFixture
) -> None:
    first, second = FakeTranslator(), FakeTranslator()
    first.engine.errors = [StalledError("a thread is stuck")]

    async def hang(worker: Worker) -> None:
        with pytest.raises(ReplicaLostError):
            await translate(worker, "bad text")

    async def go_on(worker: Worker) -> None:
        assert texts_of(await translate(worker, "bad text", "good text")) == [QUARANTINED, "text good"]

    with Worker(first, quarantine=quarantine) as worker:
        run(lambda: hang(worker))
    with Worker(second, quarantine=quarantine) as worker:
        run(lambda: go_on(worker))
    assert len(second.engine.admitted) == 1
    assert "the engine hung while it decoded this sentence alone" in log.text


def test_texts_that_were_decoded_together_when_the_engine_hung_are_decoded_alone(quarantine: Quarantine) -> None:
    first, second = FakeTranslator(num_slots=3), FakeTranslator(num_slots=3)
    first.engine.errors = [StalledError("a thread is stuck")]
    first.engine.gate.clear()

    async def hang(worker: Worker) -> None:
        call = start(worker, "a b", "c d e")
        first.engine.gate.set()
        with pytest.raises(ReplicaLostError):
            await call

    async def go_on(worker: Worker) -> None:
        outcomes = await translate(worker, "a b", "c d e", "x y", "u v w")
        assert texts_of(outcomes) == ["b a", "e d c", "y x", "w v u"]

    with Worker(first, quarantine=quarantine) as worker:
        run(lambda: hang(worker))
    assert quarantine.has_suspects
    with Worker(second, quarantine=quarantine) as worker:
        run(lambda: go_on(worker))
    assert not quarantine.has_suspects  # both were finished
    assert quarantine.is_empty
    assert max(map(len, second.engine.together)) == 2  # the last two
    alone = [together for together in second.engine.together if together & {0, 1}]
    assert set(map(len, alone)) == {1}
