"""Translates and scores for all transports: checks limits, finds models and languages, parses HTML, prepares texts,
submits them to workers, and assembles the outcomes."""

import asyncio
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext
from dragoman.server.catalogue.catalogue import Lease
from dragoman.server.config import LimitsConfig
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.contents import plain_text
from dragoman.server.translating.detection import Candidate, LanguageDetector
from dragoman.server.translating.glossaries import Glossaries, StoredGlossary
from dragoman.server.translating.languages import find_sources
from dragoman.server.translating.memory import Memory
from dragoman.server.translating.orders import AUTO, ScoreOrder, TextFormat, TranslationOrder
from dragoman.server.translating.owned_glossaries import OwnedGlossaries
from dragoman.server.translating.pivoting import check_pivoted, kept_terms, pivot_directions
from dragoman.server.translating.preparing import check_answer_size, check_number, prepare_all, prepare_item, too_long
from dragoman.server.translating.session import Session
from dragoman.translation.drafts import PreparedText
from dragoman.translation.scoring.scored import ScoredTranslation
from dragoman.translation.terms.glossary import Glossary
from dragoman.translation.terms.matching import TermFinder

Pair: TypeAlias = tuple[str, str]
"""A text and its translation."""

Leg: TypeAlias = tuple[str | None, str, str]
"""What to find in the catalogue: a model's name if one is given, a source and a target language."""


class FindsModels(Protocol):
    """The part of `server.catalogue.catalogue.Catalogue` that finds models."""

    @property
    def loads_on_demand(self) -> bool: ...
    def find(self, model: str | None, source_language: str | None, target_language: str) -> Lease | None: ...
    async def lease(self, model: str | None, source_language: str | None, target_language: str) -> Lease: ...
    def name_of(self, model: str | None, source_language: str | None, target_language: str) -> str: ...
    def directions(self, name: str | None = None) -> frozenset[Direction]: ...


@dataclass(frozen=True, slots=True)
class Scores:
    """A score or failure for each pair, and the model."""

    scores: Sequence[ScoredTranslation | TextFailure]
    model: str
    revision: str
    source_language: str


