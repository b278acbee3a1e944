"""Catalogues in YAML, as Rails and Symfony have them. ruamel.yaml says where each value stands; order, indentation,
comments and anchors stay as they are."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.catalogues.plurals import plural_forms
from dragoman.translation.documents.document import DocumentOptions, decode_text, make_segment
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.tags import read_tags, write_tags
from dragoman.translation.languages import primary_subtag
from dragoman.translation.markup.content import Content

MAX_DEPTH = 100
"""Nested lists and mappings."""

MAX_BYTES = 8 << 20
"""Largest file: ruamel.yaml reads some ten thousand bytes a second."""

_STRING = "tag:yaml.org,2002:str"
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")
_LINE_BREAK = re.compile("[\n\r\x85\u2028\u2029]")
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")  # JSON writes them as they are
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?")


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open UTF-8 YAML. A single key around all, which is the source's language, becomes the target's."""
    if len(content) > MAX_BYTES:
        raise InvalidInputError(f"has {len(content):,} bytes, more than {MAX_BYTES:,}, the most for YAML")
    text = decode_text(content)
    bare = text.removeprefix("\ufeff")
    offset = len(text) - len(bare)
    try:
        reader = YAML(typ="rt", pure=True)
        reader.max_depth = MAX_DEPTH
        reader.composer.warn_double_anchors = False
        roots = list(reader.compose_all(bare))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InvalidInputError(f"{place}{error.problem or error.context}") from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise InvalidInputError(f"is not readable as YAML: {' '.join(str(error).split())[:200]}") from None
    places: list[Place] = []
    fixes: list[tuple[int, int, str]] = []
    for root in roots:
        fixes += _rename_language(root, offset, options)
        for path, node, siblings in _find_strings(root):
            places.append(_place(text, offset, path, node, siblings, options))
    return SplicedDocument(text, places, fixes=fixes)


def _rename_language(root: Node | None, offset: int, options: DocumentOptions) -> Iterator[tuple[int, int, str]]:
    if not isinstance(root, MappingNode) or len(root.value) != 1 or not options.target_language:
        return
    key, value = root.value[0]
    source = options.source_language
    is_language = isinstance(key.value, str) and _LANGUAGE.fullmatch(key.value) is not None
    is_source = is_language and (not source or primary_subtag(key.value) == primary_subtag(source))
    if is_source and isinstance(value, MappingNode):
        yield key.start_mark.index + offset, key.end_mark.index + offset, options.target_language


def _find_strings(root: Node | None) -> Iterator[tuple[tuple[str, ...], ScalarNode, dict[str, Any]]]:
    """Texts with their path and the keys beside them, in their order; one with several aliases once."""
    waiting: list[tuple[tuple[str, ...], Node | None, dict[str, Any]]] = [((), root, {})]
    seen: set[int] = set()
    while waiting:
        path, node, siblings = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ScalarNode):
            if str(node.tag) == _STRING and node.value.strip():
                yield path, node, siblings
        elif isinstance(node, MappingNode):
            names = {str(key.value): key for key, _ in node.value if isinstance(key, ScalarNode)}
            waiting += [((*path, str(key.value)), value, names) for key, value in reversed(node.value)]
        elif isinstance(node, SequenceNode):
            waiting += [((*path, str(number)), item, {}) for number, item in reversed(list(enumerate(node.value)))]


def _place(
    text: str, offset: int, path: tuple[str, ...], node: ScalarNode, siblings: dict[str, Any], options: DocumentOptions
) -> Place:
    """A text's place; behind a plural form "other" the target's further forms are added, with the same text."""
    begin, end = node.start_mark.index + offset, node.end_mark.index + offset
    if properties := _PROPERTIES.match(text, begin, end):
        begin = properties.end()
    raw = text[begin:end]
    is_block = raw[:1] in ("|", ">")
    added: list[str] = []
    if path[-1:] == ("other",) and "one" in siblings and not is_block:
        key = siblings["other"]
        line = text[text.rfind("\n", 0, key.start_mark.index + offset) + 1 : key.start_mark.index + offset]
        if not line.strip():
            categories = plural_forms(options.target_language).categories
            added = [f"\n{line}{category}: " for category in categories if category not in siblings]
    is_flow = _is_in_flow(text, begin)

    def write(content: Content) -> str:
        value = write_tags(content)
        written = _write_block(value, raw) if is_block else _write_flow(value, raw[:1], is_flow)
        return written + "".join(lead + written for lead in added)

    value = node.value.replace("\a", "")
    return Place(begin, end, make_segment(read_tags(value), context=".".join(path)), write)


def _is_in_flow(text: str, begin: int) -> bool:
    """Whether the line has a bracket before this place, in which some more characters have a meaning."""
    return any(bracket in text[text.rfind("\n", 0, begin) + 1 : begin] for bracket in "[{")


def _write_block(value: str, raw: str) -> str:
    """A value in the style of a literal or folded block."""
    header, _, body = raw.partition("\n")
    first = next((line for line in body.split("\n") if line.strip()), "  ")
    indentation = first[: len(first) - len(first.lstrip(" "))] or "  "
    separator = "\n\n" if header.startswith(">") else "\n"
    lines = separator.join(value.rstrip("\n").split("\n")).split("\n")
    trail = body[len(body.rstrip()) :]
    return f"{header}\n" + "\n".join(indentation + line if line.strip() else "" for line in lines) + trail


def _write_flow(value: str, quote: str, is_flow: bool) -> str:
    if quote == "'" and not _LINE_BREAK.search(value):
        doubled = value.replace("'", "''")
        return f"'{doubled}'"
    if quote not in ("'", '"') and _is_plain(value, is_flow):
        return value
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def _is_plain(value: str, is_flow: bool) -> bool:
    """Whether a value without quotation marks would be read as the same text."""
    if _LINE_BREAK.search(value) or (is_flow and any(character in "[]{}," for character in value)):
        return False
    try:
        root = YAML(typ="rt", pure=True).compose(f"k: {value}\nl: m\n")
    except (YAMLError, ValueError):
        return False
    if not isinstance(root, MappingNode) or len(root.value) != 2:
        return False
    found = root.value[0][1]
    return isinstance(found, ScalarNode) and str(found.tag) == _STRING and found.value == value
