"""From text to text: the vocabulary and the engine of one model. Free of torch, unless its decoder is made of it."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from dragoman.model.bundle import BundleConfig
from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.making import default_threads, make_engine
from dragoman.model.decoding.engines.replicas.messages import ReplicaSetup
from dragoman.model.decoding.engines.replicas.replica import STALL_SECONDS
from dragoman.model.decoding.limits import EngineLimits
from dragoman.model.decoding.loading import Precision, default_slots, open_model
from dragoman.model.decoding.request import Partial, TokenHypothesis
from dragoman.model.decoding.search_options import SearchArguments, SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError, NoTranslationError
from dragoman.model.shortlist import Shortlist
from dragoman.translation.combining import combine, partial_text
from dragoman.translation.languages import find_direction
from dragoman.translation.offline import AnyEngine, OfflineLoop
from dragoman.translation.preparing import PreparedText, Preparer
from dragoman.translation.results import Translation
from dragoman.translation.scored import Pair, ScoredTranslation, describe_pair


class Translator:
    """Translates text with one model. `prepare` and `finish`, those for scores too, and `partial_text` are safe in any
    thread, all else in one thread only."""

    def __init__(
        self,
        info: BundleConfig,
        vocabulary: Codec,
        engine: AnyEngine,
        *,
        revision: str = "",
        shortlist: Shortlist | None = None,
    ) -> None:
        """engine: whose decoder never gives a piece of the codec's `forbidden_ids`.

        revision: tells these weights from others of the same name. shortlist: leaves every sentence the target pieces
        that it lists for it.
        """
        self.info = info
        self.vocabulary = vocabulary
        self.engine = engine
        self.revision = revision
        self.is_streaming = False
        self._preparer = Preparer(
            vocabulary,
            max_source_length=engine.limits.max_source_length,
            max_target_length=engine.limits.max_target_length,
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
        num_replicas: int = 0,
        stall_seconds: float = STALL_SECONDS,
    ) -> "Translator":
        """Loads a bundle given by its folder, or by the name of one that ships with Dragoman; several of them, in a
        list, become an ensemble, which translates what all of them do and needs one vocabulary.

        precision, device: see `load_decoder`. num_threads: see `make_engine`; `default_threads` if None. max_slots:
        sentences decoded at once; if None 64 for each thread, or 256 off a processor. max_cached_positions: bounds the
        memory that these take, see `Engine`. use_shortlist: whether translations are made of the pieces alone that the
        bundle's lexical shortlist has for their source, which is faster. num_replicas: if not 0, as many processes
        decode, each with num_threads, 1 if None, max_slots and max_cached_positions of its own, and this one does not
        load the weights; see `Fleet`, and call `close` in the end. stall_seconds: an engine
        process, or a thread of several, that takes longer for one step is taken for stuck.

        Raises NotFoundError if there is none and InvalidInputError, naming the file, if it is damaged; see `open_model`
        and `OpenedModel.load_decoder` for more.
        """
        names = [name_or_path] if isinstance(name_or_path, str | Path) else list(name_or_path)
        if num_threads is None:
            num_threads = 1 if num_replicas else default_threads()
        if max_slots is None:
            max_slots = default_slots(device, num_threads)
        for name, number, least in (
            ("num_threads", num_threads, 1),
            ("max_slots", max_slots, 1),
            ("num_replicas", num_replicas, 0),
        ):
            if number < least:
                raise InvalidInputError(f"{name} is {number}, but must be at least {least}")
        model = open_model(names, use_shortlist=use_shortlist)
        engine: AnyEngine
        if num_replicas:
            setup = ReplicaSetup(
                model.folders, model.weights_revision, precision, device, num_threads, max_slots, max_cached_positions
            )
            engine = Fleet.of_processes(
                setup,
                EngineLimits.of_bundle(model.info, max_cached_positions),
                num_replicas,
                stall_seconds=stall_seconds,
            )
        else:
            engine = make_engine(
                model.load_decoder(precision=precision, device=device, max_slots=max_slots),
                num_threads=num_threads,
                max_slots=max_slots,
                max_cached_positions=max_cached_positions,
                stall_seconds=stall_seconds,
            )
        return cls(model.info, model.vocabulary, engine, revision=model.revision, shortlist=model.shortlist)

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        return self.info.directions

    @property
    def max_source_length(self) -> int:
        """Most pieces of a sentence, without those that the codec adds, such as a language tag and the end of
        sentence."""
        longest_frame = max(self.vocabulary.frame(direction).num_source for direction in self.directions)
        return self.engine.limits.max_source_length - longest_frame

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """See `translation.languages.find_direction`."""
        return find_direction(self.info, source_language, target_language)

    def prepare(
        self, text: str, direction: Direction, options: SearchOptions, *, split_sentences: bool = True
    ) -> PreparedText:
        """Splits a text into segments that fit the model, encodes them and resolves the options, which hold for every
        segment alike, but for target_prefix, with which the text begins.

        split_sentences: whether sentences, and parts of those that are too long, are translated one by one, see
        `translation.sentences`, and the white space around them is kept; otherwise the text is taken for one
        sentence.

        Raises InvalidInputError for an option that the model cannot follow, and for a text that is not split and
        longer than the model's limit.
        """
        prepared = self._preparer.prepare(text, direction, options, split=split_sentences)
        for segment in prepared.segments:
            self.engine.check(segment)
        return prepared

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        """The translation of a text, from the hypotheses of each of its segments; see `combine`.

        Raises NoTranslationError if a segment has none. `stream` lets such a segment stand for itself: one sentence
        must not end a corpus.
        """
        if not all(found):
            raise NoTranslationError("the model has no probabilities for this text")
        return combine(prepared, found, self.vocabulary)

    def partial_text(
        self,
        prepared: PreparedText,
        finished: Sequence[Sequence[TokenHypothesis] | None],
        partials: Mapping[int, Partial],
    ) -> tuple[str, str]:
        """What can be shown of a text's translation while it is decoded; see `partial_text`."""
        return partial_text(prepared, finished, partials, self.vocabulary)

    def prepare_score(self, source: str, target: str, direction: Direction, options: SearchOptions) -> PreparedText:
        """Both texts as one sentence, of which the engine finds how likely it is, piece by piece: by all pieces of the
        vocabulary, whatever shortlist there is, as `Scorer` does it, but in the engine's precision.

        options: length_penalty, length_normalization, coverage_penalty and return_attention count.

        Raises InvalidInputError for a side that is blank or longer than the model's limit.
        """
        prepared = self._preparer.prepare_score(source, target, direction, options)
        for segment in prepared.segments:
            self.engine.check(segment)
        return prepared

    def finish_score(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> ScoredTranslation:
        """The score of what `prepare_score` prepared, from the one hypothesis of its one segment.

        Raises NoTranslationError if there is none.
        """
        (segment,), (hypotheses,) = prepared.segments, found
        if not hypotheses:
            raise NoTranslationError("the model has no probabilities for this pair")
        (hypothesis,) = map(prepared.without_frame, hypotheses)
        return describe_pair(
            self.vocabulary,
            prepared.text,
            prepared.options.target_prefix,
            Pair(segment.source_ids, hypothesis.token_ids, prepared.frame),
            score=hypothesis.score,
            token_log_probs=hypothesis.token_log_probs,
            attention=hypothesis.attention,
        )

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
            finish = partial(combine, vocabulary=self.vocabulary)
            yield from OfflineLoop(self.engine, texts, prepare, finish).run()
        finally:
            self.is_streaming = False

    def close(self) -> None:
        """Ends the engine's threads and processes. May be called twice."""
        self.engine.close()
