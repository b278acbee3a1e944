"""Finding the spans of a text that must survive its translation."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cache, lru_cache

from dragoman.translation.languages import is_in_latin
from dragoman.translation.normalizing.quotations import find_quotations
from dragoman.translation.protecting import addresses, code, figures, placeholders, symbols
from dragoman.translation.protecting.snippets import find_snippets, keep_whole


class Role(Enum):
    """What a span is in its sentence.

    NAME:   stands like a name: a placeholder, an address, code.
    NUMBER: stands like a number.
    MARK:   stands outside the grammar: an emoji, a tag.
    BREAK:  separates sentences: an arrow, a part of an ICU message.
    """

    NAME = auto()
    NUMBER = auto()
    MARK = auto()
    BREAK = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text that must survive.

    begin, end: of its characters.
    kind:       what was found, such as "url".
    partner:    where the other one of a pair of tags or marks begins.
    """

    begin: int
    end: int
    role: Role
    kind: str
    partner: int | None = None


_SIGNS = re.compile(r"[^A-Za-zÀ-ÖØ-öø-ÿ\s.,?!'\"“”„‚‘’:;()«»–—-]")
_PAIRS = re.compile(
    r"(?=[A-Z.(:;\-–—>»›])(?:(?<=[a-zäöüß])[A-Z]|[A-Z]{2}[a-z]|(?<=\w)\.\w|(?<=\w)\(|[:;][-'^o]?[)(DPpO]|:[a-z]"
    r"|(?<!\S)[-–—»›.]|(?<=\w)-(?:[A-Z]|F\d{1,2}|Entf|Del|Tab|Esc)(?!\w))"
)
"""What every span has, and few sentences have: signs other than the usual ones, or such neighbours."""


def _is_suspicious(text: str, begin: int, end: int) -> bool:
    """Whether a part of a text may have a span that begins there."""
    return bool(
        _SIGNS.search(text, begin, end) or _PAIRS.search(text, begin, end) or text[begin + 1 : begin + 2] == ")"
    )


_PATTERNS = {
    "item": symbols.ITEM,
    "mark": symbols.CHECKBOX,
    "backticks": code.BACKTICKS,
    "icu": r"\{\s*\w{1,40}\s*,\s*(?:plural|select|selectordinal)\s*,",
    "url": addresses.URL,
    "email": addresses.EMAIL,
    "call": code.CALL,
    "placeholder": placeholders.PLACEHOLDERS,
    "tag": code.TAG,
    "entity": code.ENTITY,
    "ip": addresses.IP,
    "path": addresses.PATH,
    "host": addresses.HOST,
    "file": addresses.FILE,
    "handle": addresses.HANDLE,
    "hash": addresses.TAG,
    "keys": code.SIGN_KEYS,
    "symbol": symbols.SYMBOLS,
    "code": code.CODE,
    "figure": figures.FIGURE,
    "figure_code": figures.CODE,
    "camel": code.CAMEL,
    "trademark": r"(?<!\w)[A-Z][\w-]{1,40}[™®©℠]",
    "pair": r"\*{1,3}|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)|~~|\^",
}
_AT_LETTERS = "item url email call ip path host file symbol code figure figure_code camel trademark"
_AT_DIGITS = "item email ip path host file symbol code figure figure_code"
_AT_SIGNS = {
    "`": "backticks",
    "{": "icu placeholder",
    "<": "url placeholder tag symbol figure",
    "%": "placeholder path",
    "$": "placeholder figure",
    "#": "item placeholder hash symbol",
    "@": "placeholder handle",
    "&": "entity",
    "[": "item mark placeholder tag",
    "/": "path",
    "~": "item path figure pair symbol",
    ".": "path file",
    "\\": "path code symbol",
    "-": "item mark code figure symbol",
    "+": "item mark email figure",
    ":": "placeholder symbol ip",
    "*": "item mark file symbol pair",
    "_": "item placeholder email code pair",
    "(": "item figure",
    "=": "item symbol",
    "^": "symbol pair",
}
_AT_OTHERS = "item keys symbol figure"
"""What may begin with a letter, a digit, a sign, and other characters; a word has the first two at its begin alone."""


