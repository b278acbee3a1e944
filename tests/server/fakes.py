"""A translator without a network: it reverses words, one engine step each, and can be held, watched and broken."""

import asyncio
import itertools
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from model.bundle import BundleConfig, BundleScore
from model.config import ArchitectureConfig, Direction, VocabularyShape
from model.decoding.request import (
    Finished,
    Hypothesis,
    PreparedText,
    Request,
    SearchOptions,
    Segment,
    TokenHypothesis,
    Translation,
)
from model.errors import InvalidInputError, NotFoundError
from server.app import TranslationServer
from server.interfaces import ServedTranslator

EN_DE = Direction("en", "de")
DE_EN = Direction("de", "en")
SEGMENT_BORDER = " | "
FOREVER, REFUSED = 1, 2  # the pieces of these words
PATIENCE = 30.0
"""Seconds after which a test that waits for something has failed."""


class FakeEngine:
    """Keeps to the contract of `model.decoding.engine.Engine`; one step for each source piece.

    While `gate` is not set, `step` waits; `held` is set as long as it does. While fewer than `min_together` requests
    are in flight, steps pass without effect. A text with the word "forever" is never finished, and
    one with the word "refused" is not admitted. No more than `max_positions` source pieces fit at once.
    """

    def __init__(self, num_slots: int) -> None:
        self.num_slots = num_slots
        self.max_positions = sys.maxsize
        self.gate = threading.Event()
        self.gate.set()
        self.held = threading.Event()
        self.min_together = 1
        self.occupied = threading.Event()  # set once a request was admitted
        self.errors: list[Exception] = []  # the next steps raise these
        self.is_broken = False  # every step raises
        self.num_steps = 0
        self.together: list[frozenset[int]] = []  # ids in flight, for each step
        self.admitted: list[int] = []
        self.cancelled: list[int] = []
        self._remaining: dict[int, int] = {}
        self._requests: dict[int, Request] = {}
        self._thread: int | None = None

    @property
    def free_slots(self) -> int:
        return self.num_slots - len(self._requests)

    @property
    def num_active(self) -> int:
        return len(self._requests)

    def count_fitting(self, requests: Sequence[Request]) -> int:
        self._check_thread()
        lengths = [len(request.source_ids) for request in (*self._requests.values(), *requests)]
        totals = list(itertools.accumulate(lengths))[len(self._requests) :]
        return sum(total <= self.max_positions for total in totals[: self.free_slots])

    def admit(self, requests: Sequence[Request]) -> None:
        self._check_thread()
        assert len(requests) <= self.free_slots
        if any(len(request.source_ids) > self.max_positions for request in requests):
            raise InvalidInputError("the engine has no room for this text")
        assert self.count_fitting(requests) == len(requests)
        if any(REFUSED in request.source_ids for request in requests):
            raise InvalidInputError("the engine refuses this text")
        for request in requests:
            assert request.source_ids, "a blank text must not enter the engine"
            assert request.id not in self._requests
            self._requests[request.id] = request
            self._remaining[request.id] = sys.maxsize if FOREVER in request.source_ids else len(request.source_ids)
            self.admitted.append(request.id)
        self.occupied.set()

    def step(self) -> list[Finished]:
        self._check_thread()
        if not self.gate.is_set():
            self.held.set()
            assert self.gate.wait(PATIENCE)
            self.held.clear()
        self.num_steps += 1
        if self.is_broken:
            raise RuntimeError("the device is gone")
        if self.errors:
            raise self.errors.pop(0)
        if len(self._requests) < self.min_together:
            return []
        self.min_together = 1
        self.together.append(frozenset(self._requests))
        for request_id in self._remaining:
            self._remaining[request_id] -= 1
        done = [request_id for request_id, remaining in self._remaining.items() if remaining == 0]
        return [self._finish(self._remove(request_id)) for request_id in done]

    def cancel(self, request_id: int) -> bool:
        self._check_thread()
        if request_id not in self._requests:
            return False
        self._remove(request_id)
        self.cancelled.append(request_id)
        return True

    def _remove(self, request_id: int) -> Request:
        del self._remaining[request_id]
        return self._requests.pop(request_id)

    def _finish(self, request: Request) -> Finished:
        reverse = request.source_ids[::-1]
        ranks = range(request.options.n_best)
        return Finished(request.id, tuple(TokenHypothesis(reverse + (0,) * rank, -float(rank)) for rank in ranks))

    def _check_thread(self) -> None:
        self._thread = self._thread or threading.get_ident()
        assert self._thread == threading.get_ident(), "the engine is used by two threads"


