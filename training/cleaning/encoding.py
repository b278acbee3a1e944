"""Text decoded by the wrong table ("Ã¼" for "ü"), found and repaired by ftfy, from the extra `clean`."""

import re
from collections.abc import Callable, Sequence

from dragoman.model.errors import DragomanError
from dragoman.training.cleaning.filters import BROKEN_CHARACTER, SideFilter
from dragoman.training.cleaning.pairs import Pair

_TWO_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]{2}")
_ANY_BYTES = "sloppy-windows-1252"
"""ftfy's name of Windows-1252 as in browsers, where each byte is a character."""


def _load_mender() -> Callable[[str], str]:
    try:
        from ftfy import fix_encoding
        from ftfy.badness import is_bad
    except ImportError as error:
        raise DragomanError(
            "finding wrongly decoded text needs the package ftfy: pip install 'dragoman[clean]', or --off mojibake"
        ) from error

    def mend(text: str) -> str:
        # Such a character has two or more consecutive non-ASCII bytes in UTF-8, and as many characters when misread.
        if text.isascii() or not _TWO_BEYOND_ASCII.search(text) or not is_bad(text):
            return text
        return fix_encoding(text)

    return mend


class Mojibake(SideFilter):
    """Rejects only text that ftfy can also repair, so that rare but correct sequences of characters stay."""

    name = "mojibake"
    meaning = 'text decoded by the wrong table, such as "Ã¼" for "ü"'

    def __init__(self) -> None:
        """Raises DragomanError if ftfy is not installed."""
        self._mend = _load_mender()

    def find_side_fault(self, text: str, words: Sequence[str]) -> str | None:
        mended = self._mend(text)
        if mended == text:
            return None
        return f"looks as if it was {mended[:60]!r}"


class Repairer:
    """Repairs encodings instead of rejecting the pair: reads lines that are not UTF-8 as Windows-1252, decodes wrongly
    decoded text again, and removes control characters."""

    meaning = "mended: lines that are no UTF-8, text decoded by the wrong table, control characters"

    def __init__(self) -> None:
        """Raises DragomanError if ftfy is not installed."""
        self._mend = _load_mender()

    def repair(self, pair: Pair) -> None:
        """Repairs a pair, if possible, and keeps its old text in `original`."""
        source, target = pair.source, pair.target
        if pair.undecodable:
            source, target = map(_decode_anyhow, pair.undecodable)
            pair.undecodable = None
        source, target = self._repair_text(source), self._repair_text(target)
        if (source, target) != (pair.source, pair.target):
            pair.original = (pair.source, pair.target)
            pair.set_text(source, target)

    def _repair_text(self, text: str) -> str:
        if text.isascii() and text.isprintable():
            return text
        text = self._mend(text)
        return BROKEN_CHARACTER.sub(lambda found: found[0] if found[0] == "\ufffd" else "", text)


def _decode_anyhow(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode(_ANY_BYTES)
