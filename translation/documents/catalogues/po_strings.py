"""Strings in C's notation, as gettext's catalogues have them, one or several for a text."""

import re

from dragoman.model.errors import InvalidInputError

STRINGS = re.compile(r'[ \t]*(?:"((?:[^"\\\n]|\\.)*)"[ \t]*)+\r?\n?$')
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))")
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "v": "\v", "f": "\f"}
_ESCAPED = {value: f"\\{name}" for name, value in _NAMED.items()} | {'"': '\\"', "\\": "\\\\"}
_TO_ESCAPE = re.compile(r'["\\\n\t\r\a\b\v\f]')

MAX_COLUMNS = 79
"""Of a wrapped line, as gettext's tools wrap."""


def read_strings(line: str) -> str:
    """The text of a line of strings. Raises InvalidInputError if it is none."""
    if not STRINGS.match(line):
        raise InvalidInputError("is neither a comment, nor a keyword with a text in quotation marks")
    return "".join(_ESCAPE.sub(_unescape, string) for string in _STRING.findall(line))


def _unescape(match: re.Match[str]) -> str:
    if match[1] or match[2]:
        return chr(int(match[1], 16) if match[1] else int(match[2], 8))
    return _NAMED.get(match[3], match[3])


def escape(text: str) -> str:
    """Text as it stands between quotation marks."""
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], text)


def write_field(name: str, text: str, line_end: str, *, is_wrapped: bool) -> list[str]:
    """The lines of a field, such as msgstr: one, or an empty string and a line for each line of the text.

    is_wrapped: whether long lines are broken at spaces.
    """
    if "\n" not in text[:-1] and (not is_wrapped or len(name) + len(escape(text)) + 3 <= MAX_COLUMNS):
        return [f'{name} "{escape(text)}"{line_end}']
    rows = [f'{name} ""{line_end}']
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        rows += (f'"{row}"{line_end}' for row in (_wrap(line) if is_wrapped else [escape(line)]))
    return rows


def _wrap(line: str) -> list[str]:
    rows: list[str] = [""]
    for word in re.findall(r"\S*\s+|\S+", line):
        escaped = escape(word)
        if rows[-1] and len(rows[-1]) + len(escaped.rstrip(" ")) + 2 > MAX_COLUMNS:
            rows.append("")
        rows[-1] += escaped
    return rows
