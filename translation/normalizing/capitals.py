"""Text in capitals: lowered before a model reads it, and its translation raised again.

A model reads "GOOD MORNING" as single letters, and its translation of them is noise: 600 dev sentences in capitals
score BLEU 0.1 in both directions, and 45.6 and 50.1 lowered in this way; as written, 45.9 and 52.0. How a word
is written otherwise the vocabulary knows: of "tür", "Tür" and "TÜR" the one with the fewest pieces stood in the corpus.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from dragoman.model.codec import Side
from dragoman.translation.languages import primary_subtag

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
"""Letters, with hyphens and apostrophes between them."""

_SENTENCE_END = re.compile(r"[.!?…:][\"'”’»)\]]*\s+\W*$")

_TITLE = re.compile(
    r"\W{0,3}[A-Z][\w'’-]*"
    r"(?:[\s,:&/-]+(?:[A-Z][\w'’-]*|\d[\w.,]*|a|an|the|of|to|in|on|and|or|for|with|from|by|at|as|is))+[.!?…:]*"
)
_TITLE_WORD = re.compile(r"(?<![\w'’-])[A-Z][a-z]+(?:['’][a-z]+)?(?![\w'’-])")

MAX_ACRONYM_LENGTH = 5
"""Letters of a word in capitals that may be an acronym rather than a word."""

_EMPHASIS = re.compile(r"(?<![\w'’./@#&-])[A-ZÄÖÜ][A-ZÄÖÜẞ]+(?![\w'’/&-]|\.\w)")
_SHORT_EMPHASES = frozenset(
    ("ALL", "AND", "BUT", "DIE", "EIN", "KEIN", "NIE", "NOT", "NOW", "NUR", "ONE", "TWO", "YOU")
)

MIN_EMPHASIS_LENGTH = 4
"""Letters of a word in capitals within a sentence that is rather stressed than an acronym."""

MAX_NAME_WORDS = 3
"""Words with capitals that may be a person's name together."""

MAX_REMEMBERED = 20_000
"""Words whose form is remembered."""

_DOTTED_I = frozenset(("az", "tr"))
"""Languages whose small i keeps its dot as a capital."""

_WITHOUT_CAPITALS = frozenset(("chr", "ka"))
"""Languages whose letters have other forms in Unicode that texts do not use."""

_NOUN_ENDINGS: tuple[str, ...] = (
    "ung",
    "ungen",
    "heit",
    "heiten",
    "keit",
    "keiten",
    "schaft",
    "schaften",
    "tät",
    "täten",
    "tion",
)
_NOUN_ENDINGS += ("tionen", "ismus", "ling", "linge", "nis", "nisse", "zeug", "zeuge", "ment", "mente", "ität", "tor")
_DETERMINERS = """
alle alten ersten gute guten guter gutes jeden letzten nächste nächsten neue neuen neuer neues schöne schönen viele
der die das dem den des ein eine einen einem einer eines kein keine keinen keinem keiner im am zum zur vom beim
ins ans mein meine meinen meinem meiner dein deine deinen deinem deiner sein seine seinen seinem seiner ihr ihre
ihren ihrem ihrer unser unsere unseren unserem unserer euer eure euren eurem eurer dieser diese dieses diesem
diesen jeder jede jedes jedem jeden
"""
_BEFORE_NOUNS = frozenset(_DETERMINERS.split())
"""German words of which most stand before a noun."""


def is_in_capitals(text: str) -> bool:
    """Whether a text has at least two letters, and all of them are capitals. An ß counts as a capital. A text with
    letters of a script without capitals, or without their use, is as its script is: 数据, or Cherokee, whose ordinary
    letters are capitals in Unicode alone."""
    if not text.isupper():
        if "ß" not in text:
            return False
        text = text.replace("ß", "SS")
    return text.isupper() and sum(map(str.isupper, text)) > 1 and not any(map(_has_no_capitals, text))


def _has_no_capitals(character: str) -> bool:
    if "\u13a0" <= character <= "\u13ff" or "\uab70" <= character <= "\uabbf":  # Cherokee
        return True
    return character > "\u02af" and unicodedata.category(character) == "Lo"


def is_title(text: str, language: str) -> bool:
    """Whether every word begins with a capital, as in English headings: "Save Changes and Close"."""
    return primary_subtag(language) == "en" and _TITLE.fullmatch(text) is not None


def raise_capitals(text: str, language: str, kept: Iterable[str] = ()) -> str:
    """A text in capitals, but for the parts that equal one of `kept`."""
    pattern = "|".join(re.escape(part) for part in sorted(kept, key=len, reverse=True) if part)
    if not pattern:
        return _upper(text, language)
    parts = re.split(f"({pattern})", text)
    return "".join(part if place % 2 else _upper(part, language) for place, part in enumerate(parts))


