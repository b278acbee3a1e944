"""The offline loop, with an engine that takes a step for each source piece and gives the pieces back."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import UNNUMBERED, Finished, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.translation import offline
from dragoman.translation.drafts import Draft, Found, PreparedText, Round, replace_sentences
from dragoman.translation.offline import OfflineLoop
from dragoman.translation.results import Hypothesis, Translation

OPTIONS = SearchOptions()


class FakeEngine:
    """Keeps to the contract of `Engine`; no more than `max_positions` source pieces fit at once."""

    def __init__(self, max_slots: int, max_positions: int = 10**9) -> None:
        self.max_slots = max_slots
        self.max_positions = max_positions
        self.remaining: dict[int, int] = {}
        self.requests: dict[int, Request] = {}
        self.admissions: list[list[int]] = []  # the source lengths of each

    @property
    def num_active(self) -> int:
        return len(self.requests)

    @property
    def free_slots(self) -> int:
        return self.max_slots - len(self.requests)

    def count_fitting(self, requests: Sequence[Request]) -> int:
        used = sum(len(request.source_ids) for request in self.requests.values())
        for index, request in enumerate(requests[: self.free_slots]):
            used += len(request.source_ids)
            if used > self.max_positions:
                return index
        return min(len(requests), self.free_slots)

    def admit(self, requests: Sequence[Request]) -> None:
        if self.count_fitting(requests) < len(requests):
            raise InvalidInputError("no room")
        self.admissions.append([len(request.source_ids) for request in requests])
        for request in requests:
            assert request.id not in self.requests
            self.requests[request.id] = request
            self.remaining[request.id] = len(request.source_ids)

    def step(self) -> list[Finished]:
        finished = []
        for request_id in list(self.remaining):
            self.remaining[request_id] -= 1
            if not self.remaining[request_id]:
                source_ids = self.requests[request_id].source_ids
                self.cancel(request_id)
                finished.append(Finished(request_id, (TokenHypothesis(source_ids, -1.0),)))
        return finished

    def cancel(self, request_id: int) -> bool:
        self.remaining.pop(request_id, None)
        return self.requests.pop(request_id, None) is not None


def prepare(text: str) -> PreparedText:
    """A segment for each word, a piece for each letter."""
    segments = tuple(Request(UNNUMBERED, tuple(map(ord, word)), OPTIONS, 100) for word in text.split())
    drafts = tuple(Draft(word, word) for word in text.split())
    return PreparedText(text, segments, drafts, ("",) * (len(segments) + 1), OPTIONS, Direction("en", "de"))


def review(prepared: PreparedText, found: Found) -> Round | None:
    """A word with a tilde is decoded again, as its letters before the tilde and those after it."""
    parts = {index: draft.source.split("~", 1) for index, draft in enumerate(prepared.drafts) if "~" in draft.source}
    if not parts:
        return None
    return replace_sentences(prepared, found, {index: prepare(" ".join(both)) for index, both in parts.items()})


def finish(prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
    assert len(found) == len(prepared.segments)
    words = ["".join(map(chr, hypotheses[0].token_ids)) for hypotheses in found]
    return Translation(prepared.text, (Hypothesis(" ".join(words), -1.0),))


def run(engine: FakeEngine, texts: Iterable[str]) -> Iterator[Translation]:
    return OfflineLoop(cast(Engine, engine), texts, prepare, review, finish).run()


def texts_of(engine: FakeEngine, texts: Iterable[str]) -> list[str]:
    return [translation.text for translation in run(engine, texts)]


TEXTS = ["a bb ccc", "", "dddddd", "e " * 40, "ff gggg", "h", "ii jjjj kkk"] * 5


@pytest.mark.parametrize("max_slots", [1, 3, 16, 1000])
@pytest.mark.parametrize("lookahead", [1, 4, 1024])
def test_segments_come_back_in_order(max_slots: int, lookahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "LOOKAHEAD", lookahead)
    engine = FakeEngine(max_slots)
    assert texts_of(engine, TEXTS) == [" ".join(text.split()) for text in TEXTS]
    assert engine.num_active == 0


def test_the_longest_segments_at_hand_come_first() -> None:
    engine = FakeEngine(4)
    texts_of(engine, ["a bbb ccccc", "dd", "eeee", "ffffff g"])
    assert engine.admissions[0] == [6, 5, 4, 3]
    assert [length for lengths in engine.admissions for length in lengths] == [6, 5, 4, 3, 2, 1, 1]


def test_an_eighth_of_the_slots_is_filled_at_once() -> None:
    engine = FakeEngine(16)
    texts_of(engine, ["x" * length for length in range(40, 0, -1)])
    assert len(engine.admissions[0]) == 16
    assert all(len(lengths) >= 2 for lengths in engine.admissions[1:-1])


@pytest.mark.parametrize("max_positions", [40, 41, 63])
def test_the_engine_s_room_is_respected(max_positions: int) -> None:
    engine = FakeEngine(16, max_positions)  # which raises if it is not
    texts = ["x" * length for length in range(40, 0, -1)]
    assert texts_of(engine, texts) == texts


def test_what_never_has_room_is_an_error_and_no_endless_loop() -> None:
    engine = FakeEngine(16, max_positions=5)
    with pytest.raises(InvalidInputError, match="no room"):
        texts_of(engine, ["abc", "abcdef"])
    assert engine.num_active == 0


def test_a_text_of_many_segments_stops_the_reading_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "LOOKAHEAD", 8)
    engine = FakeEngine(2)
    num_admitted: list[int] = []  # segments, when each text was read

    def read() -> Iterator[str]:
        for text in ["a " * 100, "b", "c"]:
            num_admitted.append(sum(map(len, engine.admissions)))
            yield text

    assert len(texts_of(engine, read())) == 3
    assert num_admitted[0] == 0
    assert num_admitted[1] == 94  # only six waited, and two at a time are admitted


def test_closing_early_cancels_what_is_in_flight() -> None:
    engine = FakeEngine(4)
    loop = OfflineLoop(cast(Engine, engine), ["", "aaaa bbb", "cc dddd"], prepare, review, finish).run()
    assert next(loop).source == ""
    assert next(loop).source == "aaaa bbb"
    loop.close()
    assert engine.num_active == 0


def test_all_before_a_failure_come_first() -> None:
    def read() -> Iterator[str]:
        yield "a bb"
        yield "ccc"
        raise OSError("the disk is gone")

    translations = run(FakeEngine(2), read())
    assert [next(translations).source for _ in range(2)] == ["a bb", "ccc"]
    with pytest.raises(OSError, match="the disk is gone"):
        next(translations)


@pytest.mark.parametrize("max_slots", [1, 3, 64])
def test_words_that_fail_are_decoded_again_in_another_way_and_the_others_are_not(max_slots: int) -> None:
    engine = FakeEngine(max_slots)
    texts = ["aa b~ccc d", "~", "ee~ff~g h", *TEXTS]
    assert texts_of(engine, texts) == ["aa b ccc d", "", "ee ff g h", *[" ".join(text.split()) for text in TEXTS]]
    num_words = sum(len(text.split()) for text in texts)
    num_again = 2 + 2 + 2  # of b~ccc, ee~ff~g and ff~g
    assert sum(map(len, engine.admissions)) == num_words + num_again
