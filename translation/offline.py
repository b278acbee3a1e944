"""The offline loop: keeps an engine full from a stream of texts and restores their order."""

import heapq
import itertools
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace

from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.request import Event, Lost, Partial, Request, TokenHypothesis
from dragoman.model.errors import DragomanError
from dragoman.translation.drafts import Found, PreparedText, Round
from dragoman.translation.results import Translation

LOOKAHEAD = 1024
"""Texts read ahead of the output, and segments that wait, so that segments of similar length are decoded together."""

AnyEngine = Engine | Fleet

Prepare = Callable[[str], PreparedText]
Review = Callable[[PreparedText, Found], Round | None]
Finish = Callable[[PreparedText, Found], Translation]


@dataclass(slots=True)
class _Text:
    """A text, with the hypotheses found for its segments so far."""

    number: int
    prepared: PreparedText
    num_missing: int
    found: list[Sequence[TokenHypothesis]] = field(default_factory=list)


class OfflineLoop:
    """Translates a stream of texts; of the waiting segments, the longest is admitted first."""

    def __init__(
        self, engine: AnyEngine, texts: Iterable[str], prepare: Prepare, review: Review, finish: Finish
    ) -> None:
        self._engine = engine
        self._texts = iter(texts)
        self._prepare = prepare
        self._review = review
        self._finish = finish
        self._num_read = 0
        self._failure: Exception | None = None
        self._is_exhausted = False
        self._ids = itertools.count()  # of segments
        self._waiting: list[tuple[int, int, Request]] = []  # a heap of (-source length, id, request)
        self._in_flight: set[int] = set()
        self._owners: dict[int, tuple[_Text, int]] = {}  # id -> (text, index of the segment in it), until it is decoded
        self._translated: dict[int, Translation] = {}  # not yielded yet

    def run(self) -> Generator[Translation]:
        """Yields in the texts' order. If reading or preparing a text fails, all translations before it come first."""
        num_yielded = 0
        try:
            while True:
                self._read_ahead(num_yielded + LOOKAHEAD)
                while num_yielded in self._translated:
                    yield self._translated.pop(num_yielded)
                    num_yielded += 1
                if self._is_exhausted and num_yielded == self._num_read:
                    break
                self._admit()
                for event in self._engine.step():
                    self._take(event)
        finally:  # also when the consumer stops early
            for request_id in self._in_flight:
                self._engine.cancel(request_id)
        if self._failure is not None:
            raise self._failure

    def _read_ahead(self, limit: int) -> None:
        while not self._is_exhausted and self._num_read < limit and len(self._waiting) < LOOKAHEAD:
            try:
                prepared = self._prepare(next(self._texts))
            except StopIteration:
                self._is_exhausted = True
            except Exception as error:
                self._is_exhausted, self._failure = True, error
            else:
                self._queue(prepared)
                self._num_read += 1

    def _queue(self, prepared: PreparedText) -> None:
        if not prepared.segments:
            self._translated[self._num_read] = self._finish(prepared, ())
            return
        num_segments = len(prepared.segments)
        text = _Text(self._num_read, prepared, num_segments, [()] * num_segments)
        self._queue_segments(text, range(num_segments))

    def _queue_segments(self, text: _Text, indices: Sequence[int]) -> None:
        for index in indices:
            request = replace(text.prepared.segments[index], id=next(self._ids))
            self._owners[request.id] = text, index
            heapq.heappush(self._waiting, (-len(request.source_ids), request.id, request))

    def _admit(self) -> None:
        """Fills free slots, several at a time: the encoder works best on batches."""
        free = self._engine.free_slots
        if not self._waiting or (self._engine.num_active and free < self._engine.max_slots // 8):
            return
        next_ones = [heapq.heappop(self._waiting) for _ in range(min(free, len(self._waiting)))]
        requests = [request for _, _, request in next_ones]
        num_fitting = self._engine.count_fitting(requests)
        if not num_fitting and not self._engine.num_active:
            num_fitting = 1  # a segment that does not fit into an empty engine never will: let the engine say why
        for entry in next_ones[num_fitting:]:
            heapq.heappush(self._waiting, entry)
        if num_fitting:
            requests = requests[:num_fitting]
            # Recorded as in flight first: if admitting fails half-way, all of them must be cancelled.
            self._in_flight.update(request.id for request in requests)
            self._engine.admit(requests)

    def _take(self, event: Event) -> None:
        if isinstance(event, Partial):  # none was requested
            return
        self._in_flight.remove(event.id)
        text, index = self._owners.pop(event.id)
        if isinstance(event, Lost):
            raise DragomanError(f"a sentence was lost: {event.reason}")
        text.found[index] = event.hypotheses
        text.num_missing -= 1
        while not text.num_missing:
            again = self._review(text.prepared, text.found)
            if again is None:
                self._translated[text.number] = self._finish(text.prepared, text.found)
                break
            text.prepared = again.prepared
            text.found = [hypotheses or () for hypotheses in again.known]
            text.num_missing = len(again.missing)
            self._queue_segments(text, again.missing)
