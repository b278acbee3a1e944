"""Sentences without anything to translate: no word in them depends on the language."""

import re

_UNIT = (
    "°[CF]|[kcmµn]?m[²³23]?|[kmcµ]?g|[mcdh]?[lL]|[kKMGTP]i?[Bb](?:it/s|ps|/s)?|[kMGT]?Hz|[kMG]?W|kWh|k?V|m?A|m?s|h|min|km/h|"
    "mph|dB|k?J|kcal|[hk]?Pa|px|pt|dpi|EUR|USD|GBP|CHF"
)
_NUMBER = r"[+\-−±~≈<>]?\s?\d[\d.,:/'’\u00a0\u2009\u202f]*"

_QUANTITY = rf"{_NUMBER}\s?(?:{_UNIT})?"
_MEASURE = re.compile(rf"\W*{_QUANTITY}(?:\s?[-–/x×]\s?{_QUANTITY})*\W*")
"""A number with a unit that is written alike everywhere, or a range of them."""

_ITEM = re.compile(r"\W*(?:[(\[]\s?[A-Za-z]\s?[)\]]|[A-Za-z]\)|[B-HJ-Zb-hj-z][.:]?|[IVXLC]+[.)])\W*")
"""The letter or Roman number of a list's item."""


def has_words(text: str) -> bool:
    """Whether a text has words to translate: letters other than those of units behind a number, and of a list's
    item."""
    if not any(map(str.isalpha, text)):
        return False
    return len(text) > MAX_CHECKED or not (_MEASURE.fullmatch(text) or _ITEM.fullmatch(text))


MAX_CHECKED = 40
"""Longest text, in characters, that may be a measure or a list's item."""
