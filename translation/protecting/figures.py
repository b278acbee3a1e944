"""Patterns of figures: numbers, amounts, dates, times, measures, codes; and finding a figure in a translation."""

import re
from functools import lru_cache

_UNIT = (
    r"(?:km/h|m/s|l/100\s?km|kg/m³|[KMG]B/s|[kcmdµn]?m[²³23]?|[kcmµ]?[gl]|dl|hl|ml|[kMGT]i?B|[kMGT]bit|[kM]bps|[kMG]?Hz|[kMG]?Wh?|m?A|mAh|k?V|k?J|kcal|hPa|[km]?Pa|bar"
    r"|°\s?[CFK]?|℃|mph|dpi|px|pt|rpm|dB|lbs?|oz|ft|fps|ppm|ms|µs|ns|[%‰])"
)
_NUMBER = (
    r"(?:\d{1,3}(?:[.,'’\u00a0\u202f]\d{3}){1,8}(?!\d)|\d{1,3}(?: \d{3}){1,5}(?![\d-])|\d{1,40})(?:[.,]\d{1,20}(?!\d))?"
)
_SIGN = r"(?:(?<![\w.,)])[-+−±~≈<>≤≥]{1,2}\s?(?=[\d$€£¥]))?"
_CURRENCY = r"(?:[A-Z]{1,3}\$|[$€£¥₹₽₺₩]|CHF|EUR|USD|GBP)"

FIGURE = (
    # dates, times, telephone numbers and codes before plain numbers, whose digits they hold
    r"(?<![\w.])\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\w)"
    r"|(?<![\w.])\d{1,2}(?:\.\d{1,2}\.(?:\d{4}|\d\d(?!\d))|/\d{1,2}/\d{2,4}|-\d{1,2}-\d{4})(?![\w/])"
    rf"|(?<![\w.])\d{{1,2}}:\d\d(?::\d\d(?:[.,]\d{{1,3}})?)?(?:\s?[ap]\.?m\.?(?!\w))?(?:\s?[-–]\s?\d{{1,2}}:\d\d)?(?:\s?[ap]\.?m\.?(?!\w))?(?![\w:])"
    r"|(?<![\w.])\d{1,2}(?:\.\d\d)?\s?[ap]\.?m\.?(?!\w)"
    r"|(?<![\w.])\d{1,2}\.\d\d(?=\sUhr)"
    r"|(?<![\w.+])(?:\+|00)\d{1,3}[ \-./]?(?:\(0?\d{1,5}\)[ \-./]?)?\d{1,5}(?:[ \-./]?\d{2,8}){1,5}(?![\w])"
    r"|(?<![\w.])\(\d{2,5}\)\s?\d{2,8}(?:[ \-./]\d{2,8}){0,4}(?!\w)"
    r"|(?<![\w.,])0\d{2,5}[ \-/]{1,3}\d{2,8}(?:[ \-/]\d{1,8}){0,5}(?![\w])"
    r"|(?<!\w)[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"
    r"|(?<![\w.])\d{4}(?: \d{4}){2,4}(?!\w)|(?<![\w.,])(?:19|20)\d\d(?:,(?:19|20)\d\d){1,20}(?![\w,])"
    r"|(?<![\w.])\d{1,10}(?:[-–/]\d{1,10}){1,8}(?:-[\dX])?(?!\w)"
    r"|(?<![\w.])(?!\d{1,3}(?:\.\d{3})+(?![\d.]))v?\d{1,5}(?:\.\d{1,8}){2,5}(?:[-+.]?(?:alpha|beta|rc|dev|post|b|a)\.?\d{0,4})?(?!\w)"
    r"|(?<!\w)v\d{1,5}(?:\.\d{1,8})?(?!\w)"
    rf"|{_SIGN}{_CURRENCY}\s?-?{_NUMBER}(?:\s?(?:[kmKM]|bn|tn)(?!\w))?"
    rf"|(?:§{{1,2}}\s?|{_SIGN}(?<![\w.,]))(?<![\w]){_NUMBER}(?:\s?[:x×*/]\s?\d{{1,9}}(?![\w:])(?:[.,]\d{{1,5}})?)?(?:\s?(?:{_CURRENCY}(?!\w)|{_UNIT}(?!\w)))?(?:/\d{{1,4}})?"
)

CODE = (
    r"(?<![\w-])(?!\d{1,4}(?:st|nd|rd|th|ern?|te[nrms]?|mal|fach)(?!\w)|(?<![:=(~<>])(?<![:=(~<>] )\d{0,3}0s(?!\w))"
    r"(?:\d{1,6}(?:s|h|min|sec|Std)|[A-Z]{1,5}[-/]?\d{1,12}[A-Za-z]{0,3}|\d{1,6}[A-Z]{1,3}\d{0,6}|[a-z]{1,3}\d{1,6})(?:[-/][A-Z0-9]{1,12}){0,5}(?!\w)"
)
"""Letters with digits: A4, LH1234, x86, 3D, B2B, DIN-A4; 30s behind a colon; not 42nd, 1990er, 1990s."""

