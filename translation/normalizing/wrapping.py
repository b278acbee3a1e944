"""Paragraphs that were wrapped at a column, joined into lines, and wrapped again as they were.

An e-mail breaks its lines at about column 72, in the middle of sentences. Lines are joined only where that is what was
done to them: the first word of the next line would not have fitted, and some line goes on with a small letter. Lists,
verse, tables, code, headings and signatures keep their lines.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_LINE = re.compile(
    r"(?P<quote>(?:[>|]\s?)*)(?P<indent>[ \t]*)(?P<marker>(?:[-*+•‣–·]|\(?\d{1,3}[.)]|\(?[a-z]\))[ \t]+)?(?P<body>.*)"
)
_FENCE = re.compile(r"\s*(?:```|~~~)")
_COLUMNS = re.compile(r"\S(?: {3,}|\t+)\S|\|")
_CODE_END = re.compile(r"[{};\\=]\s*$|^\s*[{}#@<]")
_CODE = re.compile(r"[{}=;<>$\\|()_]")
_PLAIN_WORD = re.compile(r"(?<!\S)[a-zäöüß]{2,}[.,:]?(?!\S)")
_UNFINISHED = re.compile(r"[^.!?:…]$")
_SUSPENDED = re.compile(r"(?:und|oder|bzw|sowie|and|or|to|bis)\b")

_HYPHENS = ("-", "\u00ad", "\u2010")
"""The last one is that of manuals' pages."""

SIGNATURE = "-- "
MIN_WIDTH = 30
"""Narrowest column, in characters."""

MIN_PAIR_WIDTH = 50
"""Shortest first line of a paragraph of two lines."""

MAX_WIDTH = 200

MAX_SLACK = 16
"""Characters by which a line of a text that was surely wrapped may be shorter than need be."""

MIN_WORDS_A_LINE = 3

CODE_INDENT = 4
"""Spaces before a line without a list's mark that may be code."""


@dataclass(frozen=True, slots=True)
class Block:
    """How a paragraph was wrapped.

    first, rest: what stood before its first line and before the others, such as "> ".
    width:       of its lines, in characters.
    trail:       what stood at the end of every line but the last, as in "format=flowed".
    """

    first: str
    rest: str
    width: int
    trail: str = ""

    def wrap(self, paragraph: str) -> str:
        """A line of text, wrapped."""
        lines: list[str] = []
        line, is_empty = self.first, True
        for word in paragraph.split(" "):
            if not is_empty and len(line) + 1 + len(word) > self.width and word:
                lines.append(line + self.trail)
                line, is_empty = self.rest, True
            line += word if is_empty else f" {word}"
            is_empty = is_empty and not word
        return "\n".join((*lines, line))


@dataclass(frozen=True, slots=True)
class Wrapping:
    """A text with paragraphs joined into lines.

    text:   the joined text; its lines are the paragraphs, and those lines that were not joined.
    blocks: for each of its lines how it was wrapped; None for one that was not.
    end:    of a line.
    """

    text: str
    blocks: tuple[Block | None, ...]
    end: str = "\n"

    def wrap(self, translation: str) -> str:
        """A translation of `text`, or the beginning of one, wrapped as the source was."""
        lines = translation.split("\n")
        wrapped = [line if block is None else block.wrap(line) for line, block in zip(lines, self.blocks, strict=False)]
        return "\n".join((*wrapped, *lines[len(wrapped) :])).replace("\n", self.end)


def word_places(text: str, wrapped: str) -> list[int]:
    """For each word of a joined text its number in the wrapped text, which also has words before its lines, such as
    ">"; that of the first part where a word was hyphenated."""
    words = wrapped.split()
    places: list[int] = []
    place = 0
    for word in text.split():
        while place < len(words) - 1 and not _is_same(word, words[place]):
            place += 1
        places.append(place)
        place = min(place + 1, len(words) - 1)
    return places


def _is_same(word: str, of_line: str) -> bool:
    return word == of_line or (of_line[-1] in _HYPHENS and word.startswith(of_line[:-1]) and len(of_line) > 1)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line taken apart; raw: all of it."""

    raw: str
    quote: str
    indent: str
    marker: str
    body: str

    @property
    def column(self) -> int:
        """Where its text begins behind the quotation's mark."""
        return len(self.indent) + len(self.marker)


