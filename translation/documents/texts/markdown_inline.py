"""The inline elements of Markdown: found by markdown-it-py's own rules, whose places are noted while it runs them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from dragoman.translation.markup.content import Content, Role, Tag, merge_kept, pair_tags
from dragoman.translation.markup.segments import MAX_KEPT_WORDS

Rule: TypeAlias = Callable[[StateInline, bool], bool]

_LEAVES = frozenset(("newline", "escape", "backticks", "image", "autolink", "html_inline", "entity"))
_DELIMITERS = frozenset(("emphasis", "strikethrough"))
_TAG = re.compile(r"<(/?)([A-Za-z][\w:-]*)[^>]*?(/?)>", re.DOTALL)
_VOID = frozenset(("br", "hr", "img", "input", "wbr"))
FOOTNOTE = "\ue000^"
"""Stands for "[^": CommonMark would read the mark of a footnote as a link, and the footnote as its definition."""

_LITERAL = re.compile(
    r"\ue000\^[^\]\s]+\]|\A\[[ xX]\](?=\s)|\A\[!\w+\]|(?<!\w):(?=[0-9_+-]*[a-z])[a-z0-9_+-]{1,40}:(?!\w)"
)
"""What GitHub and its like read beside CommonMark: footnotes, boxes to tick, kinds of notes, names of emoji."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a block's content, up to a hard line break, and where it stands in it."""

    begin: int
    end: int
    content: Content


@dataclass(frozen=True, slots=True)
class _Mark:
    """A rule's match. tokens: the token and length of each delimiter. label_end: of a link, where its label ends."""

    rule: str
    begin: int
    end: int
    tokens: tuple[tuple[Token, int], ...] = ()
    label_end: int = 0


@dataclass(slots=True)
class _Notes:
    """The marks of the outermost text alone: an image's description is parsed on its own."""

    state: StateInline | None = None
    marks: list[_Mark] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    """A piece of the content. key: what its other half must have as well; empty for a text and what stands alone."""

    begin: int
    end: int
    piece: str | Tag
    key: str = ""
    is_break: bool = False


class InlineParser:
    """Reads the content of blocks. Changes the rules of the parser that it is given, in order to note their matches."""

    def __init__(self, parser: MarkdownIt) -> None:
        self._parser = parser
        self._notes = _Notes()
        ruler = parser.inline.ruler
        rules = dict(zip(ruler.get_active_rules(), ruler.getRules(""), strict=True))
        for name, rule in rules.items():
            if name in _LEAVES | _DELIMITERS | {"link"}:
                ruler.at(name, self._noting(name, rule))
        parser.inline.ruler2.disable("fragments_join")

    def parse(self, content: str, environment: dict[str, Any]) -> list[Part]:
        """The parts of a block's content."""
        self._notes = _Notes()
        self._parser.inline.parse(content, self._parser, environment, [])
        return _split(_pair([_restore(found) for found in _find_pieces(content, self._notes.marks)]))

    def _noting(self, name: str, rule: Rule) -> Rule:
        def run(state: StateInline, silent: bool) -> bool:
            notes = self._notes
            if notes.state is None:
                notes.state = state
            begin = state.pos
            label_end = 0
            if name == "link" and not silent and state is notes.state and state.src[begin] == "[":
                label_end = state.md.helpers.parseLinkLabel(state, begin, True)
            is_match = rule(state, silent)
            if is_match and not silent and state is notes.state:
                tokens = _last_tokens(state.tokens, state.pos - begin) if name in _DELIMITERS else ()
                notes.marks.append(_Mark(name, begin, state.pos, tokens, label_end))
            return is_match

        return run


def _last_tokens(tokens: Sequence[Token], length: int) -> tuple[tuple[Token, int], ...]:
    """The last tokens with so many characters together."""
    found: list[tuple[Token, int]] = []
    for token in reversed(tokens):
        if length <= 0:
            break
        found.append((token, len(token.content)))
        length -= len(token.content)
    return tuple(reversed(found))