_EASY = re.compile(r"\d{1,4}|(\d{1,2}):(\d\d)(?:\s?([ap])\.?m\.?)?|(\d{1,2})\.(\d\d)")


def is_easy(figure: str) -> bool:
    """Whether a model may know a figure, and how to write it in its language: a short number, a year, a time."""
    return _EASY.fullmatch(figure) is not None


def count_figure(figure: str, text: str) -> int:
    """How often a figure is in a text, in digits and in any notation: 10 in "10th", 3:30 p.m. in "15.30 Uhr", $1,000 in
    "1.000 $"."""
    return len(re.findall(_in_any_notation(figure), text))


@lru_cache(maxsize=1024)
def _in_any_notation(figure: str) -> str:
    """A pattern of a figure as other languages write it; of a date, a score and the like, as it is."""
    if figure.isdigit():
        return rf"(?<![\w:])(?<!\d[.,]){figure}(?:st|nd|rd|th)?(?![\w:]|[.,]\d)"
    if match := _CLOCK.fullmatch(figure):
        time = _clock(int(match[1] or match[3] or match[5]), match[2] or match[4], match[6])
        return rf"{time}|{_amount(figure)}" if match[3] and not match[6] else time
    if _AMOUNT.fullmatch(figure):
        return _amount(figure)
    return rf"(?<![\w.,-]){re.escape(figure)}(?![\w-]|[.,]\d)"


_CLOCK = re.compile(r"(?:(\d{1,2}):(\d\d)|(\d{1,2})\.(\d\d)|(\d{1,2})(?=\s?[ap]))(?:\s?([ap])\.?m\.?)?")


def _clock(hour: int, minute: str | None, half: str | None) -> str:
    """A pattern of a time of day. half: "a" or "p" of twelve hours."""
    night = 0 if hour == 12 else hour % 12
    forms = {  # the hour, and what must follow the minute
        None: [(hour, ""), *([(hour - 12, _AFTERNOON)] if hour > 12 else [])],
        "a": [(night, ""), (hour, "")],
        "p": [(night + 12 if hour < 12 else 12, ""), (hour, _AFTERNOON)],
    }[half]
    forms = [(one, after or _NO_HALF if one > 12 else after) for one, after in forms]
    minutes = rf"\s?[:.h]\s?{minute}(?![\d:]|[.,]\d)" if minute else r"(?:\s?[:.h]\s?00)?(?![\d:]|[.,]\d)"
    return rf"(?<![\d.,:])(?:{'|'.join(f'0?{hour}{minutes}{after}' for hour, after in forms)})"


_NO_HALF = r"(?!\s?(?i:[ap]\.?\s?m)(?!\w))"
_AFTERNOON = r"(?=\s?(?i:p\.?\s?m))"

_AMOUNT = re.compile(rf"([-+−±~≈<>≤≥]?\s?)({_CURRENCY})?\s?({_NUMBER})(?:\s?({_CURRENCY}|{_UNIT}))?")
_MARK = re.compile(r"([.,'’\u00a0\u202f ])(\d+)")


def _digits(number: str) -> str:
    """A pattern of a number with other marks; the one before a fraction differs from those between groups."""
    marks = _MARK.findall(number)
    if len(marks) < 2 or marks[-1][0] == marks[0][0]:
        return _MARK.sub(lambda mark: rf"[.,'’\u00a0\u202f ]{'?' if len(mark[2]) == 3 else ''}{mark[2]}", number)
    whole, fraction = number[: -len(marks[-1][1]) - 1], marks[-1][1]
    groups = re.split(r"\D", whole)
    grouped = (
        rf"[{group}'’\u00a0\u202f ]?".join(groups) + f"[{point}]{fraction}" for group, point in ((",", "."), (".", ","))
    )
    return f"(?:{'|'.join(grouped)})"


def _amount(figure: str) -> str:
    """A pattern of an amount with other marks between its digits and the currency on the other side."""
    match = _AMOUNT.fullmatch(figure)
    assert match is not None
    sign, currency, number, unit = (part or "" for part in match.groups())
    digits = _digits(number)
    digits = rf"(?<!\d)(?<!\d[.,]){digits}(?!\d|[.,]\d)"
    sign = re.escape(sign.strip())
    beside = re.escape(currency or unit)
    if not beside:
        return rf"(?<![\w]){sign}{digits}(?!\w)"
    behind = rf"{sign}{digits}\s?{beside}(?!\w)"
    return behind if not re.fullmatch(_CURRENCY, currency or unit) else rf"{sign}{beside}\s?{digits}|{behind}"
