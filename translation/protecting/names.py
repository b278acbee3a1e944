"""Names that a model cannot translate: words that its vocabulary spells byte by byte, and words with a Latin capital
that it never met in training and that are not made of such as it did; and what belongs to them, such as a first name.

Of 24 English words within a sentence that are found so in 500 sentences of mixed content, human translators copied 20.
In German, where every noun is capitalized, a rare noun looks the same. A small model does not know it either: of 43
such nouns in 4,800 sentences, it translated 2.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from dragoman.model.codec import Codec
from dragoman.model.known_words import KnownWords
from dragoman.translation.languages import has_spaces, primary_subtag
from dragoman.translation.protecting import people
from dragoman.translation.protecting.familiar import CAPITALIZED_NOUNS, DRUG, MAX_REMEMBERED, Familiarity
from dragoman.translation.protecting.neighbours import (
    COMMON_NOUN,
    FIRST_PARTS,
    PLACE,
    Neighbours,
    Word,
    is_acronym,
    is_certain_noun,
    is_named_beside,
)
from dragoman.translation.protecting.spans import Role, Span

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CAPITALS = "A-ZÀ-ÖØ-Þ" + "".join(filter(str.isupper, map(chr, [*range(0x100, 0x250), *range(0x1E00, 0x1F00)])))
_CAPITALIZED = re.compile(rf"(?<![\w'’-])[{_CAPITALS}][^\W\d_]+(?:['’-][^\W\d_]+)*|(?<!\w)[A-Za-z]['’][A-ZÀ-Þ]\w+")
"""In Latin letters: a name in others is spelt in the target's, and capitals in Chinese or Cherokee say nothing."""
_BEGIN = re.compile(r"(?:^|[.!?:…\n])[\s\"'“”„‚‘’«»(\[]*$|[-–—*•]\s$")
"""What stands before the first word of a sentence."""


_CELTIC = re.compile(r"(?:[OD]|d|Mc|Mac)['’]?[A-ZÀ-Þ]")
"""How families with a particle begin: O'Brien, d'Arcy, McCall."""

_SINGULAR = re.compile(r" (?:und [A-ZÄÖÜ]|(?:ist|war|hat|hatte|wird|kann|will|muss|soll|darf|[a-zäöüß]{2,}t)\b)")
"""A verb in the singular, or another noun, behind the first word of a German sentence."""


_BEFORE_NOUN = re.compile(
    r"(?:\b(?:der|die|das|dem|den|des|im|am|zum|zur|vom|beim|ins|ans|kein|mein|dein|sein|ihr|unser|euer|ein|viel|mehr|pro|ohne)"
    r"|\b\w{2,}(?:e|er|en|es|em)|\d)\W{1,2}$",
    re.IGNORECASE,
)
"""What stands before a German noun: an article, or a word that ends like an adjective."""

_FORMS_OF_ADDRESS = ("Herr", "Frau", "Dr", "Prof", "Mr", "Ms", "Miss", "Sir", "Familie")
_TITLE = re.compile(
    r"\b(?:Herrn?|Frau|Dr|Prof|Mr|Mrs|Ms|Miss|Sir|Familie)\.?\s(?:(?:von|van|de|zu|vom)(?: (?:der|den|dem|la))? )?$"
)
_LED = re.compile(
    r"\b(?:Herrn?|Frau|Dr\.?|Prof\.?|Familie|M(?:r|rs|s)\.?|Graf|Professor|\w*(?:präsident|minister|kanzler)(?:in)?)"
    r" ((?:von|van|de|del|della|di|du|da|zu|vom|ter|ten) (?:(?:der|den|dem|het|la|las|los) )?)$"
)
"""A particle between a title and a family."""

