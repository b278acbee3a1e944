"""XML as tools really write it, made readable: any encoding, entities of HTML, bare ampersands, halves of emoji."""

import codecs
import re
from html.entities import html5
from typing import BinaryIO
from xml.sax.saxutils import escape

_CHUNK_BYTES = 1 << 18
_MAX_HELD = 16 << 20
_TAIL = 64
"""Characters at a chunk's end in which a reference may be incomplete."""

_DECLARATION = re.compile(r"[\s\0\ufeff]*(<\?xml\b[^>]*>)?")
_OWN = frozenset(("amp", "lt", "gt", "quot", "apos"))
_HALF = r"&#(?:[xX]0*([dD]{}[0-9a-fA-F]{{2}})|0*({}));"
_HIGH, _LOW = (
    _HALF.format("[89abAB]", "5(?:529[6-9]|5[3-9]\\d\\d|6[0-2]\\d\\d|63[01]\\d)"),
    _HALF.format("[c-fC-F]", "5(?:63[2-9]\\d|6[4-9]\\d\\d|7[0-2]\\d\\d|73[0-3]\\d|734[0-3])"),
)
_BEGIN_OF_LITERAL = re.compile(r"<!\[CDATA\[|<!--")
_FAULTS = re.compile(
    rf"(?P<literal><!\[CDATA\[.*?\]\]>|<!--.*?-->)|(?P<pair>{_HIGH}{_LOW})|(?P<half>{_HIGH}|{_LOW})"
    r"|&(?P<name>[A-Za-z][A-Za-z0-9]*);|(?P<ampersand>&(?!#\d+;|#[xX][0-9a-fA-F]+;|[A-Za-z_:][\w:.-]*;))"
    r"|(?P<less><(?=[\s\d=<]))",
    re.DOTALL,
)
_OPEN_AT_END = re.compile(r"(?:&#\w{1,8};|<)$")
"""What may go together with what follows."""


class ReadableXml:
    """A file's XML as UTF-8, without its declaration, for a parser that reads it piece by piece."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._held = ""
        self._begins = True

    def read(self, size: int = -1) -> bytes:
        """The next piece, of any size; empty at the end. Raises the errors of reading the file."""
        while True:
            chunk = self._file.read(_CHUNK_BYTES)
            text = self._held + self._decoder.decode(chunk, final=not chunk)
            if self._begins and (text.strip("\0\ufeff \r\n\t") or not chunk):
                text = text[_DECLARATION.match(text).end() :]  # type: ignore[union-attr]  # matches anything
                self._begins = False
            place = _whole(text) if chunk else len(text)
            ready, self._held = mend(text[:place]), text[place:]
            if ready or not chunk:
                return ready.encode("utf-8", "replace")


def mend(text: str) -> str:
    """XML with its usual faults outside of CDATA and comments repaired: names of HTML's characters, ampersands and
    less-than signs that stand for themselves, and characters written as two halves of UTF-16."""
    return _FAULTS.sub(_repair, text) if "&" in text or "<" in text else text


def _repair(match: re.Match[str]) -> str:
    if match["literal"] is not None:
        return match[0]
    if match["pair"] is not None:
        high, low = (int(digits, 16) if digits[0] in "dD" else int(digits) for digits in match.groups()[2:6] if digits)
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    if match["half"] is not None:
        return "\ufffd"
    if (name := match["name"]) is not None:
        return match[0] if name in _OWN or f"{name};" not in html5 else escape(html5[f"{name};"])
    return "&amp;" if match["ampersand"] else "&lt;"


def _whole(text: str) -> int:
    """The place before what may be incomplete at a piece's end."""
    place, closed = len(text), 0
    while (begun := _BEGIN_OF_LITERAL.search(text, closed)) is not None:
        end = "]]>" if begun[0] == "<![CDATA[" else "-->"
        after = text.find(end, begun.end())
        if after < 0:
            break
        closed = after + len(end)
    if begun is not None and len(text) - begun.start() < _MAX_HELD:
        place = begun.start()
    else:
        window = max(closed, len(text) - _TAIL)
        place = min((found for found in (text.find("&", window), text.find("<", window)) if found >= 0), default=place)
    while (before := _OPEN_AT_END.search(text, max(closed, place - 12), place)) is not None:
        place = before.start()
    return place
