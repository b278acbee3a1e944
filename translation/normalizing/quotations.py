"""Quotation marks in all their styles: found in pairs, and written as a language usually writes them.

People and programs write « hello », »hello«, ‹ x ›, ``TeX'', `GNU', ,,low commas'', and apostrophes. A vocabulary knows
one or two of these, and a model that reads others loses a mark, or copies what stands between them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dragoman.translation.languages import primary_subtag

Marks = tuple[str, str, str, str]
"""The marks of a language: begin and end of a quotation, and of one within a quotation."""

_USUAL: dict[str, Marks] = {"de": ("„", "“", "‚", "‘"), "en": ("“", "”", "‘", "’")}
_WRITTEN: dict[str, Marks] = {"de": ("„", "“", "‚", "‘"), "en": ('"', '"', "'", "'")}

_ANY = re.compile(r"[\"«»‹›„“‚‘`]|,,|(?<!\w)'")
_CONTRACTED = (
    r"(?!(?:n|t|s|er|im|em|tis|twas|cause|cos|cuz|til|till|bout|round|ello|ave|ere|ne|nen|ner|nem|nes|\d0s)\b)"
)
"""What begins with an apostrophe that is none of a pair: 'em, 'tis, 'ne, '90s."""


@dataclass(frozen=True, slots=True)
class _Style:
    """begin, end: patterns of the marks, with the spaces inside that belong to them. sign: of every begin. within: a
    pattern of a character between them. is_plain: see `Quotation`."""

    sign: str
    begin: str
    within: str
    end: str
    is_plain: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        # Without a bound of the length a row of marks would take quadratic time.
        return re.compile(rf"{self.begin}(?=\S)(?P<text>(?:{self.within}){{1,{MAX_LENGTH}}}?)(?<=\S){self.end}")


MAX_LENGTH = 300
"""Characters of a quotation."""

MAX_LEVELS = 3
"""Quotations of one style within each other."""

_S = r"[^\S\n]{0,2}"
_STYLES = tuple(
    (style, style.pattern)
    for style in (
        _Style("«", rf"«{_S}", r"[^«»\n]", rf"{_S}»"),
        _Style("»", r"(?<!\w)»", r"[^«»\n]", r"«(?!\w)"),
        _Style("‹", rf"‹{_S}", r"[^‹›\n]", rf"{_S}›"),
        _Style("›", r"(?<!\w)›", r"[^‹›\n]", r"‹(?!\w)"),
        _Style("„", rf"„{_S}", r"[^„“”\"\n]", rf"{_S}[“”\"](?!\w)"),
        _Style("“", rf"(?<!\w)“{_S}", r"[^„“”\n]", rf"{_S}”"),
        _Style("“", r"(?<!\w)“", r"[^„“”\n]", r"“(?!\w)"),
        _Style('"', r"(?<![\w\\])\"", r"[^\"\n]", r"(?<!\\)\"(?!\w)", is_plain=True),
        _Style('"', r"(?<!\S)\"[^\S\n]", r"[^\"\n]", r"[^\S\n]\"(?!\w)", is_plain=True),
        _Style("‚", r"‚", r"[^‚‘’\n]|(?<=\w)’(?=\w)", r"[‘’'](?!\w)"),
        _Style("‘", r"(?<!\w)‘", r"[^‚‘’\n]|(?<=\w)’(?=\w)", r"’(?!\w)"),
        _Style(
            "'",
            rf"(?<![\w\\'])'{_CONTRACTED}(?!')",
            r"[^'\n]|(?<=\w)'(?=\w)",
            r"(?<![\\'])'(?![\w'])",
            is_plain=True,
        ),
        _Style("`", r"(?<![\w\\`])`(?!`)", r"[^'`\n]|(?<=\w)'(?=\w)", r"(?<!\\)'(?![\w'])"),
        _Style("``", r"(?<![\w\\`])``(?!`)", r"[^`\n]", r"(?:''|\")(?![\w'])"),
        _Style(",,", r"(?<![\w,]),,(?!,)", r"[^`\"“”\n]", r"(?:''|``|[\"“”])(?!\w)"),
    )
)


@dataclass(frozen=True, slots=True)
class Quotation:
    """A part of a text between quotation marks.

    begin, end:  with the marks.
    first, last: without the marks and the spaces inside them.
    is_plain:    whether its marks are the keyboard's own, which begin and end alike.
    """

    begin: int
    first: int
    last: int
    end: int
    is_plain: bool

    def holds(self, other: "Quotation") -> bool:
        """Whether the other one is within it."""
        return self.first <= other.begin and other.end <= self.last


def find_quotations(text: str) -> list[Quotation]:
    """The quotations of a text by their begins; each is within another or apart from it."""
    if _ANY.search(text) is None:
        return []
    found: list[Quotation] = []
    rest = text  # with a meaningless sign for each character of what was found before
    for _ in range(MAX_LEVELS):
        new = list(_nested(sorted(_candidates(rest), key=lambda one: (one.begin, one.end))))
        if not new:
            break
        found += new
        rest = _cover(rest, new)
    return sorted(found, key=lambda one: one.begin)


def _cover(text: str, ascending: Sequence[Quotation]) -> str:
    parts: list[str] = []
    place = 0
    for one in ascending:
        if one.begin >= place:
            parts += text[place : one.begin], "\ufffc" * (one.end - one.begin)
            place = one.end
    return "".join((*parts, text[place:]))


def _candidates(text: str) -> Iterator[Quotation]:
    for style, pattern in _STYLES:
        if style.sign in text:
            for match in pattern.finditer(text):
                yield Quotation(match.start(), *match.span("text"), match.end(), style.is_plain)


def _nested(ascending: Sequence[Quotation]) -> Iterator[Quotation]:
    """Those that overlap none before them, but for what is within it."""
    around: list[Quotation] = []
    for one in ascending:
        while around and around[-1].end <= one.begin:
            around.pop()
        if not around or around[-1].holds(one):
            around.append(one)
            yield one


def with_levels(found: Sequence[Quotation]) -> Iterator[tuple[Quotation, int]]:
    """The quotations of a text, each with the number of those that it is within. found: by their begins."""
    around: list[Quotation] = []
    for one in found:
        while around and around[-1].end <= one.begin:
            around.pop()
        yield one, len(around)
        around.append(one)


def usual_marks(language: str) -> Marks | None:
    """The quotation marks that every model of a language has read; None if they are not known."""
    return _USUAL.get(primary_subtag(language))


def written_marks(language: str) -> Marks | None:
    """The quotation marks that most texts of a language have, so that those which a model writes itself are alike; None
    if they are not known."""
    return _WRITTEN.get(primary_subtag(language))


def write_quotations(text: str, marks: Marks) -> str:
    """The text with these marks for all but the keyboard's own, and without spaces inside any. Single marks become
    double ones but within other quotations, the keyboard's own as well: models have read few of them."""
    places: list[tuple[int, int, str]] = []
    for one, level in with_levels(find_quotations(text)):
        begin, end = marks[2:] if level % 2 else marks[:2]
        if one.is_plain:
            has_inner = '"' in text[one.first : one.last]
            begin = end = text[one.begin] if level or has_inner else '"'
        places += (one.begin, one.first, begin), (one.last, one.end, end)
    parts: list[str] = []
    place = 0
    for first, last, mark in sorted(places):
        parts += text[place:first], mark
        place = last
    return "".join((*parts, text[place:]))


@dataclass(frozen=True, slots=True)
class Marked:
    """The change of a sentence whose quotation marks a model reads: none, but of those that it writes it may forget the
    last, or write another kind of it.

    marks:  of the translation's language.
    closes: whether the sentence ends with a quotation's mark.
    """

    marks: Marks
    closes: bool

    def undo(self, target: str) -> str:
        """The translation with marks of one kind, and with the last one."""
        target = write_quotations(target, self.marks)
        signs = sum(map(target.count, {*self.marks[:2], '"'}))
        if self.closes and signs % 2 and target[-1:] not in (self.marks[1], '"'):
            last = max(map(target.rfind, {self.marks[0], '"'}))
            target += '"' if target[last : last + 1] == '"' else self.marks[1]
        return target


def find_marked(text: str, language: str) -> Marked | None:
    """The change of a sentence that is translated into a language; None without quotations, or if its marks are not
    known."""
    marks, found = written_marks(language), find_quotations(text)
    return None if marks is None or not found else Marked(marks, any(one.end == len(text) for one in found))