@cache  # compiling them all takes a quarter of a second, and most texts need few or none
def _compile(kinds: str) -> re.Pattern[str]:
    wanted = kinds.split()
    return re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items() if kind in wanted))


MAX_REMEMBERED = 4096
"""Texts whose spans are remembered: more than are translated at a time."""

_ALSO_MARKS = ("symbol", "item")
"""Kinds of spans that a quotation mark may look like: an arrow between the parts of a path."""

_TRIMMED = frozenset(("url", "path", "host", "file", "handle", "hash"))
_BLOCK = re.compile(r"\{\{[#^/~]|\{%|<%|<\?|\[%")
_TAG_NAME = re.compile(r"[<\[](/?)([\w.:-]*)")
_COUNTS = re.compile(
    r"%(?:\d\$)?[-+ 0]*\d*l*[diu]$"
    r"|[{$]\W*(?:n|num\w*|count\w*|number|total|size|age|days|hours|minutes|\w*_?count|anzahl)\W*$"
)
_ARROW = re.compile(r"[>\u2190-\u21ff\u2794-\u27bf|»›·•\\~–—-]$|--$|[-=]>$|<[-=]$")
_OPENING, _CLOSING = "([{<\"'„“‚‘«", ")]}>\"'“”‘’»"


_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_LATIN_WORD = rf"(?<![\d{_LATIN}])[{_LATIN}](?:[{_LATIN}\d]|['’.&+-](?=[{_LATIN}\d]))*(?:(?<=\.[{_LATIN}])\.)?"
_ABBREVIATED = r"(?:(?<=[A-Z])|(?<=\b(?:Dr|Mr|Ms|St))|(?<=\b(?:Mrs|Rev|Gov)))"
_LATIN_NAME = re.compile(
    rf"{_LATIN_WORD}(?:(?: & |(?:{_ABBREVIATED}\.)?[ \u00a0])(?:{_LATIN_WORD}|\d{{1,4}}(?![\d.,:])))*"
)
_ROMAN = re.compile(r"X{0,3}(?:IX|IV|V?I{0,3})")  # a century, which other languages write with digits
_LATIN_LETTER = re.compile(f"[{_LATIN}]")
_OTHER_LETTER = re.compile(rf"[^\W\d_{_LATIN}\u1e00-\u1eff\u02b0-\u036f]")


def find_latin(text: str, language: str) -> list[Span]:
    """Words in Latin letters within a text of a language that is written in others: they name people, firms and
    products in a translation, too. If it is not known how the language is written, most of the text's letters say so.

    Of the 255 sentences of a Cherokee newspaper's dev set, 116 have such words; to copy them brought a model of 11,638
    sentences from 3.0 to 6.0 BLEU. Of 51,000 such words in free software's Russian, Japanese, Chinese, Greek and Korean
    messages 94 to 97 % stand in the English original as well (2026-11-29).
    """
    is_latin = is_in_latin(language)
    if is_latin or not _OTHER_LETTER.search(text):
        return []
    if is_latin is None and len(_OTHER_LETTER.findall(text)) <= len(_LATIN_LETTER.findall(text)):
        return []
    found = (match for match in _LATIN_NAME.finditer(text) if len(_LATIN_LETTER.findall(match[0])) > 1)
    return [Span(one.start(), one.end(), Role.NAME, "latin") for one in found if not _ROMAN.fullmatch(one[0])]


def with_latin(spans: Sequence[Span], latin: Sequence[Span]) -> list[Span]:
    """All spans in order, with the Latin words that lie outside of them, and those that hold them: an iPhone 15 Pro is
    one name, not a word of mixed case and a figure. Both are ascending."""
    begins = [one.begin for one in latin]

    def is_part(span: Span) -> bool:
        place = bisect_right(begins, span.begin) - 1
        if place < 0:
            return False
        around = latin[place]
        return span.end <= around.end and (span.begin, span.end) != (around.begin, around.end)

    return merge_spans([span for span in spans if not is_part(span)], latin)