def unwrap(text: str, count_pieces: Callable[[str], int] | None = None) -> Wrapping | None:
    """A text with wrapped paragraphs joined; None if there are none.

    count_pieces: of a word, to find out whether a hyphen at the end of a line belongs to the word: hyphenation made
    more pieces of it.
    """
    if "\n" not in text:
        return None
    end = "\r\n" if "\r\n" in text else "\n"
    lines = [_parse(line) for line in text.replace("\r\n", "\n").split("\n")]
    joined: list[str] = []
    blocks: list[Block | None] = []
    groups = list(_groups(lines))
    widths = [max(len(line.raw) for line in group) for group in groups if len(group) > 1 and _is_wrapped(group, 0)]
    width = max((width for width in widths if width <= MAX_WIDTH), default=0)
    for group in groups:
        if len(group) > 1 and _is_wrapped(group, width):
            own = max(len(line.raw.rstrip()) for line in group)
            trail = " " if all(line.raw.endswith(" ") for line in group[:-1]) else ""
            rest = group[1].quote + group[1].indent
            first = group[0].quote + group[0].indent + group[0].marker
            blocks.append(Block(first, rest, width if width - own < MIN_WIDTH // 2 else own, trail))
            joined.append(_join([line.body for line in group], count_pieces))
        else:
            blocks += [None] * len(group)
            joined += (line.raw for line in group)
    return Wrapping("\n".join(joined), tuple(blocks), end) if any(blocks) else None


def _parse(raw: str) -> _Line:
    match = _LINE.fullmatch(raw)
    if match is None:
        return _Line(raw, "", "", "", raw)
    quote, indent, marker, body = match.group("quote", "indent", "marker", "body")
    return _Line(raw, quote, indent, marker or "", body)


def _groups(lines: Sequence[_Line]) -> list[list[_Line]]:
    """The lines, those together that may be one paragraph."""
    groups: list[list[_Line]] = []
    is_open = is_fenced = is_signature = False
    for line in lines:
        if _FENCE.match(line.raw):
            is_fenced = not is_fenced
        is_signature = is_signature or line.raw == SIGNATURE
        is_loose = is_fenced or is_signature or not line.body.strip() or not _is_prose(line)
        if is_open and not is_loose and _continues(groups[-1], line):
            groups[-1].append(line)
        else:
            groups.append([line])
        is_open = not is_loose
    return groups


def _is_prose(line: _Line) -> bool:
    if _COLUMNS.search(line.body) or _CODE_END.search(line.body):
        return False
    if len(line.indent.expandtabs()) < 2 * CODE_INDENT or line.marker:
        return True
    # Deep in a manual's page, or code.
    return len(_PLAIN_WORD.findall(line.body)) >= MIN_WORDS_A_LINE or _CODE.search(line.body) is None


def _continues(group: Sequence[_Line], line: _Line) -> bool:
    """Whether a line may go on with a paragraph."""
    first = group[0]
    if line.marker or line.quote.strip() != first.quote.strip():
        return False
    if len(group) > 1:
        return line.indent == group[1].indent
    # below the text of a list's item or of its mark, or below a first line that is indented or hangs out
    return line.column == first.column or (line.indent == first.indent) or not (first.marker or line.indent)


def _is_wrapped(group: Sequence[_Line], width: int) -> bool:
    """Whether a paragraph's lines were one. width: of the text's other paragraphs; 0 if unknown."""
    lengths = [len(line.raw.rstrip()) for line in group]
    own = max(lengths)
    num_borders = len(group) - 1
    if not MIN_WIDTH <= own <= MAX_WIDTH:
        return False
    if num_borders == 1 and lengths[0] < MIN_PAIR_WIDTH and (not width or own < width - MAX_SLACK):
        return False
    if sum(len(line.body.split()) for line in group[:-1]) < MIN_WORDS_A_LINE * num_borders:
        return False
    is_capital = all(line.body.isupper() for line in group)
    num_inner = sum(_goes_on(line.body, following.body, is_capital) for line, following in pairwise(group))
    # Where most borders are within sentences, somebody may have edited the text after it was wrapped.
    slack = min(MAX_SLACK, own // 4) if 2 * num_inner >= num_borders and own >= MIN_PAIR_WIDTH else 0
    fits = [
        length + 1 + len(following.body.split(maxsplit=1)[0]) <= own - slack
        for length, following in zip(lengths, group[1:], strict=False)
    ]
    return num_inner > 0 and not any(fits)


def _goes_on(body: str, following: str, is_capital: bool) -> bool:
    """Whether a sentence goes on behind a line's end."""
    word = following.split(maxsplit=1)[0].lstrip("\"'(„“")
    return _UNFINISHED.search(body.rstrip()) is not None and (is_capital or word[:1].islower())


def _join(bodies: Sequence[str], count_pieces: Callable[[str], int] | None) -> str:
    joined = bodies[0].rstrip()
    for body in bodies[1:]:
        body = body.strip()
        if joined[-1:] in _HYPHENS and joined[-2:-1].isalpha() and body[:1].islower():
            before, behind = re.split(r"\s", joined)[-1][:-1], body.split(maxsplit=1)[0]
            if _is_hyphenated(joined[-1], before, behind, count_pieces):
                joined = joined[:-1] + body
                continue
            if not _SUSPENDED.match(body):
                joined += body
                continue
        joined += f" {body}"
    return joined


def _is_hyphenated(hyphen: str, before: str, behind: str, count_pieces: Callable[[str], int] | None) -> bool:
    """Whether the two parts are one word."""
    if hyphen == "\u00ad":
        return True
    if _SUSPENDED.match(behind) or count_pieces is None:
        return False
    behind = behind.rstrip(".,;:!?)\"'“”")
    return count_pieces(before + behind) < count_pieces(before) + count_pieces(behind)
