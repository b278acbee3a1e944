"""Text that was decoded by the wrong table ("Ã¼" for "ü"), found and mended by ftfy, which the extra `clean` brings."""

import re
from collections.abc import Callable, Sequence

from dragoman.model.errors import DragomanError
from dragoman.training.cleaning.filters import BROKEN_CHARACTER, SideFilter
from dragoman.training.cleaning.pairs import Pair

_TWO_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]{2}")
_ANY_BYTES = "sloppy-windows-1252"
"""ftfy's name of Windows-1252 as browsers read it: each byte is a character."""


def _load_mender() -> Callable[[str], str]:
    try:
        from ftfy import fix_encoding
        from ftfy.badness import is_bad
    except ImportError as error:
        raise DragomanError(
            "finding wrongly decoded text needs the package ftfy: pip install 'dragoman[clean]', or --off mojibake"
        ) from error

    def mend(text: str) -> str:
        # UTF-8 has two or more bytes beyond ASCII on end for such a character, and so has what was made of them.
        if text.isascii() or not _TWO_BEYOND_ASCII.search(text) or not is_bad(text):
            return text
        return fix_encoding(text)

    return mend


class Mojibake(SideFilter):
    """Rejects only what ftfy can also mend, so that rare but right sequences of characters stay."""

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
    """Mends encodings in place of rejecting the pair: lines that are no UTF-8 are read as Windows-1252, wrongly decoded
    text is decoded rightly, and control characters are taken out."""

    meaning = "mended: lines that are no UTF-8, text decoded by the wrong table, control characters"

    def __init__(self) -> None:
        """Raises DragomanError if ftfy is not installed."""
        self._mend = _load_mender()

    def repair(self, pair: Pair) -> None:
        """Changes a pair that can be mended, and keeps what it was in `original`."""
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
