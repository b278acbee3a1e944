"""Markdown: CommonMark with GitHub's tables and strikethrough. markdown-it-py finds the blocks; everything but the
texts of paragraphs, headings, list items and cells stays as it is."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from dragoman.translation.documents.document import DocumentOptions, decode_text, lines_of, make_segment, white_before
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.texts.html import find_places
from dragoman.translation.documents.texts.markdown_inline import FOOTNOTE, InlineParser, Part, write_inline
from dragoman.translation.markup.content import Content

_FRONT_MATTER = re.compile(
    r"\A\ufeff?(?:---\r?\n.*?\r?\n(?:---|\.\.\.)|\+\+\+\r?\n.*?\r?\n\+\+\+)[ \t]*(?:\r?\n|\Z)", re.DOTALL
)


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open UTF-8 Markdown."""
    text = decode_text(content)
    front = _FRONT_MATTER.match(text)
    begin = front.end() if front else len(text) - len(text.removeprefix("\ufeff"))
    return SplicedDocument(text, list(_find_places(text, begin)))


def _find_places(text: str, begin: int) -> Iterator[Place]:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.core.ruler.disable(["inline", "text_join"])
    inline = InlineParser(parser)
    environment: dict[str, object] = {}
    source = text[begin:].replace("[^", FOOTNOTE)
    lines = lines_of(source)
    starts = [begin]
    for line in lines:
        starts.append(starts[-1] + len(line))
    in_row = (-1, 0)  # the line of the last cell, and where it ends
    is_cell = False
    for token in parser.parse(source.replace("\r\n", " \n").replace("\r", " "), environment):
        is_cell = token.type in ("th_open", "td_open") or (is_cell and token.type == "inline")
        if token.map is None:
            continue
        if token.type == "html_block" and token.level == 0:
            first, last = (starts[min(line, len(lines))] for line in token.map)
            yield from (_keep_line_end(place, text) for place in find_places(text[first:last], first))
        if token.type != "inline":
            continue
        found = _find_lines(token, lines, in_row[1] if in_row[0] == token.map[0] else 0, is_cell)
        if found is None:
            continue
        columns, contents = found
        if is_cell:
            in_row = (token.map[0], columns[0] + len(contents[0]))
        places = [starts[token.map[0] + number] + column for number, column in enumerate(columns)]
        yield from _place_parts(text, inline.parse("\n".join(contents), environment), contents, places, is_cell)


def _keep_line_end(place: Place, text: str) -> Place:
    """HTML that ends a line as before, which a browser does not mind, but which ends the block."""
    trail = white_before(text, place.end)

    def write(content: Content) -> str:
        return place.write(content).rstrip() + trail

    return replace(place, write=write)


def _find_lines(token: Token, lines: Sequence[str], begin: int, is_cell: bool) -> tuple[list[int], list[str]] | None:
    """Where the lines of a block's content begin in its lines; None if they are not there as they are."""
    assert token.map is not None
    content = token.content.replace("|", "\\|") if is_cell else token.content
    contents = content.split("\n")
    columns: list[int] = []
    for number, content in enumerate(contents):
        line = lines[token.map[0] + number] if token.map[0] + number < len(lines) else ""
        whole = line.rstrip("\r\n").rstrip()
        if is_cell or not whole.endswith(content.rstrip()):
            column = line.find(content.rstrip(), begin)
        else:
            column = len(whole) - len(content.rstrip())
        if column < 0:
            return None
        columns.append(column)
    return columns, [
        content.rstrip() if number + 1 == len(contents) else content for number, content in enumerate(contents)
    ]


def _place_parts(
    text: str, parts: Sequence[Part], contents: Sequence[str], places: Sequence[int], is_cell: bool
) -> Iterator[Place]:
    """The parts of a block's content as places of the text."""
    offsets = [0]
    for content in contents:
        offsets.append(offsets[-1] + len(content) + 1)

    def find(offset: int) -> int:
        line = min(bisect_right(offsets, offset), len(contents)) - 1
        return places[line] + min(offset - offsets[line], len(contents[line]))

    prefix = ""
    if len(contents) > 1:
        prefix = text[text.rfind("\n", 0, places[1]) + 1 : places[1]]
    width = max(map(len, contents))
    for part in parts:
        begin, end = find(part.begin), find(part.end)
        is_wrapped = "\n" in text[begin:end]

        def write(content: Content, is_wrapped: bool = is_wrapped, is_first: bool = part.begin == 0) -> str:
            return write_inline(
                content, line_break=f"\n{prefix}" if is_wrapped else "", width=width, is_first=is_first, is_cell=is_cell
            )

        yield Place(begin, end, make_segment(part.content), write)
