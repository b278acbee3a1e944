"""What a paragraph consists of, in every format."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Style:
    """A look of text. key: equal for looks that a reader cannot tell apart. node: the format's own."""

    key: str
    node: Any = None


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one look."""

    text: str
    style: Style


class Kind(Enum):
    """What an object means for the text around it.

    POINT:  nothing; it stays beside the word that it touches.
    FIRST, LAST: the begin and the end of a range, such as a comment's.
    KEPT:   it shows words that are not translated.
    BREAK:  a line break. One before a small letter is taken to be within a sentence.
    BORDER: no sentence crosses it.
    """

    POINT = auto()
    FIRST = auto()
    LAST = auto()
    KEPT = auto()
    BREAK = auto()
    BORDER = auto()


@dataclass(frozen=True, slots=True)
class Thing:
    """An object in a paragraph. shown: the words of a KEPT one. pair: equal for the two ends of a range."""

    node: Any
    kind: Kind = Kind.POINT
    shown: str = ""
    pair: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    """The begin of an element that holds text, such as a link."""

    node: Any


@dataclass(frozen=True, slots=True)
class Close:
    """The end of the element that was begun last. node: the same as of its `Open`."""

    node: Any


PAGE, NUM_PAGES = "3", "12"
"""What the number of a page and that of all pages show while their text is translated: unlike as they are kept in the
document, where both may be missing or 1, they can be found again in "Seite 3 von 12"."""

Item: TypeAlias = Run | Thing | Open | Close
