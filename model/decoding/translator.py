"""From text to text: the vocabulary and the engine of one model. Free of torch, unless its decoder is made of it."""

import itertools
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from model.bundle import BundleConfig
from model.config import Direction
from model.decoding.combining import combine
from model.decoding.decoder import Decoder
from model.decoding.loading import Precision, load_model
from model.decoding.offline import OfflineLoop
from model.decoding.parallel import default_threads, make_engine
from model.decoding.preparing import FRAME, Preparer
from model.decoding.request import PreparedText, SearchArguments, SearchOptions, TokenHypothesis, Translation
from model.errors import DragomanError, InvalidInputError
from model.shortlist import Shortlist
from model.vocabulary import Vocabulary

SLOTS_PER_THREAD = 64
"""Sentences that a thread decodes at once: with more of them the matrix products hardly go faster."""


class Translator:
    """Translates text with one model. `prepare` and `finish` are safe in any thread, all else in one thread only."""

    def __init__(
        self,
        info: BundleConfig,
        vocabulary: Vocabulary,
        decoder: Decoder,
        *,
        revision: str = "",
        num_threads: int = 1,
        max_slots: int | None = None,
        max_cached_positions: int | None = None,
        shortlist: Shortlist | None = None,
    ) -> None:
        """decoder: one that never gives a piece of the target vocabulary's `unprintable_ids`.

        revision: tells these weights from others of the same name. num_threads: see `make_engine`. max_slots: as many
        as the decoder has if None. max_cached_positions: see `Engine`. shortlist: leaves every sentence the target
        pieces that it lists for it.
        """
        self.info = info
        self.vocabulary = vocabulary
        self.engine = make_engine(
            decoder,
            num_threads=num_threads,
            max_slots=decoder.max_slots if max_slots is None else max_slots,
            max_cached_positions=max_cached_positions,
        )
        self.revision = revision
        self.is_streaming = False
        self._preparer = Preparer(
            vocabulary,
            max_source_length=decoder.max_source_length,
            max_target_length=decoder.max_target_length,
            shortlist=shortlist,
        )

    @classmethod
    def load(
        cls,
        name_or_path: str | Path | Sequence[str | Path],
        *,
        precision: Precision = "auto",
        device: str = "cpu",
        num_threads: int | None = None,
        max_slots: int | None = None,
        max_cached_positions: int | None = None,
        use_shortlist: bool = False,
    ) -> "Translator":
        """Loads a bundle given by its folder, or by the name of one that ships with Dragoman; several of them, in a
        list, become an ensemble, which translates what all of them do and needs one vocabulary.

        precision, device: see `load_decoder`. num_threads: see `make_engine`; `default_threads` if None. max_slots:
        sentences decoded at once, 64 for each thread if None. max_cached_positions: bounds the
        memory that these take, see `Engine`. use_shortlist: whether translations are made of the pieces alone that the
        bundle's lexical shortlist has for their source, which is faster.

        Raises NotFoundError if there is none and InvalidInputError, naming the file, if it is damaged; see `load_model`
        for more.
        """
        names = [name_or_path] if isinstance(name_or_path, str | Path) else list(name_or_path)
        if num_threads is None:
            num_threads = default_threads()
        if num_threads < 1:
            raise InvalidInputError(f"num_threads is {num_threads}, but must be at least 1")
        if max_slots is None:
            max_slots = SLOTS_PER_THREAD * num_threads
        model = load_model(names, precision=precision, device=device, max_slots=max_slots, use_shortlist=use_shortlist)
        return cls(
            model.info,
            model.vocabulary,
            model.decoder,
            revision=model.revision,
            num_threads=num_threads,
            max_slots=max_slots,
            max_cached_positions=max_cached_positions,
            shortlist=model.shortlist,
        )

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        return self.info.directions

    @property
    def max_source_length(self) -> int:
        """Most pieces of a sentence, without the language tag and the end of sentence."""
        return self.engine.limits.max_source_length - FRAME

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """See `BundleConfig.find_direction`."""
        return self.info.find_direction(source_language, target_language)

    def prepare(
        self, text: str, direction: Direction, options: SearchOptions, *, split_sentences: bool = True
    ) -> PreparedText:
        """Splits a text into segments that fit the model, encodes them and resolves the options, which hold for every
        segment alike, but for target_prefix, with which the text begins.

        split_sentences: whether sentences, and parts of those that are too long, are translated one by one, see
        `model.decoding.segmentation`, and the white space around them is kept; otherwise the text is taken for one
        sentence.

        Raises InvalidInputError for an option that the model cannot follow, and for a text that is not split and
        longer than the model's limit.
        """
        prepared = self._preparer.prepare(text, direction, options, split=split_sentences)
        for request in prepared.requests(itertools.count()):
            self.engine.check(request)
        return prepared

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        """The translation of a text, from the hypotheses of each of its segments; see `combine`."""
        return combine(prepared, found, self.vocabulary)

    def translate(
        self,
        texts: str | Iterable[str],
        to: str,
        *,
        source_language: str | None = None,
        split_sentences: bool = True,
        **search: Unpack[SearchArguments],
    ) -> list[Translation]:
        """Translates one text or several of any length; a Translation for each, in order.

        split_sentences: see `prepare`. search: the fields of `SearchOptions`.

        Raises NotFoundError for an unknown language and InvalidInputError for what `prepare` refuses.
        """
        options = SearchOptions(**search)
        direction = self.find_direction(source_language, to)
        return list(
            self.stream(
                [texts] if isinstance(texts, str) else texts, direction, options, split_sentences=split_sentences
            )
        )

    def stream(
        self, texts: Iterable[str], direction: Direction, options: SearchOptions, *, split_sentences: bool = True
    ) -> Generator[Translation]:
        """Translates texts as they come: reads some ahead and yields in their order, see `OfflineLoop`.

        When reading or preparing a text fails, all texts before it are translated and yielded first.
        """
        if self.is_streaming:
            raise DragomanError("the translator is busy with another stream: use one after the other")
        self.is_streaming = True
        try:
            prepare = partial(self.prepare, direction=direction, options=options, split_sentences=split_sentences)
            yield from OfflineLoop(self.engine, texts, prepare, self.finish).run()
        finally:
            self.is_streaming = False
