"""Keys of menus and buttons, marked before their letter: "_Open" of GTK, "E&xit" of Qt and Windows, "~Edit"."""

import re
from dataclasses import dataclass

MAX_CHARACTERS = 60
"""Of a text that may have one; a longer one is no label."""

_MARK = re.compile(
    r"(?<!\w)(?!&\w+;)[_&~](?=[^\W\d_]) | (?<=[^\W\d_])(?!&\w+;)[&~](?=[a-z]) | (?<![\w])[A-Z]_(?=[a-z])", re.VERBOSE
)
_SIGN = re.compile(r"[_&~]")


@dataclass(frozen=True, slots=True)
class Mnemonic:
    """A mark, and the letter behind it."""

    mark: str
    letter: str

    def restore(self, text: str) -> str:
        """The mark before the same letter, at the begin of a word if possible, else before the first letter; in a text
        without Latin letters the key follows in brackets."""
        letter = re.escape(self.letter)
        for pattern in (rf"(?<!\w)(?={letter})", rf"(?={letter})"):
            if found := re.search(pattern, text, re.IGNORECASE):
                return f"{text[: found.start()]}{self.mark}{text[found.start() :]}"
        first = re.search(r"[^\W\d_]", text)
        if first is None:
            return text
        if self.letter.isascii() and not re.search("[A-Za-z\u00c0-\u024f]", text):
            end = len(text.rstrip(" .:…"))
            return f"{text[:end]}({self.mark}{self.letter.upper()}){text[end:]}"
        return f"{text[: first.start()]}{self.mark}{text[first.start() :]}"


def take_mnemonic(text: str) -> tuple[str, Mnemonic | None]:
    """The text without its mark, if there is exactly one sign that can be one and it is where marks are."""
    if len(text) > MAX_CHARACTERS or len(_SIGN.findall(text)) != 1 or not (match := _MARK.search(text)):
        return text, None
    place = match.end() - 1
    return text[:place] + text[place + 1 :], Mnemonic(text[place], text[place + 1])
