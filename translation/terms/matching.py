"""The terms of a sentence: a glossary's phrases, found by word and with simple inflection."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dragoman.translation.languages import primary_subtag
from dragoman.translation.terms.glossary import Entry, Glossary, forms_in

_TOKEN = re.compile(r"\w+|[^\w\s]")

SUFFIXES = {
    "en": ("s", "es"),
    "de": ("e", "n", "en", "er", "ern", "s", "es", "em"),
    "nl": ("s", "en"),
    "fr": ("s", "x", "e", "es"),
    "es": ("s", "es"),
    "pt": ("s", "es"),
}
"""By language: what a word may have behind a term and still be one of its forms."""

MIN_STEM_LENGTH = 3
"""Fewest letters of a term's word that may be inflected."""

OPENING = re.compile(r"[\"'„“”‚‘’«»‹›(\[{/<*_—–-]")
"""Marks that stand before a word without a space."""

QUOTES = "\"'„“”‚‘«»‹›"
"""Of these the translation may have another one."""


@dataclass(frozen=True, slots=True)
class WantedTerm:
    """A term in a sentence.

    source: its words there.
    forms:  the texts of which one is due in the translation.
    leads:  marks that may stand before it without a space.
    reason: why no translation can have it; empty if one can.
    alone:  the translation of a sentence that is nothing but this term; empty if the term is inflected there.
    again:  its words where the sentence has it once more. The translation of these is to have it if it can be found;
            one that says "it" instead is right as well.
    """

    source: str
    forms: tuple[str, ...]
    leads: str = ""
    reason: str = ""
    alone: str = ""
    again: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A phrase to be found. words: in lower case, unless it is exact."""

    words: tuple[str, ...]
    entry: Entry
    is_exact: bool


@dataclass(frozen=True, slots=True)
class _Match:
    phrase: _Phrase
    first: int
    last: int  # excluded


class TermFinder:
    """Finds the terms of a glossary in sentences of one direction. Safe to use from several threads."""

    def __init__(self, glossary: Glossary, source_language: str, target_language: str) -> None:
        """Languages as in a model; a glossary's "de" counts for "de-DE", and its "de-DE" for "de"."""
        self._suffixes = SUFFIXES.get(primary_subtag(source_language), ())
        self._inflects_all = primary_subtag(source_language) not in ("en", "nl")
        self._source, self._target = source_language, target_language
        self._phrases: dict[str, list[_Phrase]] = {}  # by the first word in lower case
        self._begins: set[str] = set()  # of these words: their first two characters, which every form shares
        known: set[tuple[tuple[str, ...], bool]] = set()
        for entry in glossary.entries:
            phrases = forms_in(entry, source_language)
            if not forms_in(entry, target_language):
                continue
            for phrase in phrases:
                # Capitals alone are an abbreviation: "IT" is not "it".
                is_exact = entry.is_exact or (len(phrase) > 1 and phrase.isupper())
                words = tuple(_TOKEN.findall(phrase if is_exact else phrase.lower()))
                if words and (words, is_exact) not in known:
                    known.add((words, is_exact))
                    first = words[0].lower()
                    self._phrases.setdefault(first, []).append(_Phrase(words, entry, is_exact))
                    self._begins.add(first[:2])

    def find(self, sentence: str) -> tuple[WantedTerm, ...]:
        """The terms in a sentence, each once, in its order. Where two overlap, the longer one counts."""
        if not self._phrases:
            return ()
        tokens = [(match[0], match.start(), match.end()) for match in _TOKEN.finditer(sentence)]
        words = [token for token, _, _ in tokens]
        lower = [word.lower() for word in words]
        likely = [place for place, word in enumerate(lower) if word[:2] in self._begins or word.endswith("ies")]
        matches = [match for place in likely for match in self._match(words, lower, place)]
        if not matches:
            return ()
        matches.sort(key=lambda match: (match.first - match.last, match.first))
        taken: set[int] = set()
        kept: list[_Match] = []
        for match in matches:
            places = range(match.first, match.last)
            if taken.isdisjoint(places):
                taken.update(places)
                kept.append(match)
        found: dict[int, WantedTerm] = {}
        for match in sorted(kept, key=lambda match: match.first):
            begin, end = tokens[match.first][1], tokens[match.last - 1][2]
            before = sentence[begin - 1 : begin]
            leads = (QUOTES if before in QUOTES else before) if before and OPENING.match(before) else ""
            entry, source = match.phrase.entry, sentence[begin:end]
            known = found.get(id(entry))
            found[id(entry)] = (
                self._want(entry, source, leads) if known is None else replace(known, again=(*known.again, source))
            )
        return tuple(found.values())

    def _want(self, entry: Entry, source: str, leads: str) -> WantedTerm:
        if entry.is_kept:
            return WantedTerm(source, (source,), leads, alone=source)
        forms = forms_in(entry, self._target)
        # At the beginning of a sentence.
        capitalized = [form[0].title() + form[1:] for form in forms]
        alone, phrases = "", forms_in(entry, self._source)
        if source in phrases:
            alone = forms[0]
        elif source.lower() in map(str.lower, phrases):
            alone = capitalized[0] if source[0].isupper() else forms[0]
        return WantedTerm(source, tuple(dict.fromkeys((*forms, *capitalized))), leads, alone=alone)

    def _match(self, words: Sequence[str], lower: Sequence[str], place: int) -> Iterator[_Match]:
        for stem in self._stems(lower[place]):
            for phrase in self._phrases.get(stem, ()):
                last = place + len(phrase.words)
                found = (words if phrase.is_exact else lower)[place:last]
                if len(found) == len(phrase.words) and self._is_form(found, phrase.words):
                    yield _Match(phrase, place, last)

    def _stems(self, word: str) -> list[str]:
        stems = [word]
        for suffix in self._suffixes:
            if word.endswith(suffix) and len(word) - len(suffix) >= MIN_STEM_LENGTH:
                stems.append(word[: len(word) - len(suffix)])
        if word.endswith("ies") and "es" in self._suffixes:
            stems.append(word[:-3] + "y")
        return stems

    def _is_form(self, found: Sequence[str], words: Sequence[str]) -> bool:
        return all(
            one == word or ((self._inflects_all or place == len(words) - 1) and self._is_inflected(one, word))
            for place, (one, word) in enumerate(zip(found, words, strict=True))
        )

    def _is_inflected(self, found: str, word: str) -> bool:
        if len(word) < MIN_STEM_LENGTH or not word.isalpha():
            return False
        if found == word[:-1] + "ies" and word.endswith("y") and "es" in self._suffixes:
            return True
        return found.startswith(word) and found[len(word) :] in self._suffixes
