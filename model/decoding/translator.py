"""From text to text: the vocabulary and the engine of one bundle, and the offline loop that drives them."""

import heapq
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from model.bundle import BundleConfig, bundle_revision, find_bundle, read_config, read_vocabulary
from model.config import Direction
from model.decoding.engine import Engine
from model.decoding.request import (
    Finished,
    Hypothesis,
    PreparedText,
    SearchOptions,
    TokenHypothesis,
    Translation,
)
from model.decoding.torch_decoder import TorchDecoder
from model.errors import DragomanError, InvalidInputError
from model.storage import load_network
from model.transformer import Transformer
from model.vocabulary import Vocabulary

LOOKAHEAD = 1024
"""Texts that the offline loop reads ahead of its output, to decode like lengths together."""


class Translator:
    """Translates text with one model. `prepare` and `finish` are safe in any thread, all else in one thread only."""

    def __init__(
        self,
        info: BundleConfig,
        vocabulary: Vocabulary,
        network: Transformer,
        *,
        revision: str = "",
        max_slots: int = 64,
    ) -> None:
        """revision: tells these weights from others of the same name; max_slots: sentences decoded at once."""
        self.info = info
        self.vocabulary = vocabulary
        forbidden_ids = vocabulary.target.unprintable_ids()
        self.engine = Engine(TorchDecoder(network, forbidden_ids=forbidden_ids, max_slots=max_slots))
        self.revision = revision
        self.is_streaming = False

    @classmethod
    def load(cls, name_or_path: str | Path, *, max_slots: int = 64) -> "Translator":
        """Loads a bundle given by its folder, or by the name of one that ships with Dragoman.

        Raises NotFoundError if there is none and InvalidInputError, naming the file, if it is damaged.
        """
        folder = find_bundle(str(name_or_path))
        info = read_config(folder)
        return cls(
            info,
            read_vocabulary(folder, info),
            load_network(folder, info),
            revision=bundle_revision(folder),
            max_slots=max_slots,
        )

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        return self.info.directions

    @property
    def max_source_length(self) -> int:
        """Most pieces of a source text, without the language tag and the end of sentence."""
        return self.info.architecture.max_source_length - 2

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """See `BundleConfig.find_direction`."""
        return self.info.find_direction(source_language, target_language)

    def prepare(self, text: str, direction: Direction, options: SearchOptions) -> PreparedText:
        """Encodes a text and resolves its options. Raises InvalidInputError if it is longer than the model's limit."""
        limits = self.info.architecture
        source_ids = tuple(self.vocabulary.encode_source(text, direction)) if text.strip() else ()
        if len(source_ids) > limits.max_source_length:
            raise InvalidInputError(
                f"the text has {len(source_ids) - 2} pieces, but the model takes {self.max_source_length} at most: "
                "split it into sentences"
            )
        ample = 2 * len(source_ids) + 10 if options.max_target_length is None else options.max_target_length
        return PreparedText(text, source_ids, options, min(ample, limits.max_target_length))

    def finish(self, prepared: PreparedText, hypotheses: Sequence[TokenHypothesis]) -> Translation:
        """Hypotheses as text. A text is never answered with nothing: blank hypotheses are left out, and where no
        other is left, as for a blank text, the text stands for itself with a score of 0."""
        texts = [
            Hypothesis(self.vocabulary.target.decode(hypothesis.token_ids), hypothesis.score)
            for hypothesis in hypotheses
        ]
        readable = tuple(hypothesis for hypothesis in texts if hypothesis.text.strip())
        return Translation(prepared.text, readable or (Hypothesis(prepared.text, 0.0),))

    def translate(
        self,
        texts: str | Iterable[str],
        to: str,
        *,
        source_language: str | None = None,
        beam_size: int = 4,
        n_best: int = 1,
        length_penalty: float = 1.0,
        max_target_length: int | None = None,
    ) -> list[Translation]:
        """Translates one text or several, which must fit the model's limit each; a Translation for each, in order.

        See `SearchOptions` for how it searches. Raises NotFoundError for an unknown language and InvalidInputError
        for an option out of range or a text that is too long.
        """
        options = SearchOptions(
            beam_size=beam_size, n_best=n_best, length_penalty=length_penalty, max_target_length=max_target_length
        )
        direction = self.find_direction(source_language, to)
        return list(self.stream([texts] if isinstance(texts, str) else texts, direction, options))

    def stream(self, texts: Iterable[str], direction: Direction, options: SearchOptions) -> Generator[Translation]:
        """Translates texts as they come: reads at most LOOKAHEAD ahead and yields in their order.

        When reading or preparing a text fails, all texts before it are translated and yielded first.
        """
        return _OfflineLoop(self, texts, direction, options).run()


class _OfflineLoop:
    """Keeps the engine filled from a stream of texts, longest first among those at hand, and restores their order."""

    def __init__(
        self, translator: Translator, texts: Iterable[str], direction: Direction, options: SearchOptions
    ) -> None:
        self.translator = translator
        self.engine = translator.engine
        self.texts = iter(texts)
        self.direction = direction
        self.options = options
        self.num_read = 0
        self.failure: Exception | None = None
        self.exhausted = False
        self.waiting: list[tuple[int, int]] = []  # heap of (-source length, number)
        self.in_flight: set[int] = set()
        self.prepared: dict[int, PreparedText] = {}  # read, but not translated yet
        self.translated: dict[int, Translation] = {}  # translated, but not yielded yet

    def run(self) -> Generator[Translation]:
        if self.translator.is_streaming:
            raise DragomanError("the translator is busy with another stream: use one after the other")
        self.translator.is_streaming = True
        num_yielded = 0
        try:
            while True:
                self._read_ahead(num_yielded + LOOKAHEAD)
                while num_yielded in self.translated:
                    yield self.translated.pop(num_yielded)
                    num_yielded += 1
                if self.exhausted and num_yielded == self.num_read:
                    break
                self._admit()
                for finished in self.engine.step():
                    self._take(finished)
        finally:  # also when whoever consumes this stops early
            self.translator.is_streaming = False
            for number in self.in_flight:
                self.engine.cancel(number)
        if self.failure is not None:
            raise self.failure

    def _read_ahead(self, limit: int) -> None:
        while not self.exhausted and self.num_read < limit:
            try:
                text = next(self.texts)
                prepared = self.translator.prepare(text, self.direction, self.options)
            except StopIteration:
                self.exhausted = True
            except Exception as error:
                self.exhausted, self.failure = True, error
            else:
                if prepared.source_ids:
                    self.prepared[self.num_read] = prepared
                    heapq.heappush(self.waiting, (-len(prepared.source_ids), self.num_read))
                else:
                    self.translated[self.num_read] = self.translator.finish(prepared, ())
                self.num_read += 1

    def _admit(self) -> None:
        """Fills free slots, several at a time: the encoder works best on batches."""
        free = self.engine.free_slots
        if not self.waiting or (self.engine.num_active and free < self.engine.max_slots // 8):
            return
        numbers = [heapq.heappop(self.waiting)[1] for _ in range(min(free, len(self.waiting)))]
        self.in_flight.update(numbers)  # first: if admitting fails half-way, all of them must be cancelled
        self.engine.admit([self.prepared[number].request(number) for number in numbers])

    def _take(self, finished: Finished) -> None:
        self.in_flight.remove(finished.id)
        self.translated[finished.id] = self.translator.finish(self.prepared.pop(finished.id), finished.hypotheses)
