"""Parts of XML: parsed without a look at anything outside, and written as they were but for what was changed."""

import re
from dataclasses import dataclass

from lxml import etree

from dragoman.model.errors import InvalidInputError

_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)


XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


@dataclass(frozen=True, slots=True)
class Part:
    """A parsed part. prolog, epilog: the bytes before its root, and the white space at its end."""

    name: str
    tree: "etree._ElementTree"
    prolog: bytes
    epilog: bytes

    @property
    def root(self) -> "etree._Element":
        return self.tree.getroot()


def parse_part(name: str, data: bytes) -> Part:
    """InvalidInputError, with the place, for what is not well-formed or has a document type declaration."""
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, strip_cdata=False, collect_ids=False
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise InvalidInputError(f"{name}: {error.msg or 'is empty'}") from error
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None or tree.docinfo.doctype:
        raise InvalidInputError(f"{name}: has a document type declaration, which no office document needs")
    prolog = _PROLOG.match(data)
    return Part(name, tree, prolog[0] if prolog else b"", data[len(data.rstrip()) :])


def write_part(part: Part) -> bytes:
    """The part as bytes again, in its own encoding."""
    encoding = part.tree.docinfo.encoding or "UTF-8"
    if encoding.upper() in ("UTF-8", "US-ASCII", "ASCII"):
        following = (part.root, *part.root.itersiblings())
        written = [
            etree.tostring(node, encoding=encoding, xml_declaration=False, with_tail=False) for node in following
        ]
        return b"".join((part.prolog, *written, part.epilog))
    standalone = part.tree.docinfo.standalone
    whole: bytes = etree.tostring(part.tree, encoding=encoding, xml_declaration=True, standalone=standalone)
    return whole


def local_name(element: "etree._Element") -> str:
    """An element's name without its namespace; empty for comments and processing instructions."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
