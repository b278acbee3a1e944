"""From text to text with one model's vocabulary and engine. Imports no torch, though the decoder may."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from dragoman.model.bundle import BundleConfig
from dragoman.model.codec import Codec, joined_ids
from dragoman.model.config import Direction
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.lanes import STALL_SECONDS
from dragoman.model.decoding.engines.making import default_threads, make_engine
from dragoman.model.decoding.limits import EngineLimits
from dragoman.model.decoding.loading import Precision, default_slots, device_memory, open_model
from dragoman.model.decoding.request import Partial, TokenHypothesis
from dragoman.model.decoding.search_options import SearchArguments, SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError, NoTranslationError
from dragoman.model.known_words import NO_KNOWN_WORDS, KnownWords
from dragoman.model.shortlist import Shortlist
from dragoman.translation.checks.second_search import search_again
from dragoman.translation.combining import combine, partial_text
from dragoman.translation.drafts import Found, PreparedText, Round
from dragoman.translation.languages import find_direction
from dragoman.translation.normalizing.wrapping import unwrap
from dragoman.translation.offline import AnyEngine, OfflineLoop
from dragoman.translation.preparing import DEFAULT_FLUENT_LENGTH, Preparer
from dragoman.translation.results import Translation
from dragoman.translation.terms.glossary import Glossary
from dragoman.translation.terms.matching import TermFinder
from dragoman.translation.terms.placing import place_terms

if TYPE_CHECKING:
    from dragoman.translation.scoring.scored import ScoredTranslation


class Translator:
    """Translates text with one model. `prepare`, `review`, `finish`, `prepare_score`, `finish_score` and
    `partial_text` are safe in any thread; everything else belongs to one thread."""

    def __init__(
        self,
        info: BundleConfig,
        vocabulary: Codec,
        engine: AnyEngine,
        *,
        revision: str | Callable[[], str] = "",
        shortlist: Shortlist | None = None,
        known_words: KnownWords = NO_KNOWN_WORDS,
        has_language_model: bool = False,
    ) -> None:
        """engine: its decoder must never give a piece of the codec's `forbidden_ids`. revision: distinguishes these
        weights from others of the same name. shortlist: limits each sentence to the target pieces listed for it.
        known_words: those of training. has_language_model: whether the engine takes a `fusion_weight`.
        """
        self.info = info
        self.vocabulary = vocabulary
        self.engine = engine
        self._revision = revision
        self.is_streaming = False
        self._preparer = Preparer(
            vocabulary,
            max_source_length=engine.limits.max_source_length,
            max_target_length=engine.limits.max_target_length,
            has_attention=info.architecture.has_attention,
            has_language_model=has_language_model,
            shortlist=shortlist,
            known_words=known_words,
            fluent_length=info.fluent_length or DEFAULT_FLUENT_LENGTH,
            copying=info.copying,
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
        language_model: str | Path | None = None,
        num_replicas: int = 0,
        stall_seconds: float = STALL_SECONDS,
    ) -> "Translator":
        """Loads a bundle by its folder or its shipped name, or a list of bundles as an ensemble. An ensemble needs one
        vocabulary and translates the directions that all of its bundles have.

        precision, device:    see `load_decoder`.
        num_threads:          threads that decode; None: `default_threads`, or 1 for each replica.
        max_slots:            sentences decoded at once; None: 64 for each thread, or 256 on another device than "cpu".
        max_cached_positions: bounds the memory of these sentences, see `Engine`.
        use_shortlist:        whether to translate with the bundle's lexical shortlist, which is faster.
        language_model:       the bundle of a language model, for requests with a `fusion_weight`. Needs torch.
        num_replicas:         if not 0, this many processes decode, each with its own num_threads, max_slots and
                              max_cached_positions; this process does not load the weights. See `Fleet`; call `close`.
        stall_seconds:        an engine process, or one of several threads, counts as stuck after this time in one step.

        Raises NotFoundError for an unknown bundle, InvalidInputError naming the file for a damaged one, and what
        `open_model` and `OpenedModel.load_decoder` raise.
        """
        names = [name_or_path] if isinstance(name_or_path, str | Path) else list(name_or_path)
        if num_threads is None:
            num_threads = 1 if num_replicas else default_threads()
        if max_slots is None:
            # With engine processes this one does not connect with the device.
            memory = None if device == "cpu" or num_replicas else device_memory(device)
            max_slots = default_slots(device, num_threads, memory)
        for name, number, least in (
            ("num_threads", num_threads, 1),
            ("max_slots", max_slots, 1),
            ("num_replicas", num_replicas, 0),
        ):
            if number < least:
                raise InvalidInputError(f"{name} is {number}, but must be at least {least}")
        if num_replicas and language_model is not None:
            raise InvalidInputError("a language model decodes in one process: num_replicas must be 0")
        model = open_model(names, use_shortlist=use_shortlist, language_model=language_model)
        engine: AnyEngine
        if num_replicas:
            from dragoman.model.decoding.engines.replicas.messages import ReplicaSetup  # takes long to import

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
                joined_ids=joined_ids(model.vocabulary.target),
                stall_seconds=stall_seconds,
            )
        return cls(
            model.info,
            model.vocabulary,
            engine,
            revision=lambda: model.revision,
            shortlist=model.shortlist,
            known_words=model.known_words,
            has_language_model=language_model is not None,
        )

    @property
    def revision(self) -> str:
        """Distinguishes these weights from others of the same name; computed when it is asked for."""
        if not isinstance(self._revision, str):
            self._revision = self._revision()
        return self._revision

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        return self.info.directions

    @property
    def max_source_length(self) -> int:
        """Most pieces of a sentence, not counting those that the codec adds, such as a language tag and the end of
        sentence."""
        longest_frame = max(self.vocabulary.frame(direction).num_source for direction in self.directions)
        return self.engine.limits.max_source_length - longest_frame

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """See `translation.languages.find_direction`."""
        return find_direction(self.info, source_language, target_language)

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
        terms: TermFinder | None = None,
    ) -> PreparedText:
        """Splits a text into segments that fit the model, encodes them and resolves the options. The options hold for
        every segment, except target_prefix, which only the first one gets.

        split_sentences: whether to translate sentences, and the parts of too long ones, one by one and keep the white
        space around them, see `translation.sentences`; otherwise the text counts as one sentence.
        protect: whether to let through what must not be translated, see `translation.protecting`.
        localize_figures: whether to write figures in the target's notation, see `translation.normalizing.notation`.
        join_lines: whether to join the lines of wrapped paragraphs before splitting, and to wrap their translations
        likewise, see `translation.normalizing.wrapping`; otherwise a line break always ends a sentence.
        terms: finds the terms whose translation is given; see `translation.terms.placing` for how it gets them.

        Raises InvalidInputError for an option that the model cannot follow, and for an unsplit text that is longer than
        the model's limit.
        """
        wrapping = unwrap(text, self._count_source_pieces) if split_sentences and join_lines else None
        flowing = text if wrapping is None else wrapping.text
        prepared = self._preparer.prepare(
            flowing,
            direction,
            options,
            split=split_sentences,
            protect=protect,
            localize_figures=localize_figures,
            terms=terms,
        )
        if wrapping is not None:
            prepared = replace(prepared, text=text, wrapping=wrapping)
        for segment in prepared.segments:
            self.engine.check(segment)
        return prepared

    def _count_source_pieces(self, text: str) -> int:
        return len(self.vocabulary.source.encode(text))

    def review(self, prepared: PreparedText, found: Found, *, keeps_unchanged: bool = False) -> Round | None:
        """A further round for a text some of whose sentences failed and can be translated in another way; None if the
        text is ready for `finish`. There are few rounds.

        keeps_unchanged: whether a sentence that the model read as it was keeps its translation, because it was shown.
        """
        again = self._preparer.review(prepared, found, keeps_unchanged=keeps_unchanged)
        if again is not None:
            return again
        again = place_terms(
            prepared,
            found,
            self.vocabulary,
            forbidden_ids=self._preparer.forbidden_ids,
            check=self.engine.check,
        )
        if again is not None:
            return again
        return search_again(
            prepared,
            found,
            self.vocabulary,
            keeps_unchanged=keeps_unchanged,
            check=self.engine.check,
            prepare=partial(self._preparer.prepare, split=False, terms=prepared.terms),
        )

    def finish(self, prepared: PreparedText, found: Found) -> Translation:
        """The translation of a text from the hypotheses of its segments; see `combine`.

        Raises NoTranslationError if a segment has none. `stream` leaves such a segment untranslated instead: one
        sentence must not end a corpus.
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
        """The part of a text's translation that can be shown while it is decoded; see `combining.partial_text`."""
        return partial_text(prepared, finished, partials, self.vocabulary)

    def prepare_score(self, source: str, target: str, direction: Direction, options: SearchOptions) -> PreparedText:
        """Prepares a pair, each side as one sentence, for the engine to score. Like `Scorer`, it uses the whole
        vocabulary, without a shortlist, but it computes in the engine's precision.

        options: only length_penalty, length_normalization, coverage_penalty and return_attention count.

        Raises InvalidInputError for a side that is blank or longer than the model's limit.
        """
        prepared = self._preparer.prepare_score(source, target, direction, options)
        for segment in prepared.segments:
            self.engine.check(segment)
        return prepared

    def finish_score(self, prepared: PreparedText, found: Found) -> "ScoredTranslation":
        """The score of a pair from `prepare_score`, from the one hypothesis of its one segment.

        Raises NoTranslationError if there is none.
        """
        from dragoman.translation.scoring.scored import Pair, describe_pair  # for scores alone

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
        protect: bool = True,
        localize_figures: bool = False,
        join_lines: bool = True,
        terms: Glossary | None = None,
        **search: Unpack[SearchArguments],
    ) -> list[Translation]:
        """Translates one text or several, of any length. Returns a Translation for each, in order.

        split_sentences, protect, localize_figures, join_lines: see `prepare`. terms: a glossary; each hypothesis says
        what became of its terms. search: the fields of `SearchOptions`.

        Raises NotFoundError for an unknown language, and InvalidInputError for a text or option that `prepare` refuses.
        """
        options = SearchOptions(**search)
        direction = self.find_direction(source_language, to)
        return list(
            self.stream(
                [texts] if isinstance(texts, str) else texts,
                direction,
                options,
                split_sentences=split_sentences,
                protect=protect,
                localize_figures=localize_figures,
                join_lines=join_lines,
                terms=terms,
            )
        )

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
        terms: Glossary | None = None,
    ) -> Generator[Translation]:
        """Translates texts as they come: reads some ahead and yields translations in order, see `OfflineLoop`.

        If reading or preparing a text fails, all texts before it are translated and yielded first.
        """
        if self.is_streaming:
            raise DragomanError("the translator is busy with another stream: use one after the other")
        self.is_streaming = True
        try:
            prepare = partial(
                self.prepare,
                direction=direction,
                options=options,
                split_sentences=split_sentences,
                join_lines=join_lines,
                protect=protect,
                localize_figures=localize_figures,
                terms=None if terms is None else TermFinder(terms, direction.source, direction.target),
            )
            finish = partial(combine, vocabulary=self.vocabulary)
            yield from OfflineLoop(self.engine, texts, prepare, self.review, finish).run()
        finally:
            self.is_streaming = False

    def close(self) -> None:
        """Ends the engine's threads and processes. May be called twice."""
        self.engine.close()
