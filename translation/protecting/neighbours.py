"""Capitalized words beside each other: whether they are one name.

Names of common words, such as firms, are known by what stands around them: a word of another language or a name before
a word for a kind of firm ("bei Media Markt"), a saint's or another first part of a place ("Sankt Moritz"), a river
("Frankfurt am Main"), German particles in other languages.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dragoman.model.known_words import KnownWords
from dragoman.translation.languages import primary_subtag
from dragoman.translation.protecting.familiar import CAPITALIZED_NOUNS
from dragoman.translation.protecting.people import COMMON_GIVEN_NAMES, GIVEN_NAMES

COMMON_NOUN = re.compile(
    r"(?:ung|heit|keit|schaft|tion|tät|chen|lein|ismus|ling|nis|tum|werk|zeug|stoff|gerät|age|ment|ik|ie|eur|or|ant|ent|ens?|ern?"
    r"|um|anz|enz|ei|ur|ose|itis|graf|loge|phon|gramm)(?:e|en|s|es|n)?$"
)
"""How German nouns end that are made or borrowed."""

_CERTAIN_NOUN = re.compile(
    r"(?:ung|heit|keit|schaft|tion|tät|ismus|werk|zeug|gerät|stoff)(?:e|en|s|es|n)?$|(?:chen|nis|ment|ling)(?:e|es|s|se)?$"
)
"""How only nouns end, which are no names, known or not."""

PLACE = re.compile(
    r"(?:burg|stein|dorf|heim|hausen|berg|stadt|bach|furt|brück|ingen|kirchen|münster|wald|feld|hagen|werth)$"
)
"""How places and families are often called in German."""

_PARTICLE = re.compile(
    r" (?:van|von|de|del|della|di|du|da|dos|la|le|bin|ibn|al|ten|ter|zu)(?: (?:der|den|het|la|las|los))? "
)
_PLACE_PARTICLE = re.compile(r" (?:ob der|an der|am|im|upon|on|under) ")
_GERMAN_PARTICLE = re.compile(r" (?:ob der|an der|auf der|am|im) ")
_RIVER = re.compile(
    r"Main|Rhein|Neckar|Donau|Oder|Inn|Elbe|Isar|Lech|Mosel|Saale|Weser|Ruhr|Lahn|Spree|Havel|Tauber|Taunus|Harz|See"
    r"|Aller|Enz|Fils|Glan|Ilm|Iller|Leine|Murg|Naab|Nahe|Orla|Peene|Rems|Riß|Rur|Sieg|Sieber|Steig|Unstrut|Wied|Wümme"
    r"|Weinstraße|Bergstraße|\w+see"
)
"""What a place lies at; "am" stands before days as well."""

_PARTS = """
addis bad château costa el fort las loch los mont monte new notre port puerto saint sainte san sankt santa santo são
villa
"""
FIRST_PARTS = frozenset(_PARTS.split())
"""How names of places begin, though the word is common or has a translation."""

_FIRM = re.compile(r"(?:Markt|Bank|Optik|Reisen|Versicherung|Verlag|Zeitung|Versand|Möbel|Küchen|Moden|Store|Kaffee)")
"""What German firms are called after."""

_AT_FIRM = re.compile(r"\b(?:[bB]eim?|[iI]m|[zZ]um|[vV]om|[aA]m|[vV]on|[fF]ür|[mM]it) $")
_AT = re.compile(r"\b(?:[aA]t|[fF]rom|[iI]n|[tT]o|[bB]y|[vV]isit) $")
_ADDRESSED = re.compile(
    r"President|Prime|Minister|Chancellor|King|Queen|Prince|Princess|Duke|Lord|Lady|Pope|Saint|Captain|General|Colonel"
    r"|Major|Senator|Governor|Mayor|Judge|Doctor|Professor|Uncle|Aunt|Grandma|Grandpa|Mom|Dad|Sister|Brother|Father"
    r"|Mother|Lake|Mount|River|Castle|Chapter|Team|Agent|Officer|Detective|Coach|Chef"
)
"""English words that are translated before a name."""


_MONTHS = frozenset(("april", "august", "autumn", "june", "may", "summer", "sunday"))
"""First names that are a time as well."""


_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_MAX_ACRONYM = 6

_NAMED = re.compile(
    r"\b(?:work(?:s|ed|ing)? (?:for|at)|employed (?:by|at)|(?:shares?|stocks?) (?:of|in)|CEO of|called|named"
    r"|[uU]s(?:e[sd]?|ing)|(?:[iI]|[uU]ni|[rR]ei)nstall(?:s|ed|ing)?|(?:versions?|users?|installation) of"
    r"|bought (?:it |them )?(?:at|from|by)|(?:switch|migrat|mov|upgrad)\w+ (?:from|to)"
    r"|(?:powered|developed|made|acquired|owned|published) by"
    r"|(?:log|sign)(?:ged|ned)? in to"
    r"|[oO]rdered (?:it |them )?from|[cC]ompany|[fF]irm|[bB]rand) $"
)
_GERMAN_NAMED = re.compile(r"\b(?:Firma|Marke|App|Software|Programm|Unternehmen|Konzern|Hersteller|Anbieter) $")
_AT_WORK = re.compile(r"\b(?:arbeit|jobb)\w*(?: \w+){0,2} bei $|\bAktien? (?:von|der) $")
_BOUGHT = re.compile(r" (?:gekauft|bestellt|eingekauft|gearbeitet|angestellt|beschäftigt)\b")
"""What stands beside the names of firms and programs."""


@dataclass(frozen=True, slots=True)
class Word:
    """A capitalized word.

    kind:        "name", or "word" if it may be none, for what the model cannot know; otherwise "surname" behind a
                 title, "given" for a name that the model may know, "common" for a first name that is a common word,
                 "family" for a family that is one, "short", "adjective", "foreign", "noun" for other German words,
                 "proper" and "raised" for those of other languages, which write many or few of them with a capital.
    is_frequent: whether the model has often met it.
    ends:        whether nothing that follows can belong to it.
    """

    begin: int
    end: int
    kind: str
    is_frequent: bool = False
    ends: bool = False


def is_certain_noun(word: str) -> bool:
    return bool(_CERTAIN_NOUN.search(word)) and not PLACE.search(word)


def is_acronym(word: str, before: str, after: str) -> bool:
    """Whether a word in capitals is none because the text is in capitals."""
    if not word.isupper() or not word.isalpha() or len(word) > _MAX_ACRONYM:
        return False
    beside = _WORD.findall(before)[-2:] + _WORD.findall(after)[:2]
    return bool(beside) and all(not one.isupper() or len(one) < 2 for one in beside)


def is_named_beside(before: str, after: str, kind: str, language: str, *, is_known: bool) -> bool:
    """Whether what stands beside a word says that it is called so, as a firm or a program is. kind: of a `Word`.
    is_known: whether the model met the word itself."""
    if primary_subtag(language) not in CAPITALIZED_NOUNS:
        return kind == "raised" and _NAMED.search(before) is not None
    if kind not in ("foreign", "noun") or (kind == "noun" and is_known):
        return False
    if _GERMAN_NAMED.search(before) is not None:
        return True
    is_at = before.endswith(("bei ", "Bei ")) and _BOUGHT.match(after) is not None
    return not is_known and (is_at or _AT_WORK.search(before) is not None)


def _in_months(words: str) -> bool:
    """Whether the first of some words may be a month or a day."""
    return words.partition(" ")[0].casefold() in _MONTHS


class Neighbours:
    """Joins the words of one language that are one name."""

    def __init__(self, known_words: KnownWords, language: str) -> None:
        self._words = known_words
        self._language = language
        self._has_capitals = primary_subtag(language) in CAPITALIZED_NOUNS

    def join(self, words: Sequence[Word], text: str) -> list[list[Word]]:
        """The words, those of one name together; of words that overlap, the first. They are ascending."""
        groups: list[list[Word]] = []
        for word in words:
            if groups and word.begin < groups[-1][-1].end:
                continue
            if groups and self._is_named(groups[-1], word, text):
                groups[-1].append(replace(word, kind="name"))
            elif groups and self._is_one(groups[-1], word, text):
                groups[-1].append(word)
            else:
                groups.append([word])
        return groups

    def _is_named(self, group: Sequence[Word], word: Word, text: str) -> bool:
        """Whether what stands around two words says that they are a name together, whatever they mean."""
        last = group[-1]
        first, between, second = text[last.begin : last.end], text[last.end : word.begin], text[word.begin : word.end]
        if last.ends or word.kind == "surname":
            return False
        if between != " ":
            if last.kind not in ("name", "given", "word"):
                return False
            is_place = self._has_capitals and _PLACE_PARTICLE.fullmatch(between) and _RIVER.fullmatch(second)
            return bool(is_place or (not self._has_capitals and _GERMAN_PARTICLE.fullmatch(between)))
        if first.casefold() in FIRST_PARTS:
            return word.kind in ("name", "word") and len(group) == 1
        if self._words.translates_phrase(f"{first} {second}", self._language):
            return False
        before = text[max(0, last.begin - 8) : last.begin]
        if not self._has_capitals:
            is_firm = word.kind == "name" and last.kind == "raised" and len(group) == 1
            return is_firm and _AT.search(before) is not None and not _ADDRESSED.fullmatch(first)
        if word.kind == "noun" and self._is_family(last, first, second):
            return True
        if _AT_FIRM.search(before) is None:
            return False
        is_kind = _FIRM.fullmatch(second) is not None and last.kind in ("name", "foreign", "word", "given")
        return is_kind or (word.kind == "name" and last.kind == "foreign" and before.endswith(("bei ", "Bei ")))

    def _is_family(self, given: Word, first: str, second: str) -> bool:
        """Whether a German word behind a first name is a family, since it is made of words and is none itself."""
        name = first.casefold()
        is_first_name = name in GIVEN_NAMES or (name in COMMON_GIVEN_NAMES and name not in _MONTHS)
        return (
            is_first_name
            and not given.is_frequent
            and not self._words.knows(second.casefold(), self._language)
            and COMMON_NOUN.search(second) is None
        )

    def _is_one(self, group: Sequence[Word], word: Word, text: str) -> bool:
        """Whether a word belongs to the same name as those before it."""
        last = group[-1]
        between = text[last.end : word.begin]
        if last.ends:
            return False
        if between != " ":
            is_place = last.kind in ("name", "word") and PLACE.search(text[last.begin : last.end]) is not None
            pattern = _PLACE_PARTICLE if is_place and word.kind in ("name", "word") else _PARTICLE
            return (
                last.kind in ("name", "given", "surname", "word")
                and word.kind in ("name", "given", "surname", "word", "family")
                and pattern.fullmatch(between) is not None
            )
        pair = text[last.begin : word.end]
        match word.kind:
            case "short":
                return last.kind == "name"
            case "proper":
                return last.kind == "name" or (last.kind == "common" and len(group) == 1 and not _in_months(pair))
            case "raised":
                if len(group) == 1 and (last.kind == "proper" or (last.kind == "common" and _in_months(pair))):
                    return False
                return not self._words.translates_phrase(pair, self._language)
            case "foreign":
                return (
                    last.kind in ("name", "given", "foreign") or (last.kind == "common" and not _in_months(pair))
                ) and text[group[0].begin : group[0].end].casefold() not in GIVEN_NAMES
            case "noun" | "adjective":
                return last.kind == "adjective" and not self._words.translates_phrase(pair, self._language)
            case "name" | "word":
                if last.kind not in ("name", "word", "given", "surname", "common", "adjective") and len(group) == 1:
                    return False
                # "Mag Tom Cheeseburger?"
                return not (self._has_capitals and last.is_frequent and COMMON_NOUN.search(text[word.begin : word.end]))
        return last.kind in ("name", "given", "common", "surname", "family")