def find_spans(text: str) -> list[Span]:
    """The spans of a text, in its order; they do not overlap. Takes time in proportion to the text's length."""
    found = _find_in_tokens(text) if _is_suspicious(text, 0, len(text)) else []
    if found and ("»" in text or "›" in text):
        marks = {place for one in find_quotations(text) for place in (one.begin, one.end - 1)}
        found = [span for span in found if span.end - 1 not in marks or span.kind not in _ALSO_MARKS]
    if snippets := keep_whole(list(find_snippets(text)), [(span.begin, span.end) for span in found]):
        found = merge_spans([Span(begin, end, Role.NAME, "snippet") for begin, end in snippets], found)
    return _pair(text, _join(found)) if found else []


@lru_cache(maxsize=MAX_REMEMBERED)
def remembered_spans(text: str) -> tuple[Span, ...]:
    """`find_spans` of a text that will be asked for again soon: a sentence is prepared, and its translation checked."""
    return tuple(find_spans(text))


def _find_in_tokens(text: str) -> list[Span]:
    """Spans that begin within a word with a sign that few words have."""
    found: list[Span] = []
    place = 0
    for token in _TOKEN.finditer(text):
        begin, end = token.span()
        if end <= place or not _is_suspicious(text, begin, end):
            continue
        place = max(place, begin)
        while place < end:
            place = _read_span(text, place, found)
    return found