def _find_pieces(content: str, marks: Sequence[_Mark]) -> list[_Found]:
    found: list[_Found] = []
    for mark in marks:
        raw = content[mark.begin : mark.end]
        if mark.rule in _DELIMITERS:
            found += _find_delimiters(mark, content)
        elif mark.rule == "link":
            end = content[mark.label_end : mark.end]
            label = content[mark.begin + 1 : mark.label_end]
            if end in ("]", "][]"):  # the label is a reference, too
                end = f"][{label}]"
            found.append(_Found(mark.begin, mark.begin + 1, Tag("[", Role.OPEN), "link"))
            found.append(_Found(mark.label_end, mark.end, Tag(end, Role.CLOSE), "link"))
        else:
            found.append(_read_leaf(mark, raw))
    found.sort(key=lambda piece: piece.begin)
    pieces: list[_Found] = []
    place = 0
    for piece in [*found, _Found(len(content), len(content), "")]:
        if piece.begin > place:
            pieces += _read_text(content[place : piece.begin], place)
        pieces.append(piece)
        place = piece.end
    return pieces


def _find_delimiters(mark: _Mark, content: str) -> Iterator[_Found]:
    """Those that are markup; others are text. Of a strong one's two, the outer one's token is empty."""
    place = mark.begin
    waiting = 0
    for token, length in mark.tokens:
        end = place + length
        if token.nesting == 1:
            raw = content[place - waiting : end]
            yield _Found(place - waiting, end, Tag(raw, Role.OPEN), token.tag)
            waiting = 0
        elif token.nesting == -1:
            is_strong = token.tag == "strong"
            yield _Found(place, end + is_strong, Tag(content[place : end + is_strong], Role.CLOSE), token.tag)
        elif token.content == "":
            waiting = length
        place = end


def _read_leaf(mark: _Mark, raw: str) -> _Found:
    begin, end = mark.begin, mark.end
    if mark.rule == "newline" or raw.endswith("\n"):
        return _Found(begin, end, " ", is_break=raw.startswith("\\"))
    if mark.rule == "escape":
        return _Found(begin, end, raw[1:])
    if mark.rule == "entity":
        return _Found(begin, end, unescape(raw))
    if mark.rule == "html_inline" and (tag := _TAG.fullmatch(raw)) and not tag[3] and tag[2].lower() not in _VOID:
        return _Found(begin, end, Tag(raw, Role.CLOSE if tag[1] else Role.OPEN), f"<{tag[2].lower()}>")
    shown = ""
    if mark.rule == "backticks":
        shown = raw.strip("`").strip()
    elif mark.rule == "autolink":
        shown = raw[1:-1]
    return _Found(begin, end, Tag(raw, shown=shown if len(shown.split()) <= MAX_KEPT_WORDS else ""))


def _read_text(text: str, begin: int) -> Iterator[_Found]:
    place = 0
    for match in _LITERAL.finditer(text):
        if match[0].startswith("[") and begin + match.start() > 0:
            continue
        if match.start() > place:
            yield _Found(begin + place, begin + match.start(), text[place : match.start()])
        shown = match[0] if match[0].startswith(":") else ""
        yield _Found(begin + match.start(), begin + match.end(), Tag(match[0], shown=shown))
        place = match.end()
    if place < len(text):
        yield _Found(begin + place, begin + len(text), text[place:])


def _restore(found: _Found) -> _Found:
    piece = found.piece
    if isinstance(piece, str):
        return replace(found, piece=piece.replace(FOOTNOTE, "[^"))
    return replace(found, piece=replace(piece, raw=piece.raw.replace(FOOTNOTE, "[^")))


def _pair(found: Sequence[_Found]) -> list[_Found]:
    """With the tags that have no other half standing alone."""
    pieces = pair_tags([(item.piece, item.key) for item in found])
    return [replace(item, piece=piece) for item, piece in zip(found, pieces, strict=True)]


