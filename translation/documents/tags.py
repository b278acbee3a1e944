"""Tags of HTML and XML within a plain string, as interface texts have them: "Click <b>OK</b>"."""

import re

from dragoman.translation.markup.content import Content, Role, Tag, merge_kept, pair_tags

_TAG = re.compile(
    r"""<(/?)([A-Za-z][\w:.-]*)((?:\s+[\w:.@-]+(?:\s*=\s*(?:"[^"<]*"|'[^'<]*'|\\"[^"<]*\\"|[^\s"'<>]+))?)*)\s*(/?)>"""
)

_KEPT = "application code command constant envar filename function kbd literal option pre samp tt userinput varname"
_KEPT_ELEMENTS = frozenset(_KEPT.split())
"""Elements of HTML and DocBook whose content nobody translates."""

_VOID_ELEMENTS = frozenset(("br", "hr", "img", "input", "wbr"))


def read_tags(text: str) -> Content:
    """The text with the tags that have another half, or need none, as `Tag`s. Everything else, such as "<name>" alone
    or "a < b", is text. `"".join` of the pieces, raw ones of tags, is the text again."""
    matches = list(_TAG.finditer(text))
    ends = _match_ends(matches)
    closing = set(ends.values())
    pieces: list[str | Tag] = []
    place = number = 0
    while number < len(matches):
        match = matches[number]
        name = match[2].lower()
        if match[4] or name in _VOID_ELEMENTS:
            tag, end = Tag(match[0]), number
        elif number in ends and name in _KEPT_ELEMENTS:
            end = ends[number]
            tag = Tag(text[match.start() : matches[end].end()], shown=text[match.end() : matches[end].start()])
        elif number in ends:
            tag, end = Tag(match[0], Role.OPEN), number
        elif number in closing:
            tag, end = Tag(match[0], Role.CLOSE), number
        else:
            number += 1
            continue
        pieces += text[place : match.start()], tag
        place = matches[end].end()
        number = end + 1
    pieces.append(text[place:])
    return merge_kept(piece for piece in pieces if piece)


def write_tags(content: Content) -> str:
    """The inverse of `read_tags`."""
    return "".join(piece.raw if isinstance(piece, Tag) else piece for piece in content)


def _match_ends(matches: list["re.Match[str]"]) -> dict[int, int]:
    """The number of the end of each start that is properly nested."""
    pieces: list[tuple[str | Tag, str]] = []
    for match in matches:
        is_single = match[4] or match[2].lower() in _VOID_ELEMENTS
        role = Role.SINGLE if is_single else Role.CLOSE if match[1] else Role.OPEN
        pieces.append((Tag(match[0], role), match[2].lower()))
    ends: dict[int, int] = {}
    opened: list[int] = []
    for number, piece in enumerate(pair_tags(pieces)):
        if isinstance(piece, Tag) and piece.role is Role.OPEN:
            opened.append(number)
        elif isinstance(piece, Tag) and piece.role is Role.CLOSE:
            ends[opened.pop()] = number
    return ends
