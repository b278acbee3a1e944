"""Figures in the target language's notation, where their meaning is certain: 1,234.5 becomes 1.234,5; 3:30 p.m. becomes
15:30 Uhr. Versions, addresses, telephone numbers, years and dates that may be read in two ways stay."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from dragoman.translation.languages import primary_subtag
from dragoman.translation.protecting.spans import remembered_spans

_NO_BREAK, _NARROW = "\u00a0", "\u202f"
_ISO = "{y}-{m:02}-{d:02}"


@dataclass(frozen=True, slots=True)
class _Notation:
    """How a language writes figures (Unicode CLDR). date: with numbers alone; ISO 8601 where readers disagree. clock: a
    time of 24 hours; empty where twelve are usual."""

    decimal: str
    group: str
    date: str
    clock: str


_POINT = _Notation(".", ",", _ISO, "")
_POINT_24 = _Notation(".", ",", _ISO, "{h}:{m:02}")
_DOTS = _Notation(",", ".", "{d}.{m}.{y}", "{h}:{m:02}")
_SLASHES = _Notation(",", ".", "{d:02}/{m:02}/{y}", "{h}:{m:02}")
_SPACES = _Notation(",", _NO_BREAK, "{d}.{m}.{y}", "{h}:{m:02}")

_NOTATIONS = {
    "en": _POINT,
    **dict.fromkeys(("ja", "ko", "th", "zh", "he"), _POINT_24),
    "de": _Notation(",", ".", "{d}.{m}.{y}", "{h}:{m:02} Uhr"),
    **dict.fromkeys(("hr", "is", "mk", "ro", "sl", "sr", "tr"), _DOTS),
    "da": _Notation(",", ".", "{d}.{m}.{y}", "{h}.{m:02}"),
    **dict.fromkeys(("ca", "el", "es", "gl", "id", "it", "pt", "vi"), _SLASHES),
    "nl": _Notation(",", ".", "{d:02}-{m:02}-{y}", "{h}:{m:02}"),
    "fr": _Notation(",", _NARROW, "{d:02}/{m:02}/{y}", "{h}:{m:02}"),
    **dict.fromkeys(("be", "bg", "cs", "et", "lt", "lv", "nb", "nn", "no", "pl", "ru", "sk", "uk"), _SPACES),
    "hu": _Notation(",", _NO_BREAK, _ISO, "{h}:{m:02}"),
    "fi": _Notation(",", _NO_BREAK, "{d}.{m}.{y}", "{h}.{m:02}"),
    "sv": _Notation(",", _NO_BREAK, _ISO, "{h}:{m:02}"),
}

_DAY_FIRST = re.compile(r"\{d(:02)?\}\W")

_NUMBER = re.compile(r"\d(?:[\d.,'’ \u00a0\u202f]*\d)?")
_DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
_TIME = re.compile(
    r"(?:(\d{1,2})(?:[:.](\d\d))?(?:\s?([ap])\.?m\.?)?(\s?[-–]\s?))?(\d{1,2})(?:[:.](\d\d))?\s?([ap])\.?m\.?"
)
_LEFT = re.compile(r"[(§+]\s?[\d(].*[ \-/(]|0\d+[ \-/]|00\d|v\d")
"""Telephone numbers, paragraphs and versions."""

_NAMING = """
android appendix article bluetooth call chapter chrome chromium clause debian directive edition equation exercise fax
fedora fig fig. figure firefox gcc gpl http https illustration ios java kernel lesson lgpl level linux macos model no.
node openssl page pages paragraph perl phone php point postgres postgresql python question release revision room rule
ruby rust schedule section sections sect. ssl step table task tel. telephone tls ubuntu unit update usb v. ver. version
versions verse windows
abb. abbildung abs. absatz abschnitt anhang art. artikel aufgabe aufgaben bild kap. kapitel nr. nummer punkt s. seite
seiten stufe tab. tabelle telefon zeile ziffer
"""
_NAMED = frozenset(_NAMING.split())
"""Words that name what follows them, as a version or a section."""

_AT_BEGINNINGS = """
a about above after almost an and approximately are around as at before below beneath between but by exactly for from he
i if in is it just less more most my nearly no of on only or our over roughly she some than that the these they this
those to under until up was we were with you your
"""
_NOT_NAMING = frozenset(_AT_BEGINNINGS.split())
"""Words in capitals at the beginning of a sentence that are no names."""

_HOURS = frozenset(("at", "by", "from", "since", "till", "until"))
_WORD_BEFORE = re.compile(r"([^\W\d_]+\.?)[\s(]$")
_LIST_BETWEEN = re.compile(r"\s*(?:,|[-–/]|,?\s(?:and|or|to|through|und|oder|bis))\s*")
_NAMED_AFTER = re.compile(r"(?:\s+(?:edition|release|series|update|version|kernel)\b|-?(?:alpha|beta|dev|pre|rc)\b)")
_HEADING = re.compile(r"\d{1,2}\.\d{1,2}\s+[^\W\d_a-z]")


@dataclass(frozen=True, slots=True)
class Localization:
    """A `translation.drafts.Change` whose undoing writes figures that were kept as they are in the target's notation.

    conversions: figures as the source writes them, and in the target's notation; never empty.
    """

    conversions: tuple[tuple[str, str], ...]

    def concerns(self, source: str) -> bool:
        """Whether a sentence has any of the figures."""
        return any(figure in source for figure, _ in self.conversions)

    def undo(self, target: str) -> str:
        """The text with its figures converted."""
        return _replace(target, dict(self.conversions))

    def convert_gap(self, gap: str) -> str:
        """A text that was not translated, with its figures converted; as it is if it has other words."""
        rest = gap
        for figure, _ in self.conversions:
            rest = rest.replace(figure, "")
        return gap if any(map(str.isalpha, rest)) else self.undo(gap)


def find_localization(text: str, source_language: str, target_language: str) -> Localization | None:
    """The figures of a text that are written in another way in the target language; None if there are none. A figure
    that has two meanings in the text stays."""
    source, target = (_NOTATIONS.get(primary_subtag(tag)) for tag in (source_language, target_language))
    if source is None or target is None or source == target:
        return None
    found: dict[str, str] = {}
    left: set[str] = set()
    for figure, converted in _read(text, source, target):
        if converted is None:
            left.add(figure)
        elif converted != figure:
            found[figure] = converted
    conversions = tuple((figure, converted) for figure, converted in found.items() if figure not in left)
    return Localization(conversions) if conversions else None


def localize_figures(text: str, source_language: str, target_language: str) -> str:
    """A text of the source language with its figures in the target's notation. Numbers come back when the languages
    are exchanged."""
    localization = find_localization(text, source_language, target_language)
    return text if localization is None else localization.undo(text)


def _read(text: str, source: _Notation, target: _Notation) -> Iterator[tuple[str, str | None]]:
    """The figures of a text with their conversions; None for one that stays."""
    last_left = -1  # where the last figure that stays ends
    for span in remembered_spans(text):
        figure = text[span.begin : span.end]
        is_figure = span.kind == "figure" or (span.kind == "ip" and _is_no_address(figure))
        if not is_figure or _LEFT.match(figure):
            continue
        before, after = text[: span.begin], text[span.end :]
        if (moment := _convert_date(figure, source, target) or _convert_time(figure, source, target)) is not None:
            yield figure, moment
            continue
        follows_left = last_left >= 0 and _LIST_BETWEEN.fullmatch(text[last_left : span.begin]) is not None
        if follows_left or _is_name(before, figure, after, source):
            last_left = span.end
            yield figure, None
            continue
        yield figure, _convert_numbers(figure, source, target)


def _is_no_address(address: str) -> bool:
    """Whether four numbers with points between cannot be an IP address: 2.000.000.000."""
    return re.fullmatch(r"[\d.]+", address) is not None and any(
        int(part) > 255 or (len(part) > 1 and part.startswith("0")) for part in address.split(".")
    )


def _is_name(before: str, figure: str, after: str, source: _Notation) -> bool:
    """Whether a figure is rather a version, a section or an hour than a number."""
    word = found[1] if (found := _WORD_BEFORE.search(before)) else ""
    if word.lower() in _NAMED or after.startswith(("\\", "_")):
        return True
    if source.decimal != "." or re.fullmatch(r"\d{1,4}\.\d{1,4}", figure) is None:
        return False
    if not before.strip() and _HEADING.match(figure + after):
        return True
    is_hour = word.lower() in _HOURS and re.fullmatch(r"[012]?\d\.[0-5]\d", figure) is not None
    is_titled = word[:1].isupper() and word.lower() not in _NOT_NAMING and not _is_measure(after)
    return is_hour or is_titled or _NAMED_AFTER.match(after) is not None


def _is_measure(after: str) -> bool:
    """Whether what follows a figure counts something: "Sales: Million 3.5" does not, "Net 3.5 million" does."""
    return (
        re.match(r"\s?(?:%|million|billion|trillion|thousand|percent|per cent|dollars|euros?|pounds)", after)
        is not None
    )


def _convert_numbers(figure: str, source: _Notation, target: _Notation) -> str | None:
    parts: list[str] = []
    end = 0
    for match in _NUMBER.finditer(figure):
        converted = _convert_number(match.group(), source, target)
        if converted is None:
            return None
        parts += figure[end : match.start()], converted
        end = match.end()
    return "".join((*parts, figure[end:]))


def _convert_number(number: str, source: _Notation, target: _Notation) -> str | None:
    """A number in the target's notation; None if it is none in the source's."""
    if number.isdigit():
        return number
    whole, mark, fraction = number.partition(source.decimal)
    if mark and not fraction.isdigit():
        return None
    head, *groups = re.split(r"[^\d]", whole)
    marks = set(re.findall(r"[^\d]", whole))
    if not groups:
        is_plain = head == "0" or not head.startswith("0")
        return f"{whole}{target.decimal}{fraction}" if is_plain and head else None
    # Without a mark of its own, a row of digits between spaces may be a telephone number.
    may_be_spaced = source.group.isspace() and (bool(mark) or len(head) < 3)
    allowed = {source.group, _NO_BREAK, _NARROW, "'", "’"} | ({" "} if may_be_spaced else set())
    is_grouped = not head.startswith("0") and 1 <= len(head) <= 3 and all(len(group) == 3 for group in groups)
    if len(marks) > 1 or not marks <= allowed or not is_grouped:
        return None
    return target.group.join((head, *groups)) + (target.decimal + fraction if mark else "")


def _convert_date(figure: str, source: _Notation, target: _Notation) -> str | None:
    match = _DATE.fullmatch(figure)
    if match is None:
        return None
    first, mark, second, year = int(match[1]), match[2], int(match[3]), int(match[4])
    is_day_first = _DAY_FIRST.match(source.date) is not None and mark in source.date
    readings = [(first, second)] if is_day_first else [(first, second), (second, first)]
    days = {found for day, month in readings if (found := _day(year, month, day)) is not None}
    if len(days) != 1:
        return figure
    (day,) = days
    return target.date.format(y=f"{day.year:04}", m=day.month, d=day.day)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _convert_time(figure: str, source: _Notation, target: _Notation) -> str | None:
    match = _TIME.fullmatch(figure)
    if match is None:
        return None
    if source.clock or not target.clock:
        return figure
    end = _minutes(match[5], match[6], match[7])
    if end is None:
        return figure
    clock = target.clock
    last = clock.format(h=end // 60, m=end % 60)
    if match[1] is None:
        return last
    halves = [match[3]] if match[3] else [match[7], "a" if match[7] == "p" else "p"]
    begins = [begin for half in halves if (begin := _minutes(match[1], match[2], half)) is not None]
    begin = next((one for one in begins if one < end), None)
    if begin is None:
        return figure
    return clock.removesuffix(" Uhr").format(h=begin // 60, m=begin % 60) + match[4] + last


def _minutes(hour: str, minute: str | None, half: str) -> int | None:
    """Minutes since midnight of a time of twelve hours; None if there is no such time."""
    if not 1 <= int(hour) <= 12 or int(minute or 0) > 59:
        return None
    return (int(hour) % 12 + (12 if half == "p" else 0)) * 60 + int(minute or 0)


def _replace(text: str, conversions: dict[str, str]) -> str:
    """The text with other figures. The point of "p.m." at the end of a sentence ends the sentence, too."""
    choices = "|".join(map(re.escape, sorted(conversions, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w])(?<!\d[.,:])(?P<figure>{choices})(?P<clock>\s?Uhr\b)?(?![\w]|[.,:]\d)")

    def convert(match: re.Match[str]) -> str:
        figure = match["figure"]
        converted = conversions[figure]
        clock = "" if converted.endswith("Uhr") else match["clock"] or ""
        is_end = figure.endswith(".") and not converted.endswith(".") and not text[match.end() :].strip("\"'”“’»«)] \n")
        return converted + clock + ("." if is_end else "")

    return pattern.sub(convert, text)
