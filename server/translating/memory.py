"""What was translated before: exact repeats of models' translations, and approved ones, which win over a model."""

import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

from dragoman.server.catalogue.catalogue import Lease
from dragoman.server.translating.approved import Approved
from dragoman.server.translating.orders import Outcome, Translated, TranslationOrder
from dragoman.server.translating.preparing import ReadyText
from dragoman.translation.results import Hypothesis, Translation

ENTRY_BYTES, HYPOTHESIS_BYTES = 400, 400
"""Memory of an entry, and of each hypothesis in it, beside their texts."""

MAX_SHARE = 0.01
"""Largest share of the memory for one entry."""

MAX_CONTEXTS = 64
"""Most contexts that are kept for the next call with the same order."""

SHARED = tuple(
    one.name
    for one in fields(TranslationOrder)
    if one.name not in ("source_language", "target_language", "model", "priority", "glossary", "glossary_owner")
)
"""Fields of an order that repeats share; what the others mean is known by the models, languages and terms found."""

HitKind: TypeAlias = Literal["repeat", "approved"]


def _ignore(kind: HitKind) -> None:
    """Count nothing."""


class Context:
    """What repeats share beside the text, with its hash, which is looked up for every text."""

    __slots__ = ("_hash", "_parts")

    def __init__(self, parts: tuple[Hashable, ...]) -> None:
        self._parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Context) and self._parts == other._parts)


class Memory:
    """Safe to use from several threads.

    A repeat has the same text, options, terms and languages, and the same loaded model, whose translation it would be
    to the bit: a text's translation does not depend on what is translated beside it.
    """

    def __init__(
        self, max_bytes: int = 0, approved: Approved | None = None, on_hit: Callable[[HitKind], None] = _ignore
    ) -> None:
        """max_bytes: of repeats; what was not used for the longest time goes first. on_hit: counts, on any thread."""
        self._max_bytes = max_bytes
        self._approved = approved or Approved()
        self._on_hit = on_hit
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Translated, int]] = OrderedDict()
        self._num_bytes = 0
        self._contexts: dict[Hashable, tuple[TranslationOrder, Context]] = {}  # for the event loop alone

    @property
    def num_bytes(self) -> int:
        """About how much memory the repeats take."""
        return self._num_bytes

    def open(
        self, order: TranslationOrder, leases: Mapping[str, Sequence[Lease]], target: str, terms: Mapping[str, Hashable]
    ) -> "Recall":
        """The memory for one order. leases: of one leg or two, by source language. terms: identities of the stored
        glossaries, by source language."""
        contexts: dict[str, Context] = {}
        if self._max_bytes and not order.wanted.is_large:
            for source, legs in leases.items():
                workers = tuple([weakref.ref(lease.worker) for lease in legs])
                contexts[source] = self._context(order, (source, target, workers, terms.get(source)))
        approved: Mapping[str, Mapping[str, str]] = {}
        asks_model = order.wanted.attention or order.options.target_prefix  # what only a network has
        if not (self._approved.is_empty or asks_model):
            approved = {source: self._approved.of(source, target) for source in leases}
        return Recall(self, contexts, approved)

    def _context(self, order: TranslationOrder, rest: tuple[Hashable, ...]) -> Context:
        """The context of an order's texts; that of the same object, as of the calls of a client, is made once."""
        key = id(order), rest
        known = self._contexts.get(key)
        if known is None:
            if len(self._contexts) >= MAX_CONTEXTS:
                self._contexts.clear()
            same = tuple([getattr(order, name) for name in SHARED])
            known = self._contexts[key] = order, Context((same, *rest))  # the order, so that its id stays its own
        return known[1]

    def find(self, key: Hashable) -> Translated | None:
        """A repeat."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def store(self, key: Hashable, outcome: Translated) -> None:
        """Remember a translation, and forget others if there is no room."""
        num_bytes = estimate_bytes(outcome)
        if num_bytes > MAX_SHARE * self._max_bytes:
            return
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = outcome, num_bytes
            self._num_bytes += num_bytes
            while self._num_bytes > self._max_bytes:
                _, (_, freed) = self._entries.popitem(last=False)
                self._num_bytes -= freed

    def count(self, kind: HitKind) -> None:
        """A hit."""
        self._on_hit(kind)


@dataclass(frozen=True, slots=True)
class Recall:
    """The memory as one session uses it. contexts: by source language, what a repeat must share beside the text.
    approved: by source language, translations by text."""

    memory: Memory
    contexts: Mapping[str, Context]
    approved: Mapping[str, Mapping[str, str]]

    def joined(self, other: "Recall") -> "Recall":
        """Both, of different source languages."""
        contexts, approved = {**self.contexts, **other.contexts}, {**self.approved, **other.approved}
        return Recall(other.memory, contexts, approved)

    def approved_only(self) -> "Recall":
        """It without repeats."""
        return replace(self, contexts={})

    def find(self, source_language: str, text: str) -> Translated | None:
        """A known translation; an approved one first."""
        approved = self.approved.get(source_language)
        if approved and (given := approved.get(" ".join(text.split()))) is not None:
            self.memory.count("approved")
            lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
            translation = Translation(text, (Hypothesis(f"{lead}{given}{trail}", 0.0),))
            return Translated(translation, source_language, "", "", is_approved=True)
        context = self.contexts.get(source_language)
        found = None if context is None else self.memory.find((text, context))
        if found is not None:
            self.memory.count("repeat")
        return found

    def store(self, text: ReadyText, outcome: Outcome) -> None:
        """Remember an outcome of the model."""
        context = self.contexts.get(text.source_language)
        if context is not None and isinstance(outcome, Translated) and text.lease is not None:
            self.memory.store((text.text, context), outcome)

    def places_of_distinct(self, texts: Sequence[ReadyText]) -> dict[tuple[str, str] | int, list[int]]:
        """The places of texts that are unknown; those that repeat each other, together."""
        places: dict[tuple[str, str] | int, list[int]] = {}
        for place, text in enumerate(texts):
            if text.known is None:
                is_repeatable = text.source_language in self.contexts
                key = (text.source_language, text.text) if is_repeatable else place
                places.setdefault(key, []).append(place)
        return places

    def spread(
        self,
        texts: Sequence[ReadyText],
        places: Mapping[tuple[str, str] | int, Sequence[int]],
        found: Sequence[Outcome],
        *,
        is_detected: bool,
    ) -> list[Outcome]:
        """The outcomes of all texts, from those of the distinct unknown ones, which are remembered."""
        outcomes: dict[int, Outcome] = {}
        for group, outcome in zip(places.values(), found, strict=True):
            self.store(texts[group[0]], outcome)
            for place in group:
                outcomes[place] = outcome
            for _ in group[1:]:
                self.memory.count("repeat")
        known = {
            place: replace(text.known, is_detected=is_detected)
            for place, text in enumerate(texts)
            if text.known is not None
        }
        return [known[place] if place in known else outcomes[place] for place in range(len(texts))]


NO_RECALL = Recall(Memory(), {}, {})


def estimate_bytes(outcome: Translated) -> int:
    """About how much memory an entry takes."""
    translation = outcome.translation
    texts = sys.getsizeof(translation.source) + sum(sys.getsizeof(one.text) for one in translation.hypotheses)
    return ENTRY_BYTES + HYPOTHESIS_BYTES * len(translation.hypotheses) + texts
