"""Catalogues in JSON: i18next, Angular, ARB of Flutter, messages.json of browser extensions, and plain ones.

All strings that are values are texts, but for the metadata that ARB and messages.json have.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.catalogues.mnemonics import take_mnemonic
from dragoman.translation.documents.catalogues.plurals import plural_forms
from dragoman.translation.documents.document import DocumentOptions, decode_text, make_segment, white_before
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.tags import read_tags, write_tags
from dragoman.translation.markup.content import Content

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_OTHER = re.compile(r"(.*)(_other|\.other)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _String:
    """A string that is a value: its path, and the places of its key and of itself. An item of a list has no key."""

    path: tuple[str, ...]
    key: tuple[int, int] | None
    begin: int
    end: int


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open UTF-8 JSON."""
    text = decode_text(content)
    offset = len(text) - len(text.removeprefix("\ufeff"))
    try:
        root = json.loads(text[offset:])
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise InvalidInputError("its values are nested too deeply") from None
    strings = list(_find_strings(text, offset))
    is_extension = _is_extension(root)
    has_escapes = "\\u" in text
    keys = {string.path for string in strings}
    places: list[Place] = []
    fixes: list[tuple[int, int, str]] = []
    for string in strings:
        value = json.loads(text[string.begin : string.end])
        if string.path == ("@@locale",) and options.target_language:
            fixes.append((string.begin, string.end, json.dumps(options.target_language)))
        elif not any(name.startswith("@") for name in string.path) and (
            not is_extension or string.path[1:] == ("message",)
        ):
            places.append(_place(text, string, value, keys, has_escapes, options))
    return SplicedDocument(text, places, fixes=fixes)


def _is_extension(root: object) -> bool:
    return (
        isinstance(root, dict)
        and bool(root)
        and all(isinstance(value, dict) and isinstance(value.get("message"), str) for value in root.values())
    )


def _place(
    text: str, string: _String, value: str, keys: set[tuple[str, ...]], has_escapes: bool, options: DocumentOptions
) -> Place:
    """A string's place; behind a plural form "…_other" the target's further forms are added, with the same text."""
    is_escaped = has_escapes and text[string.begin : string.end].isascii()
    added: list[str] = []
    found = _OTHER.fullmatch(string.path[-1])
    if found and string.key is not None and (*string.path[:-1], f"{found[1]}{found[2][0]}one") in keys:
        white = white_before(text, string.key[0])
        colon = text[string.key[1] : string.begin]
        for category in plural_forms(options.target_language).categories:
            name = f"{found[1]}{found[2][0]}{category}"
            if (*string.path[:-1], name) not in keys:
                key = json.dumps(name, ensure_ascii=is_escaped)
                added.append(f",{white}{key}{colon}")

    shown, mnemonic = take_mnemonic(value)
    segment = make_segment(read_tags(shown), context=".".join(string.path))

    def write(content: Content) -> str:
        written = write_tags(content)
        literal = json.dumps(mnemonic.restore(written) if mnemonic else written, ensure_ascii=is_escaped)
        return literal + "".join(lead + literal for lead in added)

    return Place(string.begin, string.end, segment, write)


def _find_strings(text: str, begin: int) -> Iterator[_String]:
    """The strings that are values of valid JSON."""
    path: list[str] = []  # of the containers that are open, the name of each within the one around it
    in_object: list[bool] = []
    key: tuple[int, int] | None = None
    name = ""
    for match in _TOKEN.finditer(text, begin):
        token = match[0]
        if token in "{[":
            path.append(name)
            in_object.append(token == "{")
            key, name = None, ""
        elif token in "}]":
            name = path.pop()
            in_object.pop()
        elif token == ",":
            key, name = None, ""
        elif token[0] == '"' and in_object and in_object[-1] and key is None:
            key, name = match.span(), json.loads(token)
        elif token[0] == '"':
            parts = (*path[1:], name) if path else (name,)
            yield _String(tuple(parts), key, match.start(), match.end())
