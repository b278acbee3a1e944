"""A session: one translation order with its models, which turns texts into outcomes."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext
from dragoman.server.catalogue.catalogue import Lease
from dragoman.server.config import LimitsConfig
from dragoman.server.scheduling.worker import TextFailure, Worker
from dragoman.server.translating import contents
from dragoman.server.translating.detection import LanguageDetector, examination_work
from dragoman.server.translating.memory import NO_RECALL, Recall
from dragoman.server.translating.orders import LiveOutcome, Outcome, Translated, TranslationOrder
from dragoman.server.translating.pivoting import first_leg, join, join_names
from dragoman.server.translating.preparing import (
    MAX_PREPARED_INLINE,
    ReadyText,
    bound_pieces,
    check_answer_size,
    check_number,
    estimate_answer,
    prepare_all,
    prepare_item,
    run_all,
    too_long,
    unchanged,
)
from dragoman.translation.drafts import PreparedText
from dragoman.translation.markup.document import Document, MarkupText
from dragoman.translation.results import Translation
from dragoman.translation.terms.matching import TermFinder

Submit: TypeAlias = Callable[[Worker, Sequence[PreparedText]], Awaitable[Sequence[Translation | TextFailure]]]
"""Gives prepared texts to a worker."""


class Session:
    """An order with its models; see `Translating.open`."""

    def __init__(
        self,
        order: TranslationOrder,
        sources: Sequence[str],
        target: str,
        limits: LimitsConfig,
        detector: LanguageDetector | None,
        field: str,
    ) -> None:
        """sources: languages; the first is for texts whose language cannot be detected. detector: None for a fixed
        source language. `equip` gives it models. Raises InvalidInputError for options that HTML does not allow."""
        self.order = order
        self.limits = limits
        self.target = target
        self.field = field
        self.borrows: Callable[[Collection[str]], Awaitable[None]] | None = None
        """Gets the models of source languages that have none yet; None if all are there."""
        self._sources = sources
        self._detector = detector
        self._leases: dict[str, Lease] = {}
        self._finders: dict[str, TermFinder | None] = {}
        self._onward: dict[str, Session] = {}
        self._recall = NO_RECALL
        self._is_html = order.text_format == "html"
        self._options = order.search
        self._leg_options = self._options
        if self._is_html:
            order.check_html()

    def equip(
        self, source: str, lease: Lease, finder: TermFinder | None = None, onward: "Session | None" = None
    ) -> None:
        """Give it the model for a source language. finder: of terms. onward: if the model translates into a pivot
        language, the session of the second leg."""
        self._leases[source], self._finders[source] = lease, finder
        if onward is not None:
            self._onward[source] = onward
            self._leg_options = first_leg(self._options)

    def remember(self, recall: Recall) -> None:
        """Give it what was translated before, in addition to what it has."""
        self._recall = recall if self._recall is NO_RECALL else self._recall.joined(recall)

    async def borrow(self, texts: Sequence[str] = ()) -> None:
        """Wait for the models that texts need, if they are not there; without texts, for the only one. Raises
        ModelLoadingError and ModelUnavailableError."""
        if self.borrows is None or len(self._leases) == len(self._sources):
            return
        wanted = {self._sources[0]} if self._detector is None else await asyncio.to_thread(self._sources_of, texts)
        if missing := [source for source in self._sources if source in wanted and source not in self._leases]:
            await self.borrows(missing)

    def _sources_of(self, texts: Sequence[str]) -> set[str]:
        return {self._source_of(text) for text in texts if text.strip()}

    def _source_of(self, text: str) -> str:
        """The likeliest language of a text, or the target's."""
        assert self._detector is not None
        examined = contents.plain_text(text) if self._is_html else text
        return self._detector.choose(examined, self._sources, self.target) or self._sources[0]

    @property
    def source_language(self) -> str:
        """Source language of all texts; empty if it is detected."""
        return self._sources[0] if self._detector is None else ""

    @property
    def model(self) -> tuple[str, str]:
        """Name and revision of the model, both joined by "+" where two make the direction; empty if there are
        several."""
        if self.borrows is not None and self._detector is not None:
            return "", ""  # the texts decide
        models = set()
        for source, lease in self._leases.items():
            name, revision = lease.translator.name, lease.translator.revision
            if source in self._onward:
                second = self._onward[source].model
                name, revision = join_names(name, second[0]), join_names(revision, second[1])
            models.add((name, revision))
        return models.pop() if len(models) == 1 else ("", "")

    @property
    def num_slots(self) -> int:
        """Number of slots of all models."""
        return sum(worker.statistics().num_slots for worker in {lease.worker for lease in self._leases.values()})

    async def translate(
        self, texts: Sequence[str], call: CallContext, *, submit: Submit | None = None
    ) -> list[Outcome]:
        """Translate texts; returns an outcome for each. submit: by default `Worker.translate`."""
        check_number(self.field, len(texts), self.limits)
        given = list(texts)
        await self.borrow(given)
        if submit is None:
            self._check_room(sum(bool(text) and not text.isspace() for text in given), call)
        outcomes = await prepare_all(
            given,
            self._prepare,
            self.work,
            lambda text: text.num_sentences,
            self.limits.max_sentences,
            field=self.field,
            is_slow=self._detector is not None,
        )
        ready = [outcome for outcome in outcomes if not isinstance(outcome, TextFailure)]
        parts = [part for text in ready for part in text.parts]
        check_answer_size(parts, self.order.wanted, self.limits)
        if self._is_html and contents.num_weights_bytes(parts) > contents.MAX_WEIGHTS_BYTES:
            raise InvalidInputError(f"{self.field}: too much text with tags among its words in one call: send less")
        found = iter(await self._finish(ready, submit or self._submit_for(call)))
        return [outcome if isinstance(outcome, TextFailure) else next(found) for outcome in outcomes]

    async def translate_all(self, texts: Sequence[str], call: CallContext) -> list[Translated]:
        """`translate` for callers that need all translations. Raises InvalidInputError for the first failure, if
        possible before any text is translated."""
        check_number(self.field, len(texts), self.limits)
        for place, text in enumerate(texts):
            if len(text) > self.limits.max_text_length:
                raise InvalidInputError(f"{self.field}[{place}]: {too_long(text, self.limits.max_text_length).reason}")
        translated = []
        for place, outcome in enumerate(await self.translate(texts, call)):
            if isinstance(outcome, TextFailure):
                raise InvalidInputError(f"{self.field}[{place}]: {outcome.reason}")
            translated.append(outcome)
        return translated

    async def translate_when_room(self, ready: ReadyText, call: CallContext) -> Outcome:
        """Translate a text from `prepare_each`, see `Worker.translate_when_room`."""
        if ready.lease is not None and not (ready.known or self._is_html or self._onward):  # the fast path of streams
            translate = ready.lease.worker.translate_when_room
            (result,) = await translate(ready.parts, caller=call, priority=self.order.priority)
            outcome = self._outcome(ready, result)
            self._recall.store(ready, outcome)
            return outcome
        (outcome,) = await self._finish([ready], self._submit_for(call, when_room=True))
        return outcome

    async def follow(self, text: str, call: CallContext) -> AsyncGenerator[LiveOutcome, None]:
        """Yield a text's translation so far whenever it changes, see `Worker.follow`; the last item has the outcome."""
        if self._is_html:
            raise InvalidInputError("text_format: HTML has no live translation; translate it as a whole")
        await self.borrow([text])
        self._check_room(bool(text.strip()), call)
        self._recall = self._recall.approved_only()  # what is shown live must not depend on earlier calls
        (ready,) = await self.prepare_each([text])
        if isinstance(ready, TextFailure):
            raise InvalidInputError(f"text: {ready.reason}")
        if ready.known is not None:
            yield LiveOutcome(ready.known.translation.text, "", ready.known)
            return
        if ready.lease is None:
            yield LiveOutcome(text, "", self._outcome(ready, unchanged(text)))
            return
        if ready.source_language in self._onward:
            async with aclosing(self._follow_onward(ready, call)) as onward:
                async for so_far in onward:
                    yield so_far
            return
        following = ready.lease.worker.follow(ready.parts[0], caller=call, priority=self.order.priority)
        async with aclosing(following) as partial_texts:
            async for live in partial_texts:
                outcome = None if live.translation is None else self._outcome(ready, live.translation)
                yield LiveOutcome(live.stable_text, live.unstable_text, outcome)

    async def _follow_onward(self, ready: ReadyText, call: CallContext) -> AsyncGenerator[LiveOutcome, None]:
        """The second leg's translation so far of the first leg's best hypothesis."""
        (first,) = await self._finish_here([ready], self._submit_for(call))
        if isinstance(first, TextFailure):
            raise InvalidInputError(f"text: {first.reason}")
        best = replace(first, translation=replace(first.translation, hypotheses=first.translation.hypotheses[:1]))
        async with aclosing(self._onward[ready.source_language].follow(best.translation.text, call)) as second:
            async for live in second:
                if live.outcome is not None:
                    live = replace(live, outcome=join(best, [live.outcome], self._options.n_best))
                yield live

    def work(self, text: str) -> int:
        """Cost of preparing a text, in characters, with the cost of options and detection."""
        num_characters = len(text) + len(self._options.target_prefix) + len(self._options.suppressed_pieces)
        return num_characters if self._detector is None else num_characters + examination_work(text)

    async def prepare_each(self, texts: Sequence[str]) -> list[ReadyText | TextFailure]:
        """Prepare texts with separate answers, each of which must be within all limits."""
        await self.borrow(texts)

        def prepare() -> list[ReadyText | TextFailure]:
            return [self._prepare_alone(text) for text in texts]

        if self._detector is None and sum(map(self.work, texts)) <= MAX_PREPARED_INLINE:
            return prepare()
        return await asyncio.to_thread(prepare)

    def estimate(self, ready: ReadyText) -> int:
        """Approximate size of the answer in bytes."""
        return sum(estimate_answer(part, self.order.wanted) for part in ready.parts)

    def _prepare(self, text: str) -> ReadyText | TextFailure:
        """Prepare a text; for any thread. Raises InvalidRequestError for wrong options."""
        return bound_pieces(prepare_item(text, (text,), self._take_apart, self.limits.max_text_length), self.limits)

    def _prepare_alone(self, text: str) -> ReadyText | TextFailure:
        ready = self._prepare(text)
        if isinstance(ready, TextFailure):
            return ready
        if ready.num_sentences > self.limits.max_sentences:
            return TextFailure(f"has more than {self.limits.max_sentences} sentences")
        if contents.num_weights_bytes(ready.parts) > contents.MAX_WEIGHTS_BYTES and self._is_html:
            return TextFailure("has too much text with tags among its words")
        num_bytes = self.estimate(ready)
        if num_bytes > self.limits.max_message_bytes:
            return TextFailure(
                f"its answer would have about {num_bytes} bytes, but a message may have at most "
                f"{self.limits.max_message_bytes}: request fewer hypotheses or fewer return_options"
            )
        return ready

    def _take_apart(self, text: str) -> ReadyText:
        source = self._sources[0]
        if self._detector is not None:
            source = self._source_of(text)
            if source == self.target:
                return ReadyText(text, source, None, ())
        lease = self._leases[source]
        known = self._recall.find(source, text)
        if known is not None:
            return ReadyText(text, source, lease, (), known=known)
        if not self._is_html:
            return ReadyText(text, source, lease, (self._encode(lease, text),))
        document = Document(text, source)
        parts = [self._encode_markup(lease, part) for part in document.texts]
        return ReadyText(text, source, lease, parts, document)

    def _encode(self, lease: Lease, text: str, *, with_attention: bool = False) -> PreparedText:
        order = self.order
        options = self._leg_options if lease.direction.source in self._onward else self._options
        if with_attention:
            options = replace(options, return_attention=True)
        return lease.translator.prepare(
            text,
            lease.direction,
            options,
            split_sentences=order.split_sentences,
            protect=order.protect,
            localize_figures=order.localize_figures,
            join_lines=order.join_lines and not self._is_html,
            terms=self._finders.get(lease.direction.source),
        )

    def _encode_markup(self, lease: Lease, part: MarkupText) -> PreparedText:
        if part.needs_alignment:
            try:
                return self._encode(lease, part.text, with_attention=True)
            except InvalidInputError:  # a sentence too long for alignment: its tags are placed in proportion
                pass
        return self._encode(lease, part.text)

    async def _finish(self, ready: Sequence[ReadyText], submit: Submit) -> list[Outcome]:
        places = self._recall.places_of_distinct(ready)
        found = await self._finish_unknown([ready[group[0]] for group in places.values()], submit) if places else []
        return self._recall.spread(ready, places, found, is_detected=self._detector is not None)

    async def _finish_unknown(self, ready: Sequence[ReadyText], submit: Submit) -> list[Outcome]:
        outcomes = await self._finish_here(ready, submit)
        if self._onward:
            await run_all([self._go_on(source, ready, outcomes, submit) for source in self._onward])
        return outcomes

    async def _go_on(self, source: str, ready: Sequence[ReadyText], outcomes: list[Outcome], submit: Submit) -> None:
        """Translate the outcomes of this source's texts, which are in the pivot language, and put the joined outcomes
        in their places."""
        begun = {
            place: outcome
            for place, (text, outcome) in enumerate(zip(ready, outcomes, strict=True))
            if text.lease is not None and text.source_language == source and isinstance(outcome, Translated)
        }
        texts = [hypothesis.text for outcome in begun.values() for hypothesis in outcome.translation.hypotheses]
        found = iter(await self._onward[source].translate_first_leg(texts, submit))
        for place, outcome in begun.items():
            onward = [next(found) for _ in outcome.translation.hypotheses]
            outcomes[place] = join(outcome, onward, self._options.n_best)

    async def translate_first_leg(self, texts: Sequence[str], submit: Submit) -> list[Outcome]:
        """Translate hypotheses of another session, whose texts were within the limits of a call."""
        outcomes = await prepare_all(
            texts, self._prepare, self.work, lambda text: text.num_sentences, sys.maxsize, field=self.field
        )
        found = iter(await self._finish([text for text in outcomes if isinstance(text, ReadyText)], submit))
        return [outcome if isinstance(outcome, TextFailure) else next(found) for outcome in outcomes]

    async def _finish_here(self, ready: Sequence[ReadyText], submit: Submit) -> list[Outcome]:
        if self._detector is None and not self._is_html:
            results = await submit(self._leases[self._sources[0]].worker, [text.parts[0] for text in ready])
            return [self._outcome(text, result) for text, result in zip(ready, results, strict=True)]
        by_worker: dict[Worker | None, list[int]] = {}
        for place, text in enumerate(ready):
            by_worker.setdefault(text.lease.worker if text.lease is not None else None, []).append(place)
        outcomes: dict[int, Outcome] = {}

        async def finish_some(worker: Worker | None, places: Sequence[int]) -> None:
            some = [ready[place] for place in places]
            if worker is None:
                found = [self._outcome(text, unchanged(text.text)) for text in some]
            elif self._is_html:
                found = await self._finish_html(worker, some, submit)
            else:
                results = await submit(worker, [text.parts[0] for text in some])
                found = [self._outcome(text, result) for text, result in zip(some, results, strict=True)]
            outcomes.update(zip(places, found, strict=True))

        await run_all([finish_some(worker, places) for worker, places in by_worker.items()])
        return [outcomes[place] for place in range(len(ready))]

    async def _finish_html(self, worker: Worker, some: Sequence[ReadyText], submit: Submit) -> list[Outcome]:
        found: list[contents.MarkedPart | TextFailure] = []
        for group in contents.split_by_attention([part for text in some for part in text.parts]):
            keep = partial(contents.keep_weights, group, await submit(worker, group))
            found += await asyncio.to_thread(keep) if contents.num_attention_bytes(group) else keep()
        remaining = iter(found)

        def render(text: ReadyText) -> Outcome:
            assert text.document is not None
            parts = [next(remaining) for _ in text.parts]
            return self._outcome(text, contents.render(text.text, text.document, parts))

        def render_all() -> list[Outcome]:
            return [render(text) for text in some]

        is_short = sum(len(text.text) for text in some) <= MAX_PREPARED_INLINE
        return render_all() if is_short else await asyncio.to_thread(render_all)

    def _check_room(self, num_texts: int, call: CallContext) -> None:
        """Refuse texts that cannot fit the queue, before any work is spent on them."""
        if num_texts and len(self._leases) == 1 and self.borrows is None:
            (lease,) = self._leases.values()
            lease.worker.check_room(num_texts, caller=call, priority=self.order.priority)

    def _submit_for(self, call: CallContext, *, when_room: bool = False) -> Submit:
        async def submit(worker: Worker, prepared: Sequence[PreparedText]) -> Sequence[Translation | TextFailure]:
            translate = worker.translate_when_room if when_room else worker.translate
            return await translate(prepared, caller=call, priority=self.order.priority)

        return submit

    def _outcome(self, text: ReadyText, result: Translation | TextFailure) -> Outcome:
        if isinstance(result, TextFailure):
            return result
        translator = None if text.lease is None else text.lease.translator
        return Translated(
            result,
            text.source_language,
            "" if translator is None else translator.name,
            "" if translator is None else translator.revision,
            is_detected=self._detector is not None,
            is_unchanged=translator is None,
        )