def _split(found: Sequence[_Found]) -> list[Part]:
    """Parts at hard line breaks that stand in no element."""
    parts: list[Part] = []
    pieces: list[str | Tag] = []
    begin = end = depth = 0
    for item in found:
        piece = item.piece
        if isinstance(piece, Tag):
            depth += (piece.role is Role.OPEN) - (piece.role is Role.CLOSE)
        is_break = item.is_break or (
            piece == " " and pieces and isinstance(pieces[-1], str) and pieces[-1].endswith("  ")
        )
        if is_break and depth == 0:
            parts.append(Part(begin, end, merge_kept(pieces)))
            pieces, begin = [], item.end
        elif piece == " " and pieces and isinstance(pieces[-1], str):
            pieces[-1] = pieces[-1].rstrip() + " "  # a soft line break
        elif piece:
            pieces.append(piece)
        end = item.end
    parts.append(Part(begin, end, merge_kept(pieces)))
    return [part for part in parts if any(isinstance(piece, str) and piece.strip() for piece in part.content)]


_SPECIAL = re.compile(
    r"""\\(?=[!-/:-@\[-`{-~]) | ` | (?<!\s)\* | \*(?!\s) | (?<![^\W_])_+ | _+(?![^\W_])
    | <(?=[A-Za-z/!?]) | &(?=\#?\w+;) | ~(?=~) | (?<=~)~ | \](?=[(\[]) | \u00a0""",
    re.VERBOSE,
)
_BLOCK_BEGIN = re.compile(r"(?:#{1,6}|[-+*>]|\d{1,9}[.)]|=+|-+)(?=\s|$)|[>~`]")


def write_inline(content: Content, *, line_break: str, width: int, is_first: bool, is_cell: bool) -> str:
    """Content as Markdown.

    line_break: wraps at the width of the source's lines with it, if not empty. is_first: whether it begins a block,
    where some characters mean a list, a heading or a quotation. is_cell: whether a "|" would end it.
    """
    parts: list[str] = []
    has_inner = _has_inner_underscores(content)
    for piece in content:
        if isinstance(piece, Tag):
            raw = piece.raw
            if has_inner and raw in ("_", "__"):
                raw = raw.replace("_", "*")
            parts.append(raw)
        else:
            text = _SPECIAL.sub(_escape, piece.replace("\n", " "))
            parts.append(text.replace("|", "\\|") if is_cell else text)
    written = "".join(parts)
    if is_first and content and isinstance(content[0], str) and (match := _BLOCK_BEGIN.match(written)):
        mark = match[0]
        written = f"{mark[:-1]}\\{mark[-1]}{written[len(mark) :]}"
    return _wrap(written, line_break, width) if line_break else written


def _escape(match: re.Match[str]) -> str:
    if match[0] == "\u00a0":
        return "&nbsp;"
    return "".join(f"\\{character}" for character in match[0])


def _has_inner_underscores(content: Content) -> bool:
    """Whether a "_" that begins or ends an emphasis stands within a word, where only "*" counts."""
    for before, tag, after in zip(("", *content), content, (*content[1:], ""), strict=False):
        if isinstance(tag, Tag) and tag.raw in ("_", "__"):
            neighbour = before[-1:] if tag.role is Role.OPEN and isinstance(before, str) else ""
            if tag.role is Role.CLOSE and isinstance(after, str):
                neighbour = after[:1]
            if neighbour.isalnum():
                return True
    return False


def _wrap(text: str, line_break: str, width: int) -> str:
    """Lines of at most this width where that is possible; none begins with what would begin a block."""
    rows: list[str] = []
    for word in re.findall(r"(?:`[^`]*`|\]\([^)]*\)|<[^>]*>|\S)+", text):
        if rows and (len(rows[-1]) + 1 + len(word) <= width or _BLOCK_BEGIN.match(word)):
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    lead = text[: len(text) - len(text.lstrip())]
    trail = text[len(text.rstrip()) :] if text.strip() else ""
    return lead + line_break.join(rows) + trail
