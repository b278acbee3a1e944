"""Pieces that stand for languages, as each family of models writes them, and how they frame a sentence."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign_vocabulary import SOURCE_LANGUAGE, TARGET_LANGUAGE


@dataclass(frozen=True, slots=True)
class Family:
    """How a family of models names languages. least: fewer such pieces are a chance. before, after, target: the frame,
    the end of sentence apart, which follows the text."""

    pattern: re.Pattern[str]
    least: int
    before: tuple[str, ...]
    target: tuple[str, ...]


FAMILIES = (
    Family(re.compile(r">>([A-Za-z_]{2,12})<<"), 1, (TARGET_LANGUAGE,), ()),  # OPUS-MT with several targets
    Family(re.compile(r"<2([A-Za-z_-]{2,12})>"), 1, (TARGET_LANGUAGE,), ()),  # as Dragoman trains them
    Family(re.compile(r"__([a-z]{2,3})__"), 2, (SOURCE_LANGUAGE,), (TARGET_LANGUAGE,)),  # M2M100
    Family(re.compile(r"([a-z]{3}_[A-Z][a-z]{3})"), 2, (SOURCE_LANGUAGE,), (TARGET_LANGUAGE,)),  # NLLB
    Family(re.compile(r"([a-z]{2}_[A-Z]{2})"), 2, (SOURCE_LANGUAGE,), (TARGET_LANGUAGE,)),  # mBART-50
)


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages of a vocabulary. pieces: of each, by its tag. before, target: see `Family`."""

    pieces: dict[str, str]
    before: tuple[str, ...] = ()
    target: tuple[str, ...] = ()


NO_LANGUAGES = Languages({})


def find_languages(pieces: Iterable[str], tag: Callable[[str], str]) -> Languages:
    """The languages that pieces name. tag: a language's name in bundles, of its name in a piece."""
    pieces = list(pieces)
    for family in FAMILIES:
        named = {match[1]: piece for piece in pieces if (match := family.pattern.fullmatch(piece))}
        if len(named) >= family.least:
            return Languages(tag_all(named, tag), family.before, family.target)
    return NO_LANGUAGES


_PAIRS = (
    "als sq arb ar azj az cmn zh ekk et gaz om khk mn kmr ku lvs lv nob nb npi ne ory or pbt ps pes fa plt mg "
    "prs fa-AF quy qu swh sw uzn uz ydd yi zsm ms"
)
_words = _PAIRS.split()
_USUAL = dict(zip(_words[::2], _words[1::2], strict=True))
"""The usual tag of a language for which NLLB and OPUS-MT have a narrower one (ISO 639-3)."""


def tag_all(named: dict[str, str], tag: Callable[[str], str]) -> dict[str, str]:
    """The pieces by tags instead of a family's names; a script or country that distinguishes nothing is left out."""
    tags = {name: found for name in named if (found := _tag(name, tag))}
    plain = {name: re.sub(r"-([A-Z][a-z]{3}|[A-Z]{2})$", "", one) for name, one in tags.items()}
    counts: dict[str, int] = {}
    for one in plain.values():
        counts[one] = counts.get(one, 0) + 1
    chosen = {name: plain[name] if counts[plain[name]] == 1 else tags[name] for name in tags}
    return {chosen[name]: named[name] for name in tags}


def _tag(name: str, tag: Callable[[str], str]) -> str | None:
    """None for what is no language, such as a name of a toolkit's own."""
    first, joint, rest = name.partition("_")
    try:
        return tag(_USUAL.get(first, first) + joint + rest)
    except InvalidInputError:
        return None
