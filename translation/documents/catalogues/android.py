"""Android's strings.xml: strings, arrays and plurals, with their escapes and inline elements."""

import re
from collections.abc import Iterator, Sequence

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.catalogues.plurals import plural_forms
from dragoman.translation.documents.document import DocumentOptions, join_surrogates, make_segment, white_before
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.tags import read_tags
from dragoman.translation.documents.xml_places import Element, escape, parse_xml, set_attribute
from dragoman.translation.markup.content import Content, Role, Tag

_ESCAPE = re.compile(r"""\\(?:u([0-9A-Fa-f]{4})|(.))|"|\s+""", re.DOTALL)
_CHARACTERS = {"n": "\n", "t": "\t"}
_REFERENCE = re.compile(r"[@?][\w:.+]*/[\w.]+\s*$")
_SPECIAL = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", '"': '\\"', "'": "\\'"}


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open a file of string resources. What says translatable="false" is left alone."""
    text, encoding, root = parse_xml(content)
    if root.name != "resources":
        raise InvalidInputError(f"its root is <{root.name}>, not <resources> as in Android's strings.xml")
    places: list[Place] = []
    for resource in root.elements("string", "string-array", "array", "plurals"):
        if resource.attributes.get("translatable") == "false":
            continue
        if resource.name == "string":
            places += _place(text, resource, resource)
        else:
            items = list(resource.elements("item"))
            added = _missing_forms(resource, items, options) if resource.name == "plurals" else []
            for item in items:
                is_other = item.attributes.get("quantity") == "other"
                places += _place(text, item, resource, added if is_other else ())
    return SplicedDocument(text, places, encoding=encoding, errors="xmlcharrefreplace")


def _missing_forms(resource: Element, items: Sequence[Element], options: DocumentOptions) -> list[str]:
    """The plural forms of the target's language that the source has not."""
    present = {item.attributes.get("quantity") for item in items}
    return [category for category in plural_forms(options.target_language).categories if category not in present]


def _place(text: str, element: Element, resource: Element, added: Sequence[str] = ()) -> Iterator[Place]:
    """A string's place. added: plural forms that get the same text, behind it."""
    is_cdata = any(not isinstance(child, Element) and child.raw == "<![CDATA[" for child in element.children)
    raw = text[element.inner_begin : element.inner_end].strip()
    is_quoted = len(raw) > 1 and raw[0] == raw[-1] == '"'
    if element.is_empty_tag or _REFERENCE.match(raw):
        return
    segment = make_segment(
        tuple(_read(text, element, is_cdata=is_cdata, is_quoted=is_quoted)), context=resource.attributes.get("name", "")
    )
    lead = re.match(r"\s*", text[element.inner_begin : element.inner_end])
    white = white_before(text, element.begin)
    end = text[element.inner_end : element.end]

    def write(content: Content) -> str:
        inner = (lead[0] if lead else "") + _write(content, is_cdata=is_cdata, is_quoted=is_quoted)
        tag = text[element.begin : element.inner_begin]
        copies = (f"{white}{set_attribute(tag, 'quantity', form)}{inner}{end}" for form in added)
        return "".join((inner, end, *copies))

    yield Place(element.inner_begin, element.end, segment, write)


def _read(text: str, element: Element, *, is_cdata: bool, is_quoted: bool) -> Iterator[str | Tag]:
    """Android's meaning of the characters; white space is one space unless it is quoted."""
    for child in element.children:
        if isinstance(child, Element):
            raw = text[child.begin : child.end]
            if child.name == "g" or child.is_empty_tag:
                yield Tag(raw, shown=child.text().strip())
            else:
                yield Tag(text[child.begin : child.inner_begin], Role.OPEN)
                yield from _read(text, child, is_cdata=is_cdata, is_quoted=is_quoted)
                yield Tag(text[child.inner_end : child.end], Role.CLOSE)
        elif child.text is not None:
            decoded = join_surrogates(_ESCAPE.sub(lambda match: _decode(match, is_quoted), child.text))
            for piece in read_tags(decoded):
                if isinstance(piece, Tag):
                    yield Tag(_encode(piece.raw, is_cdata=is_cdata, is_quoted=is_quoted), piece.role, piece.shown)
                else:
                    yield piece
        elif child.raw not in ("<![CDATA[", "]]>"):
            yield Tag(child.raw)


def _decode(match: re.Match[str], is_quoted: bool) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2]:
        return _CHARACTERS.get(match[2], match[2])
    if match[0] == '"':
        return ""
    return match[0] if is_quoted else " "


def _encode(text: str, *, is_cdata: bool, is_quoted: bool) -> str:
    special = {key: value for key, value in _SPECIAL.items() if not (is_quoted and key in "'\n")}
    escaped = "".join(special.get(character, character) for character in text)
    return escaped.replace("]]>", "]] >") if is_cdata else escape(escaped)


def _write(content: Content, *, is_cdata: bool, is_quoted: bool) -> str:
    parts = [
        piece.raw if isinstance(piece, Tag) else _encode(piece, is_cdata=is_cdata, is_quoted=is_quoted)
        for piece in content
    ]
    written = "".join(parts)
    if written[:1] in ("@", "?") and not is_quoted:
        written = f"\\{written}"
    if is_quoted:
        written = f'"{written}"'
    return f"<![CDATA[{written}]]>" if is_cdata else written
