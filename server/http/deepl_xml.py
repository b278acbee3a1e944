"""DeepL's handling of XML: which tags part texts, which stand within them, and which hold what is not translated."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext
from dragoman.server.translating.documents import find_source, translate_opened
from dragoman.server.translating.orders import TranslationOrder
from dragoman.server.translating.translating import Translating
from dragoman.translation.documents.document import make_segment
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.xml_places import Element, Text, escape, parse_xml
from dragoman.translation.languages import means_language
from dragoman.translation.markup.content import Content, Role, Tag

ROOT = "<dragoman>", "</dragoman>"
"""Around a text, which may be a fragment."""

PROLOG = re.compile(r"\s*(<\?xml\b[^>]*>\s*)?(<!DOCTYPE\b[^>\[]*>)?")
"""What may stand before the root element, and nowhere else."""


@dataclass(frozen=True, slots=True)
class XmlOptions:
    """ignore: elements whose content is not translated. splitting: those that part texts; non_splitting: those that do
    not. outline_detection: whether elements without text beside them part texts, too."""

    ignore: frozenset[str] = frozenset()
    splitting: frozenset[str] = frozenset()
    non_splitting: frozenset[str] = frozenset()
    outline_detection: bool = True


async def translate_xml(
    translating: Translating, order: TranslationOrder, text: str, options: XmlOptions, call: CallContext
) -> tuple[str, str]:
    """The translation of a text, and its language. Raises InvalidInputError for a text that is not well-formed."""
    prolog = PROLOG.match(text)
    begin = prolog.end() if prolog else 0
    document = open_xml(text[begin:], options)
    source = await find_source(translating, order, document)
    if means_language(source, order.target_language):
        return text, source
    content, _ = await translate_opened(translating, replace(order, source_language=source), document, call)
    return text[:begin] + content.decode()[len(ROOT[0]) : -len(ROOT[1])], source


def open_xml(text: str, options: XmlOptions) -> SplicedDocument:
    """The document of a text within ROOT. Raises InvalidInputError if it is not well-formed."""
    try:
        found, _, root = parse_xml("".join((ROOT[0], text, ROOT[1])).encode())
    except InvalidInputError as error:
        raise InvalidInputError("Tag handling parsing failed, please check input.") from error
    return SplicedDocument(found, list(_places(found, root, options)), encoding="utf-8", errors="strict")


def _places(text: str, parent: Element, options: XmlOptions) -> Iterator[Place]:
    """The texts of an element: what stands between the elements that part them."""
    run: list[Element | Text] = []
    has_text = any(isinstance(child, Text) and (child.text or "").strip() for child in parent.children)
    for child in parent.children:
        if not isinstance(child, Element) or not _parts(child, options, has_text=has_text):
            run.append(child)
            continue
        yield from _place(text, run, options)
        run = []
        if child.name not in options.ignore:
            yield from _places(text, child, options)
    yield from _place(text, run, options)


def _parts(element: Element, options: XmlOptions, *, has_text: bool) -> bool:
    """Whether an element parts texts. has_text: whether there is text beside it."""
    if element.name in options.non_splitting:
        return False
    if element.name in options.splitting or any(_parts(child, options, has_text=True) for child in element.elements()):
        return True
    return options.outline_detection and not has_text


def _place(text: str, run: Sequence[Element | Text], options: XmlOptions) -> Iterator[Place]:
    if not any(isinstance(node, Element) or (node.text or "").strip() for node in run):
        return
    segment = make_segment(tuple(_read(text, run, options)))
    yield Place(run[0].begin, run[-1].end, segment, _write)


def _read(text: str, nodes: Sequence[Element | Text], options: XmlOptions) -> Iterator[str | Tag]:
    for node in nodes:
        if isinstance(node, Text):
            if node.text is not None:
                yield node.text
            elif node.raw not in ("<![CDATA[", "]]>"):
                yield Tag(node.raw)
        elif node.is_empty_tag or node.name in options.ignore:
            yield Tag(text[node.begin : node.end], shown=node.text().strip())
        else:
            yield Tag(text[node.begin : node.inner_begin], Role.OPEN)
            yield from _read(text, node.children, options)
            yield Tag(text[node.inner_end : node.end], Role.CLOSE)


def _write(content: Content) -> str:
    return "".join(piece.raw if isinstance(piece, Tag) else escape(piece) for piece in content)