def _upper(text: str, language: str) -> str:
    if primary_subtag(language) in _WITHOUT_CAPITALS:
        return text
    if primary_subtag(language) in _DOTTED_I:
        text = text.replace("i", "İ")
    return text.upper()


class TrueCaser:
    """Writes words in capitals as the corpus of a vocabulary had them. Safe to use from several threads."""

    def __init__(self, side: Side, language: str) -> None:
        """side: of the language's vocabulary."""
        self._side = side
        self._is_german = primary_subtag(language) == "de"
        self._form = lru_cache(MAX_REMEMBERED)(self._find_form)

    def lower(self, text: str, kept: Iterable[str] = ()) -> str:
        """A text in capitals as it would be written otherwise, the first letter of each sentence a capital; acronyms
        and the parts that equal one of `kept` stay."""
        kept = frozenset(kept)
        matches = list(_WORD.finditer(text))
        parts: list[str] = []
        end = 0
        before = ""  # the word before, lowered
        for number, match in enumerate(matches):
            word, begin = match[0], match.start()
            form = word
            if word not in kept:
                form, is_sure = self._form(word)
                is_first = number == 0 or _SENTENCE_END.search(text, max(0, begin - 8), begin) is not None
                if is_first or (not is_sure and self._is_noun(before, matches[number + 1 : number + 2])):
                    form = form[0].upper() + form[1:]
            parts += text[end:begin], form
            end, before = match.end(), word.lower()
        return "".join((*parts, text[end:]))

    def lower_emphasis(self, text: str) -> str:
        """A sentence with some words in capitals, with those of them lowered that are no acronyms."""
        return _EMPHASIS.sub(self._lower_known, text) if _EMPHASIS.search(text) else text

    def _lower_known(self, match: re.Match[str]) -> str:
        word = match[0]
        form = self._form(word)[0]
        is_word = len(word) >= MIN_EMPHASIS_LENGTH or word in _SHORT_EMPHASES
        num_saved = len(self._side.encode(word)) - len(self._side.encode(form))
        return form if is_word and form != word and num_saved > 1 else word

    def lower_title(self, text: str) -> str:
        """A heading whose words begin with capitals as it would be written otherwise. A short one that begins with a
        name is a name."""
        words = _TITLE_WORD.findall(text)
        if not words or (len(words) <= MAX_NAME_WORDS and not self._form(words[0].upper())[0].islower()):
            return text
        first = _TITLE_WORD.search(text)
        end = 0 if first is None or text[: first.start()].strip("\"'“„(") else first.end()
        return text[:end] + _TITLE_WORD.sub(lambda word: self._form(word[0].upper())[0], text[end:])

    def lower_word(self, word: str) -> str:
        """A sentence's first word as it is written within a sentence."""
        if not word[:1].isupper() or not word[1:].islower():
            return word
        form = self._form(word.upper())[0]
        return word[0].lower() + word[1:] if form.islower() else word

    def is_acronym(self, word: str) -> bool:
        """Whether a word in capitals is rather an acronym."""
        return self._form(word)[0] == word

    def _is_noun(self, before: str, after: list[re.Match[str]]) -> bool:
        """Whether a word stands where German has nouns: behind an article, unless another noun follows."""
        return self._is_german and before in _BEFORE_NOUNS and not (after and self._form(after[0][0])[0][0].isupper())

    def _find_form(self, word: str) -> tuple[str, bool]:
        """How it is written, and whether the vocabulary is sure of it."""
        lower = word.lower()
        title = lower.capitalize()
        forms = [lower, title]
        if "-" in lower:
            forms.append("-".join(part.capitalize() for part in lower.split("-")))
        counts = [len(self._side.encode(form)) for form in forms]
        if self._is_german and "ss" in lower:
            sharp = [form.replace("ss", "ß") for form in forms]
            sharp_counts = [len(self._side.encode(form)) for form in sharp]
            if min(sharp_counts) == 1 < min(counts) or min(sharp_counts) < min(counts) - 1:
                forms, counts = sharp, sharp_counts
        least = min(counts)
        best = forms[counts.index(least)]
        if 1 < len(word) <= MAX_ACRONYM_LENGTH and word.isalpha():
            is_spelt = len(word) < MAX_ACRONYM_LENGTH and least > 2
            if is_spelt or len(self._side.encode(word)) < least:
                return word, True
        if self._is_german and least > 1 and lower.endswith(_NOUN_ENDINGS):
            return forms[1], True
        return best, counts[0] != counts[1]
