"""Figures compared by value, in every notation: "1,234.50" is "1.234,50", "3" is "three", "1,000,000" "1 Million".

Which of point and comma is the decimal mark is not asked, since a translation may keep the source's notation. In doubt
two figures are equal: a warning that is often wrong is not read.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dragoman.translation.languages import primary_subtag
from dragoman.translation.markup.alignment import Span

_DIGIT = re.compile(r"\d")
_FIGURE = re.compile(r"\d+(?:[.,'’\u00a0\u202f]\d+)*(?:(?<!\d) \d{3}(?!\d))*")
_MARK = re.compile(r"[^\d]")
_CLOCK = re.compile(
    r"\b(?:[ap]\.?m\b|o'clock|o’clock|uhr\b|noon|midnight|mittag|mitternacht|half|halb|quarter|viertel|dreiviertel)"
    r"|\d:\d",
    re.IGNORECASE,
)
_MIXED_CLOCK = re.compile(r"\b(?:1[3-9]|2[0-4])[:.]\d\d\s?[ap]\.?m\b", re.IGNORECASE)
"""A time on a clock of 24 hours and on one of twelve, which is none."""

_FRACTION_OF_HOUR = re.compile(r"\b(?:half|halb|quarter|viertel|dreiviertel)", re.IGNORECASE)
_MAGNITUDE = re.compile(
    r"(?:\d|\b)(?:k|m|mn|mio|mrd|bn)\b|thousand|tausend|million|milli|billion|trillion|hundred|hundert|\bmil\b|mille",
    re.IGNORECASE,
)

_ENGLISH = """
0 zero,no,nil,none 1 one,once,first,single,a,an 2 two,twi,second,both,double,pair,couple,half 3 thr,third,trip
4 four,quart,fort 5 fi 6 six 7 seven 8 eigh 9 nin 10 ten,decade 11 eleven 12 twel,dozen,noon,midnight 13
thirteen 14 fourteen,fortnight 15 fifteen,quarter 16 sixteen 17 seventeen 18 eighteen 19 nineteen 20 twent 30
thirt,half 40 fort 50 fift 60 sixt 70 sevent 80 eight 90 ninet 100 hundred,centur,percent 1000 thousand,millen
1000000 million 1000000000 billion
"""
_GERMAN = """0 null,kein 1 ein,erst 2 zwei,zwo,beid,doppel,paar,halb 3 drei,dritt 4 vier 5 fünf 6 sech 7 sieb 8 acht
9 neun 10 zehn 11 elf 12 zwölf,dutzend,mittag,mitternacht 13 dreizehn 14 vierzehn 15 fünfzehn,viertel 16 sechzehn
17 siebzehn 18 achtzehn 19 neunzehn 20 zwanzig 30 dreißig,dreissig,halb 40 vierzig 50 fünfzig 60 sechzig 70 siebzig
80 achtzig 90 neunzig 100 hundert,prozent 1000 tausend 1000000 million 1000000000 milliard"""


def _read_words(table: str) -> dict[int, tuple[str, ...]]:
    words = table.split()
    return {int(value): tuple(stems.split(",")) for value, stems in zip(words[::2], words[1::2], strict=True)}


_NUMBER_WORDS = {"en": _read_words(_ENGLISH), "de": _read_words(_GERMAN)}
"""By language: the beginnings of the words that stand for a number."""

MAX_SPELLED_DIGITS = 12
"""Figures with more digits are not written in words."""

MIN_REGROUPED = 5
"""Digits of a number that may be grouped in another way."""

_COMPOUNDING = frozenset(("de",))
"""Languages that write "five-and-twenty" as one word."""


@dataclass(slots=True)
class _Figure:
    """A figure of a text. values: what it may mean, in decimal notation. parts: the numbers between its marks. is_part:
    whether it is one of these numbers itself, of a figure that is no number."""

    span: Span
    values: tuple[str, ...]
    parts: tuple[str, ...]
    is_part: bool = False


def differing_figures(
    source: str, target: str, source_language: str, target_language: str
) -> tuple[list[Span], list[Span]]:
    """The figures of the source that the target lacks, and those of the target that the source lacks."""
    has_digits = _DIGIT.search(source) is not None
    if not has_digits and _DIGIT.search(target) is None:
        return [], []
    if (mixed := _MIXED_CLOCK.search(target)) is not None and _MIXED_CLOCK.search(source) is None:
        return [], [mixed.span()]
    if has_digits and _FIGURE.findall(source) == _FIGURE.findall(target):
        return [], []
    missing, extra = _read_figures(source), _read_figures(target)
    _match(missing, extra, _values_of)
    if missing and extra:
        _match_parts(missing, extra)
        _match_parts(extra, missing)
    if missing and extra and _is_regrouped(source, target, missing + extra):
        return [], []
    if missing and extra and (_MAGNITUDE.search(source) or _MAGNITUDE.search(target)):
        _match(missing, extra, _significand)
    is_time = bool(missing or extra) and any(map(_CLOCK.search, (source, target)))
    if is_time:
        _match(missing, extra, _hour)
    if missing and extra:
        _match(missing, extra, _decade)
    return (
        [one.span for one in missing if not _is_spelled(one, target, target_language, is_time)],
        [one.span for one in extra if not _is_spelled(one, source, source_language, is_time)],
    )


def _read_figures(text: str) -> list[_Figure]:
    figures: list[_Figure] = []
    for match in _FIGURE.finditer(text):
        token = match.group()
        parts = tuple(map(_plain, _MARK.split(token)))
        values = _values(token)
        if values:
            figures.append(_Figure(match.span(), values, parts))
        else:  # a date, an address, a version
            begin = match.start()
            for part in re.finditer(r"\d+", token):
                plain = _plain(part.group())
                figures.append(_Figure((begin + part.start(), begin + part.end()), (plain,), (plain,), True))
    return figures


def _plain(digits: str) -> str:
    """Digits of any script as ASCII, without leading zeros."""
    if not digits.isascii():
        digits = "".join(str(int(digit)) for digit in digits)
    return digits.lstrip("0") or "0"


def _values(token: str) -> tuple[str, ...]:
    """The numbers that a token may be, the likelier first; none if it is not one number."""
    marks = _MARK.findall(token)
    groups = _MARK.split(token)
    if not marks:
        return (_plain(token),)
    *whole, last = groups
    are_thousands = all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3 and groups[0] != "0"
    if len(set(marks)) == 1 and (len(marks) > 1 or marks[0] not in ".,"):
        return (_plain("".join(groups)),) if are_thousands else ()
    if len(marks) == 1:
        decimal = _decimal(whole[0], last)
        return (_plain("".join(groups)), decimal) if are_thousands else (decimal,)
    is_decimal = len(set(marks[:-1])) == 1 and marks[-1] in ".," and all(len(group) == 3 for group in whole[1:])
    return (_decimal("".join(whole), last),) if is_decimal else ()


def _decimal(whole: str, fraction: str) -> str:
    kept = _plain("1" + fraction)[1:].rstrip("0")
    return f"{_plain(whole)}.{kept}" if kept else _plain(whole)


def _match(missing: list[_Figure], extra: list[_Figure], meanings: Callable[[_Figure], Collection[str]]) -> None:
    """Removes pairs of figures with a common meaning from both lists."""
    for one in list(missing):
        wanted = set(meanings(one))
        for other in extra:
            if not wanted.isdisjoint(meanings(other)):
                missing.remove(one)
                extra.remove(other)
                break


def _match_parts(whole: list[_Figure], parts: list[_Figure]) -> None:
    """Removes from `whole` the figures whose parts are all in `parts`, and these: "14.30" and "14:30". A number with
    groups and a fraction is one number: "1,250.50" is not "1.250.50"."""
    for one in [one for one in whole if len(one.parts) > 1]:
        found: list[_Figure] = []
        for part in one.parts:
            found += [other for other in parts if other not in found and part in other.values][:1]
        is_number = len(found) == 2 or not all(other.is_part for other in found)
        if len(found) == len(one.parts) and is_number:
            whole.remove(one)
            for other in found:
                parts.remove(other)


def _values_of(figure: _Figure) -> Collection[str]:
    return figure.values


def _significand(figure: _Figure) -> Collection[str]:
    """The digits without the power of ten: those of "1.5 million" and "1,500,000"."""
    return [value.replace(".", "").strip("0") for value in figure.values]


def _hour(figure: _Figure) -> Collection[str]:
    """The hour on a clock of twelve hours, with minutes or without: "7.30" is "19.30"."""
    found = []
    for value in figure.values:
        whole, mark, rest = value.partition(".")
        found.append(f"{int(whole) % 12}{mark}{rest}" if len(whole) <= 2 else value)
    return found


def _decade(figure: _Figure) -> Collection[str]:
    """The last two digits of a year: "1990s" are "90er"."""
    return [value[-2:] if len(value) == 4 and value[0] in "12" else value for value in figure.values]


def _is_regrouped(source: str, target: str, differing: Sequence[_Figure]) -> bool:
    """Whether long numbers have the same digits in other groups, such as those of a telephone number."""
    digits = "".join(_DIGIT.findall(source))
    are_plain = all(len(figure.parts) == 1 for figure in differing)
    return are_plain and len(digits) >= MIN_REGROUPED and digits == "".join(_DIGIT.findall(target))


def _is_spelled(figure: _Figure, text: str, language: str, is_time: bool) -> bool:
    """Whether a text may have the figure in words. In a language without a list of number words, whatever one would
    write in words may stand there. is_time: whether a time of day is mentioned."""
    value = figure.values[0]
    if is_time and (value == "0" or _is_part_of_hour(figure, text)):
        return True
    if not value.isdigit() or len(value) > MAX_SPELLED_DIGITS:
        return False
    number = int(value)
    language = primary_subtag(language)
    words = _NUMBER_WORDS.get(language)
    if words is None:
        return number <= 100 or len(value.rstrip("0")) == 1
    text = text.lower()
    start = "" if language in _COMPOUNDING else r"\b"
    spellings = _spellings(number)
    if is_time and 12 < number <= 24:
        spellings.append([number - 12])
    return any(all(re.search(start + f"(?:{'|'.join(words[part])})", text) for part in parts) for parts in spellings)


def _is_part_of_hour(figure: _Figure, text: str) -> bool:
    """Whether "half past three" or "halb vier" may stand for it."""
    return all(int(part) < 60 for part in figure.parts) and _FRACTION_OF_HOUR.search(text) is not None


def _spellings(number: int) -> list[list[int]]:
    """The numbers whose words make up a number's."""
    found = [_components(number)]
    if 1100 <= number < 2100 and number % 1000 >= 100:  # nineteen ninety-nine
        found.append([*_components(number // 100), *(_components(number % 100) if number % 100 else ())])
    return found


def _components(number: int) -> list[int]:
    if number <= 20:
        return [number]
    for power in (10**9, 10**6, 1000, 100):
        if number >= power:
            rest = number % power
            count = number // power
            return [*(_components(count) if count > 1 else ()), power, *(_components(rest) if rest else ())]
    tens, unit = number // 10 * 10, number % 10
    return [tens, unit] if unit else [tens]
