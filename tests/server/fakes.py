"""A translator without a network: it reverses words, one engine step each, and can be held, watched and broken."""

import asyncio
import itertools
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dragoman.model.bundle import BundleConfig, BundleScore
from dragoman.model.config import ArchitectureConfig, Direction, VocabularyShape
from dragoman.model.decoding.request import UNNUMBERED, Event, Finished, Lost, Partial, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.translation.drafts import Draft, Found, PreparedText, Round
from dragoman.translation.results import Hypothesis, Translation
from dragoman.translation.scoring.scored import ScoredTranslation
from tests.pieces import EOS_ID
from tests.server.running import PATIENCE as PATIENCE
from tests.server.running import running_server as running_server

EN_DE = Direction("en", "de")
DE_EN = Direction("de", "en")
SEGMENT_BORDER = " | "
FOREVER, REFUSED, LOST = 1, 2, 3  # the pieces of these words


class FakeEngine:
    """Keeps to the contract of `model.decoding.engines.engine.Engine`; one step for each source piece.

    While `gate` is not set, `step` waits; `held` is set as long as it does. While fewer than `min_together` requests
    are in flight, steps pass without effect. A text with the word "forever" is never finished, one with the word
    "refused" is not admitted, and one with the word "lost" is lost in its first step. No more than `max_positions`
    source pieces fit at once. `num_slots` may be changed at any time, as by processes that end and come.

    A followed request tells a piece more after every step; all but the last of them are stable.
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
        self.is_lost_at_fault = False  # of what is lost
        self.num_steps = 0
        self.together: list[frozenset[int]] = []  # ids in flight, for each step
        self.admitted: list[int] = []
        self.cancelled: list[int] = []
        self.num_finished = 0
        self.num_slot_steps = 0
        self.num_source_pieces = 0
        self.num_target_pieces = 0
        self.is_closed = False
        self.num_trims = 0
        self.clock = time.monotonic
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
            self._remaining[request.id] = _num_steps(request)
            self.admitted.append(request.id)
            self.num_source_pieces += len(request.source_ids)
        self.occupied.set()

    def step(self) -> list[Event]:
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
        self.num_slot_steps += len(self._requests)
        lost = [request.id for request in self._requests.values() if LOST in request.source_ids]
        events: list[Event] = [
            Lost(self._remove(request_id).id, "replica 0 ended", self.is_lost_at_fault) for request_id in lost
        ]
        for request_id in self._remaining:
            self._remaining[request_id] -= 1
        done = [request_id for request_id, remaining in self._remaining.items() if remaining == 0]
        events += [self._finish(self._remove(request_id)) for request_id in done]
        return events + [self._describe(request) for request in self._requests.values() if request.is_followed]

    def cancel(self, request_id: int) -> bool:
        self._check_thread()
        if request_id not in self._requests:
            return False
        self._remove(request_id)
        self.cancelled.append(request_id)
        return True

    def check(self, request: Request) -> None:
        """Takes what `admit` may refuse, so that the refusal is seen."""

    def statistics(self) -> EngineStatistics:
        return EngineStatistics(
            num_steps=self.num_steps,
            num_slot_steps=self.num_slot_steps,
            num_admitted=len(self.admitted),
            num_finished=self.num_finished,
            num_cancelled=len(self.cancelled),
            num_source_pieces=self.num_source_pieces,
            num_target_pieces=self.num_target_pieces,
            num_slots=self.num_slots,
            num_active=self.num_active,
        )

    def trim(self) -> None:
        self._check_thread()
        assert not self._requests
        self.num_trims += 1

    def close(self) -> None:
        self.is_closed = True

    def _remove(self, request_id: int) -> Request:
        del self._remaining[request_id]
        return self._requests.pop(request_id)

    def _finish(self, request: Request) -> Finished:
        ranks = range(request.options.n_best)
        pieces = _pieces(request)
        self.num_finished += 1
        self.num_target_pieces += len(pieces)
        hypotheses = (TokenHypothesis(pieces + (0,) * rank, -float(rank)) for rank in ranks)
        return Finished(request.id, tuple(hypotheses), self.clock())

    def _describe(self, request: Request) -> Partial:
        remaining = self._remaining[request.id]
        num_pieces = (
            len(request.source_ids) - remaining if FOREVER not in request.source_ids else sys.maxsize - remaining
        )
        pieces = _pieces(request)[:num_pieces]
        return Partial(request.id, pieces, len(pieces) - 1)

    def _check_thread(self) -> None:
        self._thread = self._thread or threading.get_ident()
        assert self._thread == threading.get_ident(), "the engine is used by two threads"


def _num_steps(request: Request) -> int:
    return sys.maxsize if FOREVER in request.source_ids else len(request.source_ids)


def _pieces(request: Request) -> tuple[int, ...]:
    """Those of its best hypothesis."""
    return request.prefix_ids[:-1] if request.prefix_ids[-1:] == (EOS_ID,) else request.source_ids[::-1]


FAKE_SCORE = BundleScore(
    direction=EN_DE,
    test_set="devtest",
    metric="BLEU",
    score=37.5,
    signature="nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
)


class FakeTranslator:
    """Reverses the words; a hypothesis of rank r ends in r words "!" and scores -r. " | " divides a text's segments.

    A given translation scores minus its number of words.
    """

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
        self._words = ["!", "forever", "refused", "lost"]
        self._ids = {word: number for number, word in enumerate(self._words)}

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
        self,
        text: str,
        direction: Direction,
        options: SearchOptions,
        *,
        split_sentences: bool = True,
        protect: bool = True,
        localize_figures: bool = False,
        join_lines: bool = True,
        terms: object = None,
    ) -> PreparedText:
        if text == "crash":
            raise ZeroDivisionError("a bug")
        parts = text.split(SEGMENT_BORDER) if split_sentences else [text]
        longest = max(len(part.split()) for part in parts)
        if longest > self.max_source_length:
            raise InvalidInputError(f"the text has {longest} pieces, but at most {self.max_source_length} fit")
        if not text.strip():
            return PreparedText(text, (), (), (text,), options, direction)
        segments = tuple(
            Request(UNNUMBERED, tuple(self._id(word) for word in part.split()), options, 100) for part in parts
        )
        gaps = ("", *[SEGMENT_BORDER] * (len(parts) - 1), "")
        drafts = tuple(Draft(part, part) for part in parts)
        return PreparedText(text, segments, drafts, gaps, options, direction)

    def review(self, prepared: PreparedText, found: Found, *, keeps_unchanged: bool = False) -> Round | None:
        return None

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

    def prepare_score(self, source: str, target: str, direction: Direction, options: SearchOptions) -> PreparedText:
        for side, text in (("source", source), ("target", target)):
            if not text.strip():
                raise InvalidInputError(f"the {side} is blank")
        prepared = self.prepare(source, direction, options, split_sentences=False)
        prefix_ids = (*map(self._id, target.split()), EOS_ID)
        (segment,) = prepared.segments
        return replace(prepared, segments=(replace(segment, prefix_ids=prefix_ids),))

    def finish_score(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> ScoredTranslation:
        ((hypothesis,),) = found
        words = tuple(self._words[word] for word in hypothesis.token_ids)
        log_probs = (-1.0,) * len(words)
        source_pieces = (*prepared.text.split(), "</s>")
        return ScoredTranslation(
            source=prepared.text,
            target=" ".join(words),
            score=-float(len(words)),
            log_prob=sum(log_probs),
            source_pieces=source_pieces,
            pieces=words,
            token_log_probs=(*log_probs, 0.0),
            attention=None,
            alignment=(),
        )

    def partial_text(
        self,
        prepared: PreparedText,
        finished: Sequence[Sequence[TokenHypothesis] | None],
        partials: Mapping[int, Partial],
    ) -> tuple[str, str]:
        stable = unstable = ""
        for number, hypotheses in enumerate(finished):
            border = SEGMENT_BORDER if number else ""
            if hypotheses is None:
                if number in partials:
                    words = [self._words[word] for word in partials[number].token_ids]
                    num_stable = partials[number].num_stable
                    stable += border + " ".join(words[:num_stable])
                    unstable = " ".join(["", *words[num_stable:]] if num_stable else words)
                break
            stable += border + self._text(hypotheses[0])
        return stable, unstable

    def close(self) -> None:
        self.engine.close()

    def stream(
        self,
        texts: Iterable[str],
        direction: Direction,
        options: SearchOptions,
        *,
        split_sentences: bool = True,
        protect: bool = True,
        localize_figures: bool = False,
        join_lines: bool = True,
        terms: object = None,
    ) -> Iterator[Translation]:
        for text in texts:
            prepared = self.prepare(text, direction, options, split_sentences=split_sentences, join_lines=join_lines)
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


class AligningTranslator(FakeTranslator):
    """Tells which word became which, where it is asked to; counts these texts."""

    num_aligned = 0

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        translation = super().finish(prepared, found)
        if not prepared.options.return_attention:
            return translation
        self.num_aligned += 1
        words = translation.text.split()
        pieces = tuple(f"▁{word}" for word in words)
        attention = np.eye(len(words), len(words) + 2, 1, dtype=np.float32)[::-1]
        best = replace(translation.hypotheses[0], pieces=pieces, attention=attention)
        return Translation(translation.source, (best,), ("<2de>", *pieces[::-1], "</s>"))


def reverse_words(text: str) -> str:
    """What FakeTranslator makes of a text."""
    if not text.strip():
        return text
    return SEGMENT_BORDER.join(" ".join(reversed(part.split())) for part in text.split(SEGMENT_BORDER))


async def wait_for(event: threading.Event) -> None:
    """Waits for a thread's event without holding up the event loop."""
    assert await asyncio.to_thread(event.wait, PATIENCE)