FAKE_SCORE = BundleScore(
    direction=EN_DE,
    test_set="devtest",
    metric="BLEU",
    score=37.5,
    signature="nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
)


class FakeTranslator:
    """Reverses the words; a hypothesis of rank r ends in r words "!" and scores -r. " | " divides a text's segments."""

    def __init__(
        self,
        name: str = "en-de",
        directions: tuple[Direction, ...] = (EN_DE, DE_EN),
        *,
        num_slots: int = 4,
        max_source_length: int = 50,
    ) -> None:
        self.name = name
        self.directions = directions
        self.max_source_length = max_source_length
        self.revision = "0123456789abcdef"
        self.info = BundleConfig(
            name=name,
            directions=directions,
            architecture=ArchitectureConfig(d_key=64, d_value=64),
            vocabulary=VocabularyShape(source_size=100, target_size=100, joint=True),
            storage="int8",
            num_parameters=7_654_321,
            scores=(FAKE_SCORE,),
        )
        self.engine = FakeEngine(num_slots)
        self._lock = threading.Lock()
        self._words = ["!", "forever", "refused"]
        self._ids = {"!": 0, "forever": FOREVER, "refused": REFUSED}

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        fitting = [
            direction
            for direction in self.directions
            if direction.target == target_language and source_language in (None, direction.source)
        ]
        if len(fitting) != 1:
            raise NotFoundError(f"{self.name} does not translate from {source_language} to {target_language}")
        return fitting[0]

    def prepare(
        self, text: str, direction: Direction, options: SearchOptions, *, split_sentences: bool = True
    ) -> PreparedText:
        if text == "crash":
            raise ZeroDivisionError("a bug")
        parts = text.split(SEGMENT_BORDER) if split_sentences else [text]
        longest = max(len(part.split()) for part in parts)
        if longest > self.max_source_length:
            raise InvalidInputError(f"the text has {longest} pieces, but at most {self.max_source_length} fit")
        if not text.strip():
            return PreparedText(text, (), (text,), options, direction.target)
        segments = tuple(Segment(part, tuple(self._id(word) for word in part.split()), 100) for part in parts)
        gaps = ("", *[SEGMENT_BORDER] * (len(parts) - 1), "")
        return PreparedText(text, segments, gaps, options, direction.target)

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        if not prepared.segments:
            return Translation(prepared.text, (Hypothesis(prepared.text, 0.0),))
        assert len(found) == len(prepared.segments)
        return Translation(
            prepared.text,
            tuple(
                Hypothesis(SEGMENT_BORDER.join(map(self._text, ranked)), ranked[0].score)
                for ranked in zip(*found, strict=True)
            ),
        )

    def stream(
        self, texts: Iterable[str], direction: Direction, options: SearchOptions, *, split_sentences: bool = True
    ) -> Iterator[Translation]:
        for text in texts:
            prepared = self.prepare(text, direction, options, split_sentences=split_sentences)
            yield self.finish(
                prepared, [[TokenHypothesis(segment.source_ids[::-1], 0.0)] for segment in prepared.segments]
            )

    def _text(self, hypothesis: TokenHypothesis) -> str:
        return " ".join(self._words[word] for word in hypothesis.token_ids)

    def _id(self, word: str) -> int:
        with self._lock:
            if word not in self._ids:
                self._ids[word] = len(self._words)
                self._words.append(word)
            return self._ids[word]


def reverse_words(text: str) -> str:
    """What FakeTranslator makes of a text."""
    if not text.strip():
        return text
    return SEGMENT_BORDER.join(" ".join(reversed(part.split())) for part in text.split(SEGMENT_BORDER))


@contextmanager
def running_server(*translators: ServedTranslator) -> Iterator[str]:
    """A server on a thread of its own, on a free port of the loopback; gives its address."""
    ready = threading.Event()
    address: list[str] = []
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stopped = asyncio.Event()
        async with TranslationServer(translators, "127.0.0.1:0", grace_seconds=PATIENCE) as server:
            address.append(server.address)
            stop.append((asyncio.get_running_loop(), stopped))
            ready.set()
            await stopped.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield address[0]
    finally:
        loop, stopped = stop[0]
        loop.call_soon_threadsafe(stopped.set)
        thread.join(PATIENCE)
        assert not thread.is_alive()


async def wait_for(event: threading.Event) -> None:
    """Waits for a thread's event without holding up the event loop."""
    assert await asyncio.to_thread(event.wait, PATIENCE)
