"""OpenDocument."""

import pytest

from dragoman.model.errors import InvalidInputError
from tests.translation.documents.office.building import URN, inner, odt, texts, translate

BOLD = '<style:style style:name="T1" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>'
SESSION = '<style:style style:name="T2" style:family="text"><style:text-properties rsid:rsid="00a1"/></style:style>'


def span(text: str, style: str = "T1") -> str:
    return f'<text:span text:style-name="{style}">{text}</text:span>'


def body(paragraph: str) -> str:
    """The translated content of a document's first paragraph."""
    return inner(translate(odt(f"<text:p>{paragraph}</text:p>", BOLD + SESSION)), "content.xml", ".//text:p")


def test_formatting_lands_on_its_words() -> None:
    assert body(f"A {span('big')} house") == f"A {span('BIG')} HOUSE"
    assert body(f"A {span('very ' + span('big', 'Strong'))} house") == (
        f"A {span('VERY')} {span(span('BIG', 'Strong'))} HOUSE"
    )


def test_spans_that_only_note_a_session_are_joined() -> None:
    assert texts(odt(f"<text:p>Hel{span('lo', 'T2')} you</text:p>", SESSION)) == ["Hello you"]
    assert body(f"Hel{span('lo', 'T2')} you") == "HELLO YOU"


def test_white_space_is_what_a_reader_sees() -> None:
    assert texts(odt("<text:p>\n  a\n  big <text:s/>house\n</text:p>")) == ["a big house"]
    assert texts(odt('<text:p>Name<text:s text:c="9"/>Street<text:tab/>Town</text:p>')) == ["Name", "Street", "Town"]
    assert body('Name<text:s text:c="9"/>Street') == 'NAME<text:s text:c="9"/>STREET'
    assert body("a<text:line-break/>big house") == "A<text:line-break/>BIG HOUSE"


def test_links_notes_marks_and_fields() -> None:
    note = '<text:note text:id="n"><text:note-citation>1</text:note-citation><text:note-body/></text:note>'
    assert body(f"a house{note} and trees") == f"A HOUSE{note} AND TREES"
    assert body('a <text:a href="x">house</text:a>.') == 'A <text:a href="x">HOUSE</text:a>.'
    page = "<text:page-number>3</text:page-number>"
    assert body(f"Page {page} of it") == f"PAGE {page} OF IT"
    assert texts(odt(f"<text:p>Page {page} of <text:page-count/></text:p>")) == ["Page 3 of 12"]
    mark = '<text:bookmark-start text:name="x"/>{}<text:bookmark-end text:name="x"/>'
    assert body(f"see {mark.format('this house')} here") == f"SEE {mark.format('THIS HOUSE')} HERE"


def test_text_in_notes_comments_and_frames_is_its_own() -> None:
    inside = "<draw:frame><draw:text-box><text:p>in a box</text:p></draw:text-box></draw:frame>"
    comment = "<office:annotation><dc:creator>Me</dc:creator><text:p>a remark</text:p></office:annotation>"
    assert texts(odt(f"<text:p>before {inside}and{comment} behind</text:p>")) == [
        "before and behind",
        "in a box",
        "a remark",
    ]


def test_deleted_text_stays() -> None:
    deleted = "<text:tracked-changes><text:deletion><text:p>old</text:p></text:deletion></text:tracked-changes>"
    assert texts(odt(f"{deleted}<text:p>new</text:p>")) == ["new"]


@pytest.mark.parametrize("cell", ['office:value-type="float"', 'table:formula="=A1"'])
def test_numbers_and_formulas_stay(cell: str) -> None:
    comment = "<office:annotation><text:p>remark</text:p></office:annotation>"
    assert texts(odt(f"<table:table-cell {cell}>{comment}<text:p>May 2026</text:p></table:table-cell>")) == ["remark"]


def test_cells_that_formulas_compare_stay() -> None:
    cells = "".join(f"<table:table-cell><text:p>{word}</text:p></table:table-cell>" for word in ("Total", "Yes"))
    formula = '<table:table-cell table:formula="of:=SUMIF([.A:.A];&quot;Total&quot;)"/>'
    assert texts(odt(cells + formula)) == ["Yes"]


def test_the_text_of_a_cell_is_not_kept_twice() -> None:
    cell = '<table:table-cell office:value-type="string" office:string-value="May"><text:p>May</text:p>'
    written = inner(translate(odt(f"<x>{cell}</table:table-cell></x>")), "content.xml", ".//x")
    assert written == '<table:table-cell office:value-type="string"><text:p>MAY</text:p></table:table-cell>'


def test_flat_files() -> None:
    space = f'xmlns:office="{URN}office:1.0" xmlns:text="{URN}text:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    content = f"""<?xml version='1.0'?>\n<!-- made by hand -->\n<office:document {space}>
<office:meta><dc:title>A title</dc:title><dc:language>en-US</dc:language></office:meta>
<office:master-styles><text:p>a template</text:p></office:master-styles>
<office:body><text:p>a text</text:p></office:body></office:document>"""
    translated = translate(content.encode()).decode()
    for before, after in (("A title", "A TITLE"), ("a text", "A TEXT"), ("en-US", "de-DE")):
        content = content.replace(before, after)
    assert translated == content
    with pytest.raises(InvalidInputError, match="is XML, but no OpenDocument file"):
        translate(b"<html/>")


def test_headers_are_translated_and_templates_are_not() -> None:
    headers = "<style:header><text:p>top</text:p></style:header><draw:frame><text:p>Click here</text:p></draw:frame>"
    assert texts(odt("<text:p>body</text:p>", headers=headers)) == ["body", "top"]


def test_marks_of_the_source_language_become_marks_of_the_target() -> None:
    style = '<style:style style:name="P1"><style:text-properties fo:language="{}" fo:country="{}"/></style:style>'
    document = odt("<text:p>body</text:p>", style.format("en", "GB") + style.format("la", "VA"))
    assert inner(translate(document), "content.xml", ".//office:automatic-styles") == (
        style.format("de", "DE") + style.format("la", "VA")
    )
