"""Whether a word is one that a model met in training, or is made of such words."""

import re
from functools import lru_cache

from dragoman.model.known_words import KnownWords
from dragoman.translation.languages import primary_subtag
from dragoman.translation.protecting.people import as_words

CAPITALIZED_NOUNS = frozenset(("de", "lb"))
"""Languages that write every noun with a capital."""

_SUFFIXES = {
    "en": "s es ed d ing ly er ers or ors ness ment ments ion ions ation al able y ies 's ic ist ism ian ians ity",
    "de": "s n en e er es em in innen ung ungen heit keit lich chen isch ische ern te ten t st end ende ismus ist",
}
_INFLECTIONS = frozenset(("s", "es", "ed", "n", "en", "e", "em", "ies", "'s"))
"""What a stem of three letters may have; with another ending it may be a name: Sony, Conor, Tauber."""

_JOINTS = ("", "s", "n", "en", "es", "er", "e")
_SHORT_PARTS = as_words(
    """
    abo akt all alt amt app arm art auf aus bad bar bau bei bio bit box bug bus ehe eis end eng erz fan fax fee
    fuß gas geh gut hai her hex hin hof hut hör job jod kai kuh kur lob log mal mit mut nah neu not ohr oma opa
    ort ost pop pro rad rat roh rot sau see seh sex ski sub süd tag tal tau tee tod ton tor tot typ tür uhr ver
    vor web weg wut zoo zug
    """
)
"""Words of three letters of which German compounds are made."""

_PREFIXES = as_words("ab an be er ge öl re um un zu")
"""What they have with two."""

DRUG = re.compile(
    r"\w{2}(?:profen|cillin|mycin|micin|floxacin|cyclin|oxetin|formin|gliptin|gliflozin|statin|sartan|prazol|dipin|olol"
    r"|azepam|zolam|zodon|xaban|gatran|parin|triptan|setron|conazol|nidazol|bendazol|[aou]vir|tinib|[iu]mab|barbital"
    r"|(?:do|ro|pi|pro)cain|dronat|lukast|tidin|codein|fenac|coxib|oxicam|cetamol|trexat|rubicin|taxel|thiazid|semid"
    r"|zosin)e?$"
)
"""Stems of drugs' international names, which the World Health Organization gives to classes of them."""

MAX_REMEMBERED = 20_000
_MAX_COMPOUND = 40
_MIN_TYPO = 6
"""Letters of a word that may be another one with a slip: of shorter ones too many are like each other."""

_UMLAUTS = str.maketrans("äöü", "aou")


class Familiarity:
    """Tells the words of one language that a model knows from others. Safe to use from several threads."""

    def __init__(self, known_words: KnownWords, language: str) -> None:
        self._words = known_words
        self._language = language
        base = primary_subtag(language)
        self._has_compounds = base in CAPITALIZED_NOUNS
        self._suffixes = tuple(_SUFFIXES.get(base, "s").split())
        self.is_unknown = lru_cache(MAX_REMEMBERED)(self._is_unknown)
        self.is_slip = lru_cache(MAX_REMEMBERED)(self._is_slip)

    def _is_unknown(self, word: str) -> bool:
        """Whether a word has a part that is no word that was met in training, nor made of such."""
        parts = [part for part in re.split(r"['’-]", word.casefold()) if len(part) > 2]
        return any(not self.knows(part) and (self.is_copied(part) or not self._is_made(part, 0)) for part in parts)

    def is_copied(self, word: str) -> bool:
        """Whether training showed a word as a name."""
        return self._words.copies(word, self._language)

    def knows(self, word: str) -> bool:
        """Whether a word itself was met, in any case, perhaps without its umlauts."""
        plain = word.translate(_UMLAUTS)
        return self._words.knows(word, self._language) or (plain != word and self._words.knows(plain, self._language))

    def is_strange(self, word: str) -> bool:
        """Whether a word of a translation is none of the language: capitalized ones are not derived from others."""
        if word[0].isupper() and not self._has_compounds:
            return not self.knows(word.casefold())
        return self.is_unknown(word)

    def _is_made(self, word: str, depth: int) -> bool:
        if self._is_form(word):
            return True
        if depth > 3 or len(word) > _MAX_COMPOUND:
            return depth <= 3
        if self._has_compounds and word[:2] in _PREFIXES and len(word) > 5 and self._is_form(word[2:]):
            return True
        for cut in range(3, len(word) - 2) if self._has_compounds else ():
            if self._is_part(word[:cut]):
                rest = word[cut:]
                for joint in _JOINTS:
                    tail = rest[len(joint) :]
                    if rest.startswith(joint) and len(tail) > 2 and self._is_tail(tail, depth + 1):
                        return True
        return False

    def _is_part(self, word: str) -> bool:
        return word in _SHORT_PARTS if len(word) == 3 else self._is_form(word)

    def _is_tail(self, word: str, depth: int) -> bool:
        return word in _SHORT_PARTS if len(word) == 3 else self._is_made(word, depth)

    def _is_form(self, word: str) -> bool:
        """Whether a word or its stem is known."""
        if self.knows(word):
            return True
        for suffix in self._suffixes:
            stem = word[: -len(suffix)]
            shortest = 3 if suffix in _INFLECTIONS else 4
            if word.endswith(suffix) and len(stem) >= shortest and (self.knows(stem) or self.knows(stem + "e")):
                return True
        return False

    def _is_slip(self, word: str) -> bool:
        """Whether a word is a known one but for a letter too much, too few, wrong, or changed with its neighbour."""
        if len(word) < _MIN_TYPO:
            return False
        small = word.casefold()
        letters = "abcdefghijklmnopqrstuvwxyzäöüß"
        splits = [(small[:place], small[place:]) for place in range(len(small) + 1)]
        return any(
            self._words.knows(one, self._language)
            for begin, end in splits
            for one in (
                *((begin + end[1:],) if end else ()),
                *((begin + end[1] + end[0] + end[2:],) if len(end) > 1 else ()),
                *(begin + letter + end for letter in letters),
                *(begin + letter + end[1:] for letter in letters if end),
            )
        )
