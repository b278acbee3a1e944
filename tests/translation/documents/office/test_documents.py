"""What holds for any small document of a format: no letter, look, link or object is lost, or goes elsewhere."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from dragoman.translation.documents.office.document import open_document
from dragoman.translation.markup.content import Tag
from tests.translation.documents.office.building import OPTIONS, docx, odt, pptx, unpack, xlsx

Piece = tuple[str, bool]
"""Text and whether it is bold; without text, an object."""

PIECES = st.lists(
    st.tuples(st.text(alphabet="ab.- &<", max_size=5), st.booleans()) | st.tuples(st.just(""), st.booleans()),
    max_size=8,
)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def make_docx(pieces: list[Piece]) -> tuple[bytes, str]:
    def write(text: str, is_bold: bool) -> str:
        inner = f'<w:t xml:space="preserve">{escape(text)}</w:t>' if text else "<w:footnoteReference/>"
        return f"<w:r>{'<w:rPr><w:b/></w:rPr>' if is_bold else ''}{inner}</w:r>"

    return docx(f"<w:p>{''.join(write(*piece) for piece in pieces)}</w:p>"), "word/document.xml"


def make_pptx(pieces: list[Piece]) -> tuple[bytes, str]:
    def write(text: str, is_bold: bool) -> str:
        properties = '<a:rPr b="1"/>' if is_bold else ""
        run = f"<a:r>{properties}<a:t>{escape(text)}</a:t></a:r>"
        return run if text else '<a:fld type="x"><a:t/></a:fld>'

    return pptx(f"<a:p>{''.join(write(*piece) for piece in pieces)}</a:p>"), "ppt/slides/slide1.xml"


def make_odt(pieces: list[Piece]) -> tuple[bytes, str]:
    def write(text: str, is_bold: bool) -> str:
        inner = escape(text).replace(" ", "<text:s/>") if text else "<text:note/>"
        return f'<text:span text:style-name="bold">{inner}</text:span>' if is_bold else inner

    return odt(f"<text:p>{''.join(write(*piece) for piece in pieces)}</text:p>"), "content.xml"


def make_xlsx(pieces: list[Piece]) -> tuple[bytes, str]:
    def write(text: str, is_bold: bool) -> str:
        return f"<r>{'<rPr><b/></rPr>' if is_bold else ''}<t>{escape(text)}</t></r>"

    return xlsx(f"<si>{''.join(write(*piece) for piece in pieces if piece[0])}</si>"), "xl/sharedStrings.xml"


def read_letters(data: bytes) -> list[tuple[str, bool]]:
    """Letters and objects of a part, with whether they are bold."""
    found: list[tuple[str, bool]] = []

    def read(element: "etree._Element", is_bold: bool) -> None:
        name = etree.QName(element).localname
        if name in ("footnoteReference", "note", "fld"):
            found.append((name, False))
        marks = ("b", "bold", "1")
        values = [etree.QName(child).localname for child in element.iterfind("{*}rPr/*")]
        values += [value for properties in element.iterfind("{*}rPr") for value in properties.attrib.values()]
        is_bold = is_bold or any(value in marks for value in (*values, *element.attrib.values()))
        found.extend((letter.lower(), is_bold) for letter in element.text or "" if letter.isalpha())
        for child in element:
            read(child, is_bold)
            found.extend((letter.lower(), is_bold) for letter in child.tail or "" if letter.isalpha())

    read(etree.fromstring(data), False)
    return found


@pytest.mark.parametrize("make", [make_docx, make_pptx, make_odt, make_xlsx])
@settings(max_examples=50)
@given(pieces=PIECES)
def test_each_letter_and_object_keeps_its_look_and_place(
    make: Callable[[list[Piece]], tuple[bytes, str]], pieces: list[Piece]
) -> None:
    document, part = make(pieces)
    opened = open_document(document, OPTIONS)
    assert opened.render([segment.content for segment in opened.segments]) == document
    translated = opened.render(
        [
            tuple(piece if isinstance(piece, Tag) else piece.swapcase() for piece in segment.content)
            for segment in opened.segments
        ]
    )
    before, after = unpack(document), unpack(translated)
    assert read_letters(after[part]) == read_letters(before[part])
    assert (before[part] == after[part]) == (not opened.segments)
    assert {name: data for name, data in after.items() if name != part} == {
        name: data for name, data in before.items() if name != part
    }