class Translating:
    """The interface to transports, on top of the catalogue and its workers. All methods run on the event loop.

    They raise InvalidInputError that names the faulty field, NotFoundError for an unknown model or language, and the
    errors of `Worker`.
    """

    def __init__(
        self,
        catalogue: FindsModels,
        limits: LimitsConfig,
        detector: LanguageDetector,
        glossaries: Glossaries | None = None,
        pivot: str | None = None,
        owned_glossaries: OwnedGlossaries | None = None,
        memory: Memory | None = None,
    ) -> None:
        """pivot: a language through which directions go that no model has. memory: by default nothing is kept."""
        self._memory = memory or Memory()
        self.limits = limits
        self.owned_glossaries = owned_glossaries or OwnedGlossaries()
        self.glossaries = glossaries or Glossaries()
        self._catalogue = catalogue
        self._detector = detector
        self._pivot = pivot

    @contextmanager
    def open(
        self, order: TranslationOrder, *, limits: LimitsConfig | None = None, field: str = "texts"
    ) -> Iterator[Session]:
        """Open a session for an order; a context manager. limits: by default the server's. field: the transport's name
        of the texts, for messages.

        The session has its models at once if they are loaded. If they are loaded on demand, it gets them when its
        texts come, and of several models for different source languages only those that the texts need."""
        wanted = "" if order.source_language == AUTO else order.source_language
        sources, target = find_sources(self.directions(order.model), wanted, order.target_language)
        detector = self._detector if order.source_language == AUTO or len(sources) > 1 else None
        legs = self._legs(order, sources, target)
        with ExitStack() as stack:
            session = Session(order, sources, target, limits or self.limits, detector, field)
            if self._needs_few_of_many(legs):
                leases: dict[str, list[Lease]] = {}
            else:
                leases = self._find_loaded(legs, stack)
            if len(leases) < len(legs):

                async def borrow(wanted: Collection[str]) -> None:
                    found = {source: [await self._lease(leg, stack) for leg in legs[source]] for source in wanted}
                    self._equip(session, found)

                session.borrows = borrow
            self._equip(session, leases)
            yield session

    def _legs(self, order: TranslationOrder, sources: Sequence[str], target: str) -> dict[str, list[Leg]]:
        """By source language, the way to the target: one model, or two. Raises NotFoundError for an unknown glossary,
        and InvalidInputError for options that two models do not allow."""
        direct = frozenset() if self._pivot is None else self._own_directions(order.model)
        legs: dict[str, list[Leg]] = {}
        for source in sources:
            self._find_glossary(order, source, target)
            if self._pivot is None or Direction(source, target) in direct:
                legs[source] = [(order.model, source, target)]
            else:
                check_pivoted(order, self._pivot)
                legs[source] = [(order.model, source, self._pivot), (None, self._pivot, target)]
        return legs

    def _needs_few_of_many(self, legs: Mapping[str, Sequence[Leg]]) -> bool:
        """Whether the texts decide which of several models are needed, and those are loaded by calls."""
        if not self._catalogue.loads_on_demand or len(legs) == 1:
            return False
        return len({tuple(self._catalogue.name_of(*leg) for leg in way) for way in legs.values()}) > 1

    def _find_loaded(self, legs: Mapping[str, Sequence[Leg]], stack: ExitStack) -> dict[str, list[Lease]]:
        """Leases by source language, of those whose models are all loaded."""
        leases: dict[str, list[Lease]] = {}
        for source, way in legs.items():
            found = [lease for leg in way if (lease := self._catalogue.find(*leg)) is not None]
            for lease in found:
                stack.enter_context(lease)
            if len(found) == len(way):
                leases[source] = found
        return leases

    async def _lease(self, leg: Leg, stack: ExitStack) -> Lease:
        return stack.enter_context(await self._catalogue.lease(*leg))

    def _equip(self, session: Session, leases: Mapping[str, Sequence[Lease]]) -> None:
        """Give a session its models. leases: by source language, of one leg or two."""
        order, target = session.order, session.target
        stored: dict[str, Hashable] = {}
        for source, (first, *others) in leases.items():
            pivot = others[0].direction.source if others else ""
            onward: Session | None = None
            for second in others:
                rest = replace(order, source_language=pivot, join_lines=False)
                onward = Session(rest, [pivot], target, self.limits, None, session.field)
                onward.equip(pivot, second, self._terms(order, source, target))
            session.equip(source, first, self._terms(order, source, target, pivot), onward)
            glossary = self._find_glossary(order, source, target)
            stored[source] = None if glossary is None else glossary.serial
        session.remember(self._memory.open(order, leases, target, stored))

    def _terms(self, order: TranslationOrder, source: str, target: str, pivot: str = "") -> TermFinder | None:
        """The order's terms in texts of a source language; with a pivot, those of the first leg. Raises NotFoundError
        for an unknown glossary."""
        stored = self._find_glossary(order, source, target)
        if not order.terms:
            if stored is None:
                return None
            return stored.finder(source, target, ignores_case=order.ignores_case, pivot=pivot)
        rest = () if stored is None else stored.glossary.entries
        glossary = Glossary((*(term.entry(source, target) for term in order.terms), *rest))
        if pivot:
            glossary = kept_terms(glossary, source, pivot, target)
        return TermFinder(glossary, source, pivot or target)

    def _find_glossary(self, order: TranslationOrder, source: str, target: str) -> StoredGlossary | None:
        if not order.glossary:
            return None
        if order.glossary_owner is None:
            return self.glossaries.get(order.glossary)
        return self.owned_glossaries.get(order.glossary_owner, order.glossary).dictionary(source, target).stored

    async def score(self, order: ScoreOrder, pairs: Sequence[Pair], call: CallContext) -> Scores:
        """Score given translations, each pair as one sentence."""
        check_number("pairs", len(pairs), self.limits)
        if order.source_language == AUTO:
            raise InvalidInputError("source_language_code: cannot be detected for scores; name the language")
        sources, target = find_sources(self._own_directions(order.model), order.source_language, order.target_language)
        if len(sources) > 1:
            raise InvalidInputError(f"source_language_code: is empty; name one of {', '.join(sources)}")
        options, max_length = order.search, self.limits.max_text_length
        with await self._catalogue.lease(order.model, sources[0], target) as lease:
            lease.worker.check_room(len(pairs), caller=call, priority=order.priority)

            def prepare(pair: Pair) -> PreparedText:
                return lease.translator.prepare_score(*pair, lease.direction, options)

            outcomes = await prepare_all(
                pairs,
                lambda pair: prepare_item(pair, pair, prepare, max_length),
                lambda pair: len(pair[0]) + len(pair[1]),
                lambda prepared: len(prepared.segments),
                self.limits.max_sentences,
                field="pairs",
            )
            prepared = [outcome for outcome in outcomes if not isinstance(outcome, TextFailure)]
            check_answer_size(prepared, order.wanted, self.limits)
            found = iter(await lease.worker.score(prepared, caller=call, priority=order.priority))
            scores = [outcome if isinstance(outcome, TextFailure) else next(found) for outcome in outcomes]
            return Scores(scores, lease.translator.name, lease.translator.revision, sources[0])

    async def detect(
        self, texts: Sequence[str], max_candidates: int, text_format: TextFormat = "plain"
    ) -> list[list[Candidate] | TextFailure]:
        """The most likely languages of each text, at most `max_candidates` (0 means 1); none if it has no letters."""
        check_number("texts", len(texts), self.limits)
        if max_candidates < 0:
            raise InvalidInputError(f"max_candidates: is {max_candidates}, but must not be negative")
        most = self.limits.max_text_length
        examined = [text for text in texts if len(text) <= most]
        if text_format == "html":
            examined = [await asyncio.to_thread(plain_text, text) for text in examined]
        found = iter(await self._detector.detect(examined, max_candidates or 1))
        return [next(found) if len(text) <= most else too_long(text, most) for text in texts]

    async def choose_source(self, text: str, order: TranslationOrder) -> str:
        """The likeliest language of a text among those that can be translated into the order's target, or the target
        itself; without letters in it, the first."""
        sources, target = find_sources(self.directions(order.model), "", order.target_language)
        examined = text[: self.limits.max_text_length]
        return await asyncio.to_thread(self._detector.choose, examined, sources, target) or sources[0]

    def directions(self, model: str | None) -> frozenset[Direction]:
        """The directions of a model; without one those of all models, and those through the pivot. Raises
        NotFoundError."""
        own = self._own_directions(model)
        return own if model is not None or self._pivot is None else own | self.pivoted_directions()

    def pivoted_directions(self) -> frozenset[Direction]:
        """The directions that two models make together."""
        if self._pivot is None:
            return frozenset()
        return pivot_directions(self._catalogue.directions(), self._pivot)

    def _own_directions(self, model: str | None) -> frozenset[Direction]:
        return self._catalogue.directions(model)