def _join(spans: list[Span]) -> list[Span]:
    """The spans, with names and numbers that touch each other in one."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last and last.end == span.begin and {last.role, span.role} <= {Role.NAME, Role.NUMBER}:
            joined[-1] = replace(last, end=span.end)
        else:
            joined.append(span)
    return joined


def merge_spans(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """All spans in order, but those of the others that overlap the first. Both are ascending. Words of mixed case are
    no spans by themselves where they end a longer name: "Angus MacLeod", "McDonald's"."""
    merged: list[Span] = []
    place = 0
    for other in others:
        while place < len(spans) and spans[place].end <= other.begin:
            merged.append(spans[place])
            place += 1
        if place < len(spans) and spans[place].kind == "camel" and _ends(other, spans[place]):
            place += 1
        if place == len(spans) or other.end <= spans[place].begin:
            merged.append(other)
    return merged + list(spans[place:])


def _ends(name: Span, mixed: Span) -> bool:
    """Whether a name ends with a word of mixed case, or is this word with the s of a firm: "McDonald's"."""
    if name.begin == mixed.begin:
        return name.end == mixed.end + len("'s")
    return name.begin < mixed.begin and name.end == mixed.end


_UNIT = re.compile(placeholders.UNIT)
_FIGURE_CODE = re.compile(figures.CODE)
_TOKEN = re.compile(r"\S+")


def _read_span(text: str, place: int, found: list[Span]) -> int:
    """Add the span that begins at a place, if there is one. Returns where to go on."""
    first = text[place]
    if first.isalnum():
        if place > 0 and (text[place - 1].isalnum() or text[place - 1] == "_"):
            return place + 1
        kinds = _AT_DIGITS if first.isdigit() else _AT_LETTERS
    else:
        kinds = _AT_SIGNS.get(first, _AT_OTHERS)
    match = _compile(kinds).match(text, place)
    if match is None:
        return place + 1
    kind = match.lastgroup or ""
    if kind == "icu":
        parts = _read_icu(text, place)
        found += parts
        return parts[-1].end if parts else place + 1
    end = _trim(text, place, match.end()) if kind in _TRIMMED else match.end()
    if kind == "placeholder" and (unit := _UNIT.match(text, end)):
        end = unit.end()
    if kind == "figure" and end < len(text) and text[end].isalpha():
        other = _FIGURE_CODE.match(text, place)
        if other is None:  # 42nd, 1990er
            return end
        kind, end = "figure_code", other.end()
    if end > place:
        found.append(Span(place, end, _role(kind, text, place, end), kind))
    return max(end, place + 1)


def _trim(text: str, begin: int, end: int) -> int:
    """The end of an address without the punctuation behind it."""
    while end > begin:
        last = text[end - 1]
        if last in ".,;:!?'\"*_…" or (
            last in ")]}" and text.count(last, begin, end) > text.count("([{"[")]}".index(last)], begin, end)
        ):
            end -= 1
        else:
            break
    return end if any(map(str.isalnum, text[begin:end])) else begin


def _role(kind: str, text: str, begin: int, end: int) -> Role:
    """The role of what was found."""
    span = text[begin:end]
    if kind == "placeholder":
        if _BLOCK.match(span):
            return Role.MARK
        return Role.NUMBER if _COUNTS.search(span) else Role.NAME
    if kind == "figure":
        return Role.NUMBER
    if kind == "symbol":
        is_apart = (begin == 0 or text[begin - 1].isspace()) and (end == len(text) or text[end].isspace())
        return Role.BREAK if is_apart and _ARROW.match(span) else Role.MARK
    if kind == "entity":
        is_apart = (begin == 0 or text[begin - 1].isspace()) and (end == len(text) or not text[end].isalnum())
        return Role.NAME if is_apart and span != "&amp;" else Role.MARK
    if kind in ("mark", "tag", "pair"):
        return Role.MARK
    if kind == "item":
        return Role.BREAK
    return Role.NAME


def _pair(text: str, spans: list[Span]) -> list[Span]:
    """The spans, with lone tags as names where they are spoken of, and without lone marks that mean something else."""
    partners: dict[int, int] = {}
    opened: list[tuple[str, int]] = []
    for index, span in enumerate(spans):
        if span.kind not in ("tag", "pair"):
            continue
        raw = text[span.begin : span.end]
        if span.kind == "tag":
            match = _TAG_NAME.match(raw)
            is_end, name = (bool(match[1]), match[2].lower()) if match else (False, raw)
            opens, closes = not is_end and not raw.endswith("/>"), is_end
        else:
            name = raw
            opens = span.end < len(text) and not text[span.end].isspace()
            closes = span.begin > 0 and not text[span.begin - 1].isspace()
        place = next((k for k in range(len(opened) - 1, max(-1, len(opened) - 9), -1) if opened[k][0] == name), None)
        if closes and place is not None:
            partners[opened[place][1]], partners[index] = index, opened[place][1]
            del opened[place:]
        elif opens:
            opened.append((name, index))
    kept: list[Span] = []
    for index, span in enumerate(spans):
        if span.kind in ("tag", "pair") and index not in partners:
            before = text[span.begin - 1] if span.begin else " "
            after = text[span.end] if span.end < len(text) else " "
            if span.kind == "pair":
                if before.isalnum() and after.isalnum():
                    continue
            elif ((before.isspace() or before in _OPENING) and not after.isalnum() and before + after != "  ") or (
                before.isspace() and after.isspace()
            ):
                span = replace(span, role=Role.NAME)
        elif index in partners:
            span = replace(span, partner=spans[partners[index]].begin)
        kept.append(span)
    return kept


_ICU_CASE = re.compile(r"\s*(?:offset:\d+\s*)?(?:=\d+|\w{1,40})\s*\{")


def _read_icu(text: str, begin: int) -> list[Span]:
    """The parts of an ICU message that stand around its texts; empty if it is malformed."""
    spans: list[Span] = []
    place = text.index(",", text.index(",", begin) + 1) + 1
    part = begin  # where the part before the next text begins
    while case := _ICU_CASE.match(text, place):
        spans.append(Span(part, case.end(), Role.BREAK, "icu"))
        depth, place = 1, case.end()
        while place < len(text) and depth:
            character = text[place]
            depth += (character == "{") - (character == "}")
            if character == "#" and depth == 1:
                spans.append(Span(place, place + 1, Role.NUMBER, "placeholder"))
            place += 1
        if depth:
            return []
        inner = find_spans(text[case.end() : place - 1])
        taken = {span.begin for span in spans}
        spans += [_shift(span, case.end()) for span in inner if span.begin + case.end() not in taken]
        part = place - 1
    closing = re.compile(r"\}\s*\}").match(text, part)
    if not spans or closing is None:
        return []
    spans.append(Span(part, closing.end(), Role.BREAK, "icu"))
    return sorted(spans, key=lambda span: span.begin)


def _shift(span: Span, distance: int) -> Span:
    partner = None if span.partner is None else span.partner + distance
    return replace(span, begin=span.begin + distance, end=span.end + distance, partner=partner)
