"""The encoding of a team's files, from their bytes and the languages that they should be in."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from dragoman.training.intake.request import Request
from dragoman.translation.languages import LanguageIdentifier, means_language, primary_subtag

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_WESTERN = ("cp1252", "mac_roman", "cp850")
_CENTRAL = ("cp1250", "iso8859_2", "mac_latin2")
_CYRILLIC = ("cp1251", "koi8_r", "iso8859_5", "cp866")
_BALTIC = ("cp1257", "iso8859_13")
_ENCODINGS = (
    dict.fromkeys(("bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq"), _CENTRAL)
    | dict.fromkeys(("be", "bg", "mk", "ru", "sr"), _CYRILLIC)
    | dict.fromkeys(("et", "lt", "lv"), _BALTIC)
    | {"uk": ("cp1251", "koi8_u", "iso8859_5", "cp866"), "el": ("cp1253", "iso8859_7"), "tr": ("cp1254",)}
    | {"az": ("cp1254",), "he": ("cp1255",), "yi": ("cp1255",), "vi": ("cp1258",), "th": ("cp874",)}
    | dict.fromkeys(("ar", "fa", "ur"), ("cp1256",))
    | {"ja": ("cp932", "euc_jp"), "zh": ("gb18030", "big5"), "yue": ("big5",), "ko": ("cp949",)}
)
"""The encodings that were usual for a language before Unicode, the most frequent first."""

_MIN_ZEROS = 0.01
"""Share of zero bytes in UTF-16; other text has none."""

_WITHIN_WORDS = "\u2019\u2018\u2010\u2011\u2013\u2014\xad\xb7\u200c\u200d"

_MAX_JUDGED = 20_000
_DAMAGED_SHARE = 0.5
"""Of damaged characters per sound one beyond ASCII, in text that still counts as UTF-8."""


def find_encoding(sample: bytes, request: Request) -> str:
    """The encoding of a file from a part of it: by its mark; UTF-16 by its zeros; UTF-8, perhaps with a few damaged
    characters; otherwise the usual one of the request's languages that gives the most plausible text."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if sample.count(0) > _MIN_ZEROS * len(sample):
        return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    if is_utf8(sample):
        return "utf-8"
    text = sample.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    if damaged <= _DAMAGED_SHARE * sum(character > "\x7f" for character in text if character != "\ufffd"):
        return "utf-8"
    languages = (request.source, request.target)
    decoded = {name: read for name in _usual(languages) if (read := _decode(sample, name)) is not None}
    if len(decoded) < 2:
        return next(iter(decoded), "cp1252")
    return min(decoded, key=lambda name: _implausibility(decoded[name], languages, request.identifier))


def is_utf8(sample: bytes) -> bool:
    """Whether bytes are UTF-8, perhaps cut within their last character."""
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.start > len(sample) - 4
    return True


def _usual(languages: Iterable[str]) -> list[str]:
    own = (name for language in languages for name in _ENCODINGS.get(primary_subtag(language), ()))
    return list(dict.fromkeys((*own, *_WESTERN)))


def _decode(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError as error:
        return sample[: error.start].decode(encoding) if error.start > len(sample) - 4 else None


def _implausibility(text: str, languages: Sequence[str], identifier: LanguageIdentifier) -> tuple[bool, int]:
    """Whether the words beyond ASCII are in another language, and the characters beside letters that seldom are."""
    words = " ".join(word for word in re.split(r"\s", text) if not word.isascii())[:_MAX_JUDGED]
    found = identifier.identify(words)[0]
    odd = sum(
        character > "\x7f" and _is_odd(before, character, after)
        for before, character, after in zip(" " + words, words, words[1:] + " ", strict=False)
    )
    return not any(means_language(found, language) for language in languages), odd


def _is_odd(before: str, character: str, after: str) -> bool:
    """Whether a character beyond ASCII is a capital behind a small letter, a sign beside a letter, or any mark but an
    apostrophe, a dash or a hyphenation point within a word."""
    category = unicodedata.category(character)
    if category[0] in "LM":
        return character.isupper() and before.islower()
    if before.isalpha() and after.isalpha():
        return character not in _WITHIN_WORDS
    return (before.isalpha() or after.isalpha()) and (category[0] in "SNC" or category == "Po")
