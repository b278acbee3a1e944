"""From HTML to tags and text, losing nothing: the tokens' raw texts, one behind the other, are the document again.

The rules are those of the HTML standard's tokenizer (WHATWG, 13.2.5), as far as they say where a token ends. Python's
html.parser takes quadratic time on unterminated comments and raises AssertionError on "<![x" in versions that are still
in use, and parsers that build a tree, such as lxml's, mend what is malformed, so that it could not be given back as it
was. Here every character is looked at a bounded number of times.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

VOID_ELEMENTS = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
"""Elements without content or end tag."""

_RAW_ELEMENTS = frozenset(("iframe", "noembed", "noframes", "plaintext", "script", "style", "xmp"))
"""Elements in which nothing is a tag but their end, and "&" is no entity."""

_TEXT_ELEMENTS = frozenset(("textarea", "title"))
"""Elements in which nothing is a tag but their end, and entities are."""

_MARKUP = re.compile(r"<(?=[A-Za-z!?/])")
_TAG = re.compile(
    r"""<(/?)([A-Za-z][^\t\n\f\r />]*)
    (?>[^>=] | =[\t\n\f\r ]*(?:"[^"]*" | '[^']*' | (?!["'])[^\t\n\f\r >]*))*+  # quotes hide a ">" in values alone
    >""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"<!--(?:-?>|.*?--!?>)", re.DOTALL)
_BOGUS_COMMENT = re.compile(r"<(?:[!?]|/(?![A-Za-z]))[^>]*>")
_ATTRIBUTE = re.compile(r"""([^\s=/>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?""")


_CDATA = re.compile(r"<!\[CDATA\[.*?\]\]>", re.DOTALL)
_FOREIGN_ELEMENTS = frozenset(("math", "svg"))
"""Elements whose content follows the rules of XML: "<title/>" has no content, and there are sections of CDATA."""


class Kind(Enum):
    """What a token is. RAW is the content of a script and its like, or what no browser would show as text."""

    TEXT = auto()
    START = auto()
    END = auto()
    COMMENT = auto()
    RAW = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """raw: as it stands in the document. name: a tag's, in small letters; else empty."""

    kind: Kind
    raw: str
    name: str = ""

    @property
    def is_void(self) -> bool:
        """Whether it is a start tag that needs no end: by its name, or because it says so ("<x/>")."""
        return self.kind is Kind.START and (self.name in VOID_ELEMENTS or self.raw.endswith("/>"))

    @property
    def is_kept(self) -> bool:
        """Whether it is a start tag with translate="no" or class="notranslate"."""
        if self.kind is not Kind.START or "translate" not in self.raw.lower():
            return False
        # From behind the tag's name on; of two attributes of the same name the first holds.
        attributes: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(self.raw, len(self.name) + 1):
            attributes.setdefault(name.lower(), double or single or bare)
        return attributes.get("translate", "").lower() == "no" or "notranslate" in attributes.get("class", "").split()


def tokenize(html: str) -> Iterator[Token]:
    """The tokens of a document or a part of one, however malformed."""
    place = num_foreign = 0
    while place < len(html):
        markup = _MARKUP.search(html, place)
        begin = markup.start() if markup else len(html)
        if begin > place:
            yield Token(Kind.TEXT, html[place:begin])
        if markup is None:
            return
        token = _read_markup(html, begin, is_foreign=num_foreign > 0)
        yield token
        place = begin + len(token.raw)
        is_empty = num_foreign > 0 and token.is_void
        num_foreign = max(0, num_foreign + _foreign_step(token))
        if token.kind is Kind.START and token.name in _RAW_ELEMENTS | _TEXT_ELEMENTS and not is_empty:
            kind = Kind.RAW if token.name in _RAW_ELEMENTS else Kind.TEXT
            end = re.compile(rf"</{token.name}(?=[\t\n\f\r />])", re.IGNORECASE).search(html, place)
            content = html[place : end.start() if end else len(html)]
            if content:
                yield Token(kind, content)
            place += len(content)


def find_foreign(tokens: Iterable[Token]) -> Iterator[bool]:
    """For each token whether it is inside of an svg or math element; their own tags are not."""
    num_foreign = 0
    for token in tokens:
        after = max(0, num_foreign + _foreign_step(token))
        yield min(num_foreign, after) > 0
        num_foreign = after


def _foreign_step(token: Token) -> int:
    """How a token changes the number of open elements of XML."""
    if token.name not in _FOREIGN_ELEMENTS or token.is_void:
        return 0
    return 1 if token.kind is Kind.START else -1


def _read_markup(html: str, begin: int, *, is_foreign: bool) -> Token:
    """The token at `begin`; what has no end there goes to the end of the document, where a browser drops it, too."""
    if is_foreign and (section := _CDATA.match(html, begin)):
        return Token(Kind.RAW, section[0])
    tag = _TAG.match(html, begin)
    if tag:
        return Token(Kind.END if tag[1] else Kind.START, tag[0], tag[2].lower())
    comment = (_COMMENT if html.startswith("<!--", begin) else _BOGUS_COMMENT).match(html, begin)
    return Token(Kind.COMMENT, comment[0]) if comment else Token(Kind.RAW, html[begin:])
