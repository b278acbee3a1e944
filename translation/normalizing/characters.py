"""Characters that a reader does not see, or sees as others: written as a corpus has them.

Programs put soft hyphens, joiners, marks of direction and byte order into texts, keyboards put accents for apostrophes,
and some systems write an accented letter as two characters. A model's vocabulary spells them byte by byte, if at all,
and the word around them is lost. Whatever normalization the vocabulary has of its own, it gets a text without them.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dragoman.model.codec import Side
from dragoman.translation.languages import has_spaces, primary_subtag
from dragoman.translation.normalizing.quotations import usual_marks, write_quotations

_JOINERS = "\u200c\u200d"
_MARKED = "\u0600-\u1cff\ua800-\uabff"
"""Arabic, the Indic scripts and their neighbours, which need joiners between letters."""

_PICTURES = "\u203c-\u3299\ufe0f\u20e3\U0001f000-\U0001faff"
"""Emoji, and signs that become one with U+FE0F."""

# A joiner of emoji, a presentation selector behind one, and the tags of a flag are matched first, and stay.
_UNSEEN = re.compile(
    rf"(?P<kept>(?<=[{_MARKED}])[{_JOINERS}](?=[{_MARKED}])"
    rf"|(?<=[{_PICTURES}\U0001f3fb-\U0001f3ff])\u200d(?=[{_PICTURES}])"
    r"|(?<=[#*0-9\u00a9\u00ae])\ufe0f(?=\u20e3)"
    r"|(?<=[\u00a9\u00ae\u2122\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]"
    r"|\U0001f3f4[\U000e0020-\U000e007f]+)"
    r"|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Characters without a picture: controls, soft hyphens, joiners, marks of direction, fillers, tags, selectors."""

_SPACE = re.compile(r"(?<!\d)[\u00a0\u2007\u2009\u202f]|[\u00a0\u2007\u2009\u202f](?!\d)|[\u1680\u2000-\u200a\u205f]")
"""White space of a typesetter; that between figures stays, for it belongs to the number."""

_APOSTROPHE = re.compile(
    r"(?<=[^\W\d_])[´`\u02b9\u02bb\u02bc\u02bd\u02c8\u2018\u201b\u2032\u055a\ua78c\uff07](?=[^\W\d_])"
)

_COMPATIBLE = re.compile("[\ufb00-\ufb06\U0001d400-\U0001d7ff]+")
"""Ligatures, and the letters of mathematics, with which people write in bold."""

_WIDE = re.compile("[\uff01-\uff5e]+")
_WIDE_LETTERS = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")

_UNUSUAL = re.compile("[^ -_a-~¡-¬®-³µ-ʯ–—“”„’…]")
"""Other characters than those of which most European texts consist; none of those is changed, if it is composed."""

_ALTERNATIVES: Mapping[str, str] = {
    "’": "'",
    "‘": "'",
    "‚": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "‐": "-",
    "‑": "-",
    "‒": "-",
}
"""What stands for a sign that a vocabulary does not have."""

_ALWAYS = str.maketrans({"‐": "-", "‑": "-"})

_ODD = re.compile(r"`|,,|(?<!\S)\" | \"(?!\w)| [?!:;]|(?<![\w'])'(?!')")
"""What ASCII has of quotation marks other than the usual ones, and of spaces before and behind marks."""

_SPACED = re.compile(r"(?<=\S)[^\S\n]{1,2}(?=[?!]+(?:[\s\"“”‘’'«»)\]]|$))|(?<=[^\W\d_])[^\S\n]{1,2}(?=[:;](?:\s|$))")
"""The space that French has before some marks."""


class Cleaner:
    """Cleans the texts of one language for one vocabulary. Safe to use from several threads."""

    def __init__(self, side: Side, language: str) -> None:
        """side: of the language's vocabulary: signs such as "’" that it lacks are replaced by plainer ones."""
        lacking = {sign: plain for sign, plain in _ALTERNATIVES.items() if not _has(side, sign) and _has(side, plain)}
        self._lacking = frozenset(lacking)
        self._plain = str.maketrans(lacking)
        self._marks = usual_marks(language)
        self._wide = _WIDE if has_spaces(language) and primary_subtag(language) != "ko" else _WIDE_LETTERS

    def clean(self, text: str) -> str:
        """A text without characters that are not seen, with the common ones for those that look like them, and with
        the quotation marks and spaces of its language."""
        if text.isascii() and text.isprintable() and _ODD.search(text) is None:
            return text
        if _UNUSUAL.search(text):
            text = _APOSTROPHE.sub("'", _SPACE.sub(" ", _UNSEEN.sub(_keep, text)))
            text = self._wide.sub(_to_compatible, _COMPATIBLE.sub(_to_compatible, text)).translate(_ALWAYS)
            text = unicodedata.normalize("NFC", text)
        if self._marks is not None:
            text = write_quotations(_SPACED.sub("", text), self._marks)
        return text if self._lacking.isdisjoint(text) else text.translate(self._plain)


@dataclass(frozen=True, slots=True)
class Seen:
    """A text as its reader sees it, and for each of its characters where the original has it, as [begin, end)."""

    text: str
    places: Sequence[tuple[int, int]]

    def original(self, begin: int, end: int) -> tuple[int, int]:
        """Where the original has what is not empty from `begin` to before `end`."""
        return self.places[begin][0], self.places[end - 1][1]


def as_seen(text: str) -> Seen | None:
    """The text without characters that are not seen, with plain apostrophes, and letters and their accents as one
    character; None if it is so already."""
    if not _UNUSUAL.search(text):
        return None
    plain = _APOSTROPHE.sub("'", text)
    unseen = {place for match in _UNSEEN.finditer(text) if match["kept"] is None for place in range(*match.span())}
    characters: list[str] = []
    places: list[tuple[int, int]] = []
    for place, character in enumerate(plain):
        if place in unseen:
            continue
        if characters and unicodedata.combining(character):
            composed = unicodedata.normalize("NFC", characters[-1] + character)
            if len(composed) == 1:
                characters[-1], places[-1] = composed, (places[-1][0], place + 1)
                continue
        characters.append(character)
        places.append((place, place + 1))
    seen = "".join(characters)
    return None if seen == text else Seen(seen, places)


def _keep(match: re.Match[str]) -> str:
    return match["kept"] or ""


def _to_compatible(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[0])


def _has(side: Side, sign: str) -> bool:
    """Whether a vocabulary spells a sign with pieces of its own rather than with bytes or the unknown piece."""
    ids = side.encode(f"a{sign}")
    return side.decode(ids) == f"a{sign}" and not any(piece.startswith("<0x") for piece in side.pieces(ids))
