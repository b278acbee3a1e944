"""Names that a model cannot translate: words that its vocabulary spells byte by byte, and capitalized words that it
never met in training and that are not made of such as it did.

Of 24 English words within a sentence that are found so in 500 sentences of mixed content, human translators copied 20.
In German, where every noun is capitalized, a rare noun looks the same: there only a word without anything that belongs
before a noun counts as a name, and any other is left to the model as long as its translation consists of words.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from dragoman.model.codec import Codec
from dragoman.model.known_words import KnownWords
from dragoman.translation.languages import primary_subtag
from dragoman.translation.protecting.spans import Role, Span

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CAPITALIZED = re.compile(r"(?<![\w'’-])[^\W\d_a-zß-öø-ÿ][^\W\d_]+(?:['’-][^\W\d_]+)*|(?<!\w)[A-Za-z]['’][A-ZÀ-Þ]\w+")
_BEGIN = re.compile(r"(?:^|[.!?:…\n])[\s\"'“”„‚‘’«»(\[]*$|[-–—*•]\s$")
"""What stands before the first word of a sentence."""

_CAPITALIZED_NOUNS = frozenset(("de", "lb"))
"""Languages that write every noun with a capital."""

_SUFFIXES = {
    "en": "s es ed d ing ly er ers or ors ness ment ments ion ions ation al able y ies 's ic ist ism ian ians ity",
    "de": "s n en e er es em in innen ung ungen heit keit lich chen isch ische ern te ten t st end ende ismus ist",
}
_JOINTS = ("", "s", "n", "en", "es", "er", "e")
_NOUN = re.compile(
    r"(?:ung|heit|keit|schaft|tion|tät|chen|lein|ismus|ling|nis|tum|werk|zeug|stoff|gerät|age|ment|ik|ie|eur|or|ant|ent|ens?|ern?"
    r"|um|anz|enz|ei|ur|ose|itis|graf|loge|phon|gramm)(?:e|en|s|es|n)?$"
)
"""How German nouns end that are made or borrowed."""

_CERTAIN_NOUN = re.compile(
    r"(?:ung|heit|keit|schaft|tion|tät|ismus|werk|zeug|gerät|stoff)(?:e|en|s|es|n)?$|(?:chen|nis|ment|ling)(?:e|es|s|se)?$"
)
"""How only nouns end, which are no names, known or not."""

_CELTIC = re.compile(r"(?:[OD]|d|Mc|Mac)['’]?[A-ZÀ-Þ]")
"""How families with a particle begin: O'Brien, d'Arcy, McCall."""

_PARTICLE = re.compile(
    r" (?:van|von|de|del|della|di|du|da|dos|la|le|bin|ibn|al|ten|ter|zu)(?: (?:der|den|het|la|las|los))? "
)
_SINGULAR = re.compile(r" (?:ist|war|hat|hatte|wird|kann|will|muss|soll|darf|[a-zäöüß]{2,}t)\b")
"""A verb in the singular, behind the first word of a German sentence."""

_BEFORE_NOUN = re.compile(
    r"(?:\b(?:der|die|das|dem|den|des|im|am|zum|zur|vom|beim|ins|ans|kein|mein|dein|sein|ihr|unser|euer|ein|viel|mehr|pro|ohne)"
    r"|\b\w{2,}(?:e|er|en|es|em)|\d)\W{1,2}$",
    re.IGNORECASE,
)
"""What stands before a German noun: an article, or a word that ends like an adjective."""

_FORMS_OF_ADDRESS = ("Herr", "Frau", "Dr", "Prof", "Mr", "Ms", "Miss", "Sir", "Familie")
_TITLE = re.compile(r"\b(?:Herrn?|Frau|Dr|Prof|Mr|Mrs|Ms|Miss|Sir|Familie)\.?\s$")
_NAMING = re.compile(r"\b(?:heiße|heißt|heißen|namens|named|called|name is|Name ist)\s$")
_OFFICES = re.compile(
    r"(?:pr[eä]sident|do[ck]tor|professor|minister|kanzler|speaker|chairman|dire[ck]tor|bürgermeister|mayor|kolleg"
    r"|richter|judge|lehrer|teacher|right)",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?:, | and [A-Z]| (?:is|was|has|had|will|would|can|can't|cannot|could|said|says|lives?|works?|makes?|made|bought"
    r"|came|went|wrote|won|got|took|gave|knows?|likes?|doesn't|didn't|isn't|wasn't|[a-z]{2,}ed)\b)"
)
_COMMON = re.compile(r"(?:s|ion|ment|ness|ing|ed|ly|ist|ism|ity|ous|al|ful)$")
"""Behind a name at the begin of an English sentence, and how common words end there."""

_TITLES = frozenset(("Mr", "Mrs", "Ms", "Dr", "Prof", "Miss", "Sir", "Herr", "Herrn", "Frau"))

_PLACE = re.compile(
    r"(?:burg|stein|dorf|heim|hausen|berg|stadt|bach|furt|brück|ingen|kirchen|münster|wald|feld|hagen|werth)$"
)
"""How places and families are often called in German."""

_NEXT = re.compile(r" ([A-ZÀ-Þ][^\W\d_]+)")
_PART = re.compile(
    r"['’]s(?=[.,;:!?)]|$|\s(?:in|at|on|and|or|is|was|has|for|with|to|from|near|by|of|und|oder|ist|war|in)\b)"
)
"""The end of a name that is no genitive, since no noun follows."""

MAX_REMEMBERED = 20_000
_MAX_COMPOUND = 40


class NameFinder:
    """Finds names in texts of one language. Safe to use from several threads."""

    def __init__(self, vocabulary: Codec, known_words: KnownWords, language: str) -> None:
        self._side = vocabulary.source
        self._unknown_id = self._side.unk_id
        self._words = known_words
        self._language = language
        self._has_words = known_words.has(language)
        base = primary_subtag(language)
        self._has_capitals = base in _CAPITALIZED_NOUNS
        self._suffixes = tuple(_SUFFIXES.get(base, "s").split())
        pieces = "".join(self._side.pieces(range(self._side.size)))
        letters = "".join(sorted(set(filter(str.isalpha, pieces))))
        self._unspellable = re.compile(rf"[^\W\d_A-Za-z{re.escape(letters)}]" if letters else r"(?!)")
        self.is_unknown = lru_cache(MAX_REMEMBERED)(self._is_unknown)

    def find(self, text: str) -> Iterator[Span]:
        """Names, and as kind "word" what may be one, in the text's order."""
        found = sorted((*self._find_unspellable(text), *self._find_unknown(text)), key=lambda span: span.begin)
        last: Span | None = None
        for span in found:
            if last and span.begin < last.end:
                continue
            if last and self._is_one(last, span, text[last.end : span.begin]):
                last = Span(last.begin, span.end, Role.NAME, "name")
                continue
            if last:
                yield self._extend(last, text)
            last = span
        if last:
            yield self._extend(last, text)

    def _is_one(self, first: Span, second: Span, between: str) -> bool:
        """Whether two neighbours are parts of one name, as a first name and a surname are."""
        if "surname" in (first.kind, second.kind) or not (between == " " or _PARTICLE.fullmatch(between)):
            return False
        return second.kind == "name" or (self._has_capitals and between == " ")

    def _extend(self, span: Span, text: str) -> Span:
        """A name with a further capitalized word behind it: any in English, a syllable in German."""
        following = _NEXT.match(text, span.end) if span.kind == "name" else None
        if following is None or (self._has_capitals and len(following[1]) > 3):
            return span
        return Span(span.begin, following.end(), Role.NAME, "name")

    def _find_unspellable(self, text: str) -> Iterator[Span]:
        if not self._unspellable.search(text):
            return
        for match in _WORD.finditer(text):
            if self._unspellable.search(match[0]) and self._is_spelt_in_bytes(match[0]):
                yield Span(match.start(), match.end(), Role.NAME, "name")

    def _is_spelt_in_bytes(self, word: str) -> bool:
        ids = self._side.encode(word)
        return self._unknown_id in ids or any(piece.startswith("<0x") for piece in self._side.pieces(ids))

    def _find_unknown(self, text: str) -> Iterator[Span]:
        if not self._has_words:
            return
        has_title = any(form in text for form in _FORMS_OF_ADDRESS)  # few texts have one
        for match in _CAPITALIZED.finditer(text):
            word, begin, end = match[0], match.start(), match.end()
            is_genitive = False
            if word[-2:] in ("'s", "’s") and not _PART.match(text, end - 2):
                word, end, is_genitive = word[:-2], end - 2, True
            before = text[max(0, begin - 40) : begin]
            if word in _TITLES or (self._has_capitals and _is_certain_noun(word) and not _TITLE.search(before)):
                continue
            if len(word) > 2 and self.is_unknown(word):
                is_name = is_genitive or self._is_name(before, word, text[end : end + 20])
                yield Span(begin, end, Role.NAME, "name" if is_name else "word")
            elif self._has_capitals and _PLACE.search(word) and not self._knows(word.casefold()):
                yield Span(begin, end, Role.NAME, "word")
            elif has_title and _TITLE.search(before) and not _OFFICES.search(word):
                yield Span(begin, end, Role.NAME, "surname")

    def _is_name(self, before: str, word: str, after: str) -> bool:
        """Whether an unknown word is rather a name. before, after: what stands beside it."""
        if _TITLE.search(before) or _NAMING.search(before) or _CELTIC.match(word):
            return True
        if _BEGIN.search(before) or (before and not before.strip()):
            if self._has_capitals:
                return bool(_SINGULAR.match(after)) and not _NOUN.search(word)
            return bool(_VERB.match(after)) and not _COMMON.search(word)
        if not self._has_capitals:
            return True
        return not _BEFORE_NOUN.search(before) and not _NOUN.search(word)

    def _is_unknown(self, word: str) -> bool:
        """Whether a word has a part that is no word that was met in training, nor made of such."""
        parts = [part for part in re.split(r"['’-]", word.casefold()) if len(part) > 2]
        return bool(parts) and not all(self._is_made(part, 0) for part in parts)

    def _is_made(self, word: str, depth: int) -> bool:
        if self._is_form(word):
            return True
        if depth > 3 or len(word) > _MAX_COMPOUND:
            return depth <= 3
        for cut in range(3, len(word) - 2) if self._has_capitals else ():
            if self._is_form(word[:cut]):
                rest = word[cut:]
                for joint in _JOINTS:
                    tail = rest[len(joint) :]
                    if rest.startswith(joint) and len(tail) > 2 and self._is_made(tail, depth + 1):
                        return True
        return False

    def _is_form(self, word: str) -> bool:
        """Whether a word or its stem is known."""
        if self._knows(word):
            return True
        for suffix in self._suffixes:
            stem = word[: -len(suffix)]
            if word.endswith(suffix) and len(stem) > 2 and (self._knows(stem) or self._knows(stem + "e")):
                return True
        return False

    def is_strange(self, word: str) -> bool:
        """Whether a word of a translation is none of the language: capitalized ones are not derived from others."""
        if word[0].isupper() and not self._has_capitals:
            return not self._knows(word.casefold())
        return self.is_unknown(word)

    def _knows(self, word: str) -> bool:
        plain = word.translate(_UMLAUTS)
        return self._words.knows(word, self._language) or (plain != word and self._words.knows(plain, self._language))


def _is_certain_noun(word: str) -> bool:
    return bool(_CERTAIN_NOUN.search(word)) and not _PLACE.search(word)


_UMLAUTS = str.maketrans("äöü", "aou")