_NAMING = re.compile(r"\b(?:heiße|heißt|heißen|namens|named|called|name is|Name ist)\s$")
_CALLED = re.compile(r"(?<!\b[dD]as )(?<!\b[eE]s )\b(?:heiße|heißt|heißen) $")
_OFFICES = re.compile(
    r"(?:pr[eä]sident|do[ck]tor|professor|minister|kanzler|speaker|chairman|dire[ck]tor|bürgermeister|mayor|kolleg"
    r"|richter|judge|lehrer|teacher|right)",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?:, | and [A-Z]| (?:van|von|de|bin|al) | (?:is|was|has|had|will|would|can|can't|cannot|could|said|says"
    r"|lives?|works?|makes?|made|bought|came|went|wrote|won|got|took|gave|knows?|likes?|doesn't|didn't|isn't|wasn't|[a-z]{2,}ed)\b)"
)
_COMMON = re.compile(r"(?:s|ion|ment|ness|ing|ed|ly|ist|ism|ity|ous|al|ful)$")
"""Behind a name at the begin of an English sentence, and how common words end there."""

_TITLES = frozenset(("Mr", "Mrs", "Ms", "Dr", "Prof", "Miss", "Sir", "Herr", "Herrn", "Frau"))


_CONTROL_BEFORE = re.compile(r"\b(?i:click|select|choose|press|tap|hit|check|tick)\b[^.!?]{0,40}[\"'“„ ]$|[\"“„‘'>→]$")
_CONTROL_BEHIND = re.compile(
    r"[\"'”“]|\s(?:pane|folder|form|button|menu|tab|dialog|page|option|window|screen|field|section|key|command|link|list|bar|icon|view|panel"
    r"|box|checkbox|settings?|mode|function|tool)s?\b"
)
"""Beside words that a program shows."""

_ADJECTIVE = re.compile(
    r"\w*[Dd]eutsche[nrs]?|Bayerische[nrs]?|Österreichische[nrs]?|Schweizerische[nrs]?|Europäische[nrs]?"
    r"|(?:Frankfurt|Berlin|Hamburg|Köln|Wien|Münchn|Stuttgart|Leipzig|Zürch|Basl)er"
)
"""A German adjective of a country or a city; with a capital within a sentence it begins a firm's name or the like."""

_ARTICLE = re.compile(r"\b(?:[dD](?:er|ie|as|em|en|es)|[iI]m|[aA]m|[bB]eim|[vV]om|[zZ]u[rm]|bei|von|mit|für) $")
_ORDINAL = re.compile(r"\d\. $|\d(?:st|nd|rd|th)(?: of)? $")
_SIBILANT = re.compile(r"[aiouxzßsc]s$")
_OWNED = re.compile(r" (?:[a-zäöüß]{3,}(?:e|er|en|es) )?[A-ZÄÖÜ][a-zäöüß]{2,}")
"""A word whose s may belong to it; and what belongs to an owner."""

_PART = re.compile(
    r"['’]s(?=[.,;:!?)]|$|\s(?:in|at|on|and|or|is|was|has|for|with|to|from|near|by|of|und|oder|ist|war|in)\b)"
)
"""The end of a name that is no genitive, since no noun follows."""

_GENITIVE = re.compile(r"\s[A-ZÄÖÜ]")
"""Behind an s with an apostrophe, which makes a genitive in German as well."""

_ARABIC = re.compile(r" (?:al|el|an|ar|as|ad|az|ash|ul)-[A-ZÀ-Þ][\w'’-]*\w")
_DETERMINED = re.compile(
    r"\b(?:an?|the|this|that|these|those|my|your|his|her|its|our|their|no|some|any|every|each"
    r"|d(?:er|ie|as|em|en|es)|k?ein\w*|[mds]ein\w*|ihr\w+|unser\w*|euer|eure\w*|[ia]m|zu[mr]|vom|beim|ins|ohne|neue\w*)\s$",
    re.IGNORECASE,
)
_IN_TOWN = re.compile(r"\b(?:[iI]n|[aA]us) $")
_SECOND_VERB = re.compile(
    rf" [A-ZÀ-Þ][\w'’-]+(?:{_VERB.pattern}"
    r"| (?!(?:heute|bitte|nicht|jetzt|erst|selbst|fast|sonst|mit|seit|dort)\b)"
    r"(?:ist|war|hat|wird|kann|schrieb|kam|ging|fand|nahm|gab|sprach|verlor|gewann|stand|lief|blieb|starb"
    r"|[a-zäöüß]{2,}te?)\b)"
)
"""A name and a verb behind the first word of a sentence."""

_AT_WHO = re.compile(r"\b(?:by|to|the|from|for|at|of|with) $|^$", re.IGNORECASE)
"""What stands before the World Health Organization."""

_AUXILIARIES = frozenset(("may", "will"))
_BEGINNING = re.compile(
    r"^(?:I|You|He|She|It|We|They|The|A|An|My|Your|His|Her|Our|Their|This|That|There|Is|Are|Was|Do|Did)\b"
)
"""The first word of a sentence, which says nothing of how the others are written."""

_BESIDE = (" and ", " or ", ", ", " & ")
_COMPASS = frozenset(("north", "south", "east", "west", "northern", "southern", "eastern", "western"))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a word, wherever it stands.

    is_noun:    whether it is none of a name.
    is_copied:  whether training showed it as a name. is_known: whether it was met there as something else or often.
    is_name:    whether it is a first name.
    is_unknown: whether a model cannot know it.
    named_part: its begin, if this is a name before a common noun.
    kind:       that of a `Word`, if nothing else speaks for one.
    """

    is_noun: bool
    is_copied: bool
    is_known: bool
    is_name: bool
    is_unknown: bool
    named_part: str
    kind: str


class NameFinder:
    """Finds names in texts of one language. Safe to use from several threads."""

    def __init__(self, vocabulary: Codec, known_words: KnownWords, language: str) -> None:
        self._side = vocabulary.source
        self._unknown_id = self._side.unk_id
        self._words = known_words
        self._language = language
        self._has_words = known_words.has(language)
        self._has_proper = known_words.has_proper(language)
        self._has_capitals = primary_subtag(language) in CAPITALIZED_NOUNS
        self._neighbours = Neighbours(known_words, language)
        self._familiarity = Familiarity(known_words, language)
        self.is_strange = self._familiarity.is_strange
        self._know = lru_cache(MAX_REMEMBERED)(self._look_up)
        pieces = "".join(self._side.pieces(range(self._side.size)))
        letters = "".join(sorted(set(filter(str.isalpha, pieces))))
        self._unspellable = re.compile(rf"[^\W\d_A-Za-z{re.escape(letters)}]+" if letters else r"(?!)")
        self._within = _WORD if has_spaces(language) else self._unspellable

    def find(self, text: str) -> Iterator[Span]:
        """Names, and as kind "word" what may be one, in the text's order."""
        found = sorted((*self._find_unspellable(text), *self._find_words(text)), key=lambda word: word.begin)
        last: Span | None = None
        for group in self._neighbours.join(found, text):
            is_beside = last is not None and last.kind == "name" and text[last.end : group[0].begin] in _BESIDE
            if is_beside and [word.kind for word in group] == ["raised"]:  # "Skype and Zoom"
                group = [replace(group[0], kind="name")]
            for last in self._judge(group, text):
                yield last

    def _judge(self, group: list[Word], text: str) -> Iterator[Span]:
        """The span of words that belong together, if they are a name."""
        kinds = [word.kind for word in group]
        while kinds and kinds[-1] == "common":  # nothing came behind it
            kinds.pop()
            group.pop()
        if not group:
            return
        begin, end = group[0].begin, group[-1].end
        if len(group) == 1:
            kind = kinds[0]
        elif "name" in kinds or "word" in kinds:
            kind = "name"
        elif kinds[0] == "raised":
            kind = "name" if self._is_phrase(text, begin, end) else ""
        elif kinds[0] == "adjective":
            kind = "name" if kinds[1] != "adjective" and _ARTICLE.search(text, max(0, begin - 10), begin) else ""
        elif not self._has_capitals and kinds[0] == "common":  # "Will Smith"
            kind = "name" if kinds[-1] in ("raised", "proper") and self._is_phrase(text, begin, end) else ""
        else:
            is_name = kinds[-1] in ("family", "raised", "foreign") or "surname" in kinds
            kind = "name" if is_name and kinds[0] not in ("noun", "foreign", "proper") else ""
        if kind in ("name", "surname", "word"):
            if kind == "name" and (rest := _ARABIC.match(text, end)) is not None:
                end = rest.end()
            if (particle := _LED.search(text, max(0, begin - 40), begin)) is not None:
                begin = particle.start(1)
            yield Span(begin, end, Role.NAME, kind)

    def _is_phrase(self, text: str, begin: int, end: int) -> bool:
        """Whether common words with capitals are a name: not if most words have one, nor for a part of a program."""
        if not self._has_proper or _CONTROL_BEFORE.search(text, 0, begin) or _CONTROL_BEHIND.match(text, end):
            return False
        before = _BEGINNING.sub("", text[max(0, begin - 80) : begin])
        rest = [match[0] for match in _WORD.finditer(before + " " + text[end : end + 80])]
        return 2 * sum(map(str.islower, rest)) > len(rest)

    def _find_unspellable(self, text: str) -> Iterator[Word]:
        if not self._unspellable.search(text):
            return
        for match in self._within.finditer(text):
            if self._unspellable.search(match[0]) and self._is_spelt_in_bytes(match[0]):
                yield Word(match.start(), match.end(), "name")

    def _is_spelt_in_bytes(self, word: str) -> bool:
        ids = self._side.encode(word)
        return self._unknown_id in ids or any(piece.startswith("<0x") for piece in self._side.pieces(ids))

    def _is_spelt(self, word: str) -> bool:
        """Whether a word has no piece of its own; one that has was met often and is copied."""
        return len(self._side.encode(word)) > 1

    def _find_words(self, text: str) -> Iterator[Word]:
        if self._has_words:
            has_title = any(form in text for form in _FORMS_OF_ADDRESS)  # few texts have one
            for match in _CAPITALIZED.finditer(text):
                if match[0] not in _TITLES and (word := self._describe(text, match, has_title)) is not None:
                    yield word

    def _describe(self, text: str, match: re.Match[str], has_title: bool) -> Word | None:
        """A word as a part of a name; None if it cannot be one. has_title: whether the text may have a title."""
        word, begin, end = match[0], match.start(), match.end()
        ends = False
        if _ORDINAL.search(text, max(0, begin - 5), begin):  # a month
            return None
        if word[-2:] in ("'s", "’s") and not self._is_whole(word, text, end):
            word, end, ends = word[:-2], end - 2, True
        before, after = text[max(0, begin - 40) : begin], text[match.end() : match.end() + 40]
        is_titled = has_title and _TITLE.search(before) is not None
        known = self._know(word)
        if known.is_noun and not is_titled:
            return None
        if known.named_part:
            return Word(begin, begin + len(known.named_part), "name", ends=True)
        if is_acronym(word, before, after):
            is_word = known.is_known and not (word == "WHO" and _AT_WHO.search(before) and "?" not in after)
            return None if is_word else Word(begin, end, "name", ends=True)
        if self._has_capitals and word[-1] == "s" and self._is_genitive(word, after):
            if word[:-1].casefold() in people.FAMILIES:
                return Word(begin, end - 1, "family", ends=True)
            if known.is_unknown:
                return Word(begin, end - 1, "name", ends=True)
        is_first = _BEGIN.search(before) is not None or not before.strip()
        if known.is_unknown:
            is_name = known.is_name or ends or is_titled or self._is_name(before, word, after, is_first=is_first)
            return Word(begin, end, "name" if is_name else "word", ends=ends)
        is_called = self._has_capitals and after[:1] in ".!,;" and _CALLED.search(before) is not None
        is_called = is_called or (known.kind == "family" and before.endswith("bei "))
        if (is_titled or is_called) and not _OFFICES.search(word):
            return Word(begin, end, "surname", ends=ends)
        if known.is_name or known.is_copied:
            return Word(begin, end, "given", is_frequent=known.is_known, ends=ends)
        small = word.casefold()
        if small in people.NAMES_LIKE_WORDS and not is_first and not _DETERMINED.search(before):
            is_name = self._has_capitals or self._is_phrase(text, begin, end)
            return Word(begin, end, "name", ends=True) if is_name else Word(begin, end, known.kind, ends=ends)
        if self._has_capitals and small in people.TOWNS_LIKE_WORDS and _IN_TOWN.search(before):
            return Word(begin, end, "name", ends=True)
        if (
            not is_first
            and known.kind in ("raised", "foreign", "noun")
            and self._is_called(word, known, text, begin, end)
        ):
            return Word(begin, end, "name", ends=True)
        is_led = known.kind == "common" and small not in _AUXILIARIES and _SECOND_VERB.match(after) is not None
        kind = known.kind if not is_first or known.kind in ("word", "short") or is_led else ""
        return Word(begin, end, kind, ends=ends) if kind else None

    def _is_called(self, word: str, known: _Known, text: str, begin: int, end: int) -> bool:
        """Whether a word is a name by what stands beside it; in other languages than German, also a word with a capital
        that was not met, though its stem was: Todoist."""
        if not self._is_spelt(word):
            return False
        before, after = text[max(0, begin - 40) : begin], text[end : end + 40]
        is_new = (
            word.isalpha()
            and not self._has_capitals
            and not known.is_known
            and not self._is_proper(word.removesuffix("s"))
        )
        is_named = is_named_beside(before, after, known.kind, self._language, is_known=known.is_known)
        return (is_new or is_named) and (self._has_capitals or self._is_phrase(text, begin, end))

    def _look_up(self, word: str) -> _Known:
        """See `_Known`."""
        small = word.casefold()
        is_copied, is_known = self._familiarity.is_copied(small), self._familiarity.knows(small)
        is_strange = self._familiarity.is_unknown(word)
        is_drug = DRUG.search(word) is not None
        is_listed = small in people.NAMES or small in people.TOWNS or small.replace("’", "'") in people.POSSESSIVE_NAMES
        is_name = is_drug or is_listed or small in people.GIVEN_NAMES or people.is_double(word) or _is_place(small)
        return _Known(
            is_noun=len(word) < 2 or (not is_listed and self._has_capitals and not is_copied and is_certain_noun(word)),
            is_copied=is_copied,
            is_known=is_known,
            is_name=is_name,
            is_unknown=is_drug
            or (is_listed and self._is_spelt(word))
            or (len(word) > 2 and (is_strange or (is_name and not is_known))),
            named_part=self._named_part(word) if self._has_capitals and "-" in word else "",
            kind=self._common_kind(word, small, is_known=is_known),
        )

    def _common_kind(self, word: str, small: str, *, is_known: bool) -> str:
        """What a word that the model knows may be in a name."""
        if not self._has_capitals:
            if "-" in word and all(one[:1].isupper() and not self._is_proper(one) for one in word.split("-")):
                return "name"  # Jay-Z
            if small in people.COMMON_GIVEN_NAMES or (len(word) < 4 and not is_known):
                return "common"  # "Mark Twain", "Li Xiaoming"
            return "proper" if self._is_proper(small) else "raised"
        if small in people.FAMILIES:
            return "family"
        if small in people.COMMON_GIVEN_NAMES:
            return "common"
        if not is_known and PLACE.search(word):
            return "word"
        if len(word) < 4 and not word.isupper():
            return "short"
        if _ADJECTIVE.fullmatch(word):
            return "adjective"
        return "foreign" if self._is_foreign(small) else "noun"

    def _is_whole(self, word: str, text: str, end: int) -> bool:
        """Whether a name's s with an apostrophe belongs to it. end: of the word."""
        if word.casefold().replace("’", "'") in people.POSSESSIVE_NAMES:
            return True
        return _GENITIVE.match(text, end) is None if self._has_capitals else _PART.match(text, end - 2) is not None

    def _is_proper(self, word: str) -> bool:
        """Whether a word has a capital within any sentence."""
        return self._words.is_proper(word, self._language) or word.casefold() in _COMPASS

    def _is_foreign(self, word: str) -> bool:
        """Whether a word is one of another language of the model as well."""
        return any(self._words.knows(word, other) for other in self._words.digests if other != self._language)

    def _is_name(self, before: str, word: str, after: str, *, is_first: bool) -> bool:
        """Whether an unknown word is rather a name. before, after: what stands beside it."""
        if _NAMING.search(before) or _CELTIC.match(word):
            return True
        if is_first:
            if self._has_capitals:
                return bool(_SINGULAR.match(after)) and not COMMON_NOUN.search(word)
            is_led = after[:1] == " " and after[1:2].isupper()
            return is_led or (bool(_VERB.match(after)) and not _COMMON.search(word))
        return not (self._has_capitals and _BEFORE_NOUN.search(before) and self._familiarity.is_slip(word))

    def _is_genitive(self, word: str, after: str) -> bool:
        """Whether an unknown word has an s because it is the owner of what follows."""
        small = word.casefold()
        if len(word) < 4 or not _OWNED.match(after):
            return False
        is_owner = small[:-1] in people.GIVEN_NAMES or self._familiarity.is_copied(small[:-1])
        if not is_owner and (second := _WORD.match(after, 1)) is not None and self._familiarity.is_unknown(second[0]):
            return False  # "Inês Carvalho"
        return small not in people.GIVEN_NAMES and (is_owner or not _SIBILANT.search(word))

    def _named_part(self, word: str) -> str:
        """What stands before a common noun in a compound with hyphens, if it is unknown; empty if there is none."""
        first, _, last = word.rpartition("-")
        if len(first) < 2 or last.casefold() in people.FAMILIES or not last[:1].isupper():
            return ""
        if word.partition("-")[0].casefold() in FIRST_PARTS:  # Notre-Dame
            return ""
        is_name = self._know(first).is_unknown or (first.isupper() and not self._familiarity.knows(first.casefold()))
        return first if is_name and self._familiarity.knows(last.casefold()) else ""


def _is_place(word: str) -> bool:
    """Whether a word with a hyphen begins like a place."""
    return "-" in word and word.partition("-")[0] in FIRST_PARTS
