"""XLIFF 1.2 and 2.x."""

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.catalogues.xliff import open_document
from dragoman.translation.documents.document import DocumentOptions
from dragoman.translation.documents.spliced import SplicedDocument
from dragoman.translation.markup.content import Content, Tag


def old(units: str, language: str = ' target-language="de"') -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">\n'
        f'<file source-language="en"{language} datatype="plaintext" original="a">\n'
        f"<body>\n{units}\n</body>\n</file>\n</xliff>\n"
    )


def new(units: str) -> str:
    return (
        '<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">\n'
        f'<file id="f">\n{units}\n</file>\n</xliff>\n'
    )


def open_text(text: str, language: str = "de", *, mark_fuzzy: bool = False) -> SplicedDocument:
    return open_document(text.encode(), DocumentOptions("en", language, mark_fuzzy))


def render(document: SplicedDocument, *translations: Content | None) -> str:
    return document.render(translations).decode()


UNIT = '<trans-unit id="1">\n  <source>Good &amp; bad</source>\n</trans-unit>'


def test_a_missing_target_is_added_with_its_state() -> None:
    text = old(UNIT, "")
    document = open_text(text)
    assert render(document, None) == text
    expected = text.replace(
        "</source>\n", '</source>\n  <target state="translated">Gut &lt; schlecht</target>\n'
    ).replace('original="a">', 'original="a" target-language="de">')
    assert render(document, ("Gut < schlecht",)) == expected
    assert 'state="needs-review-translation"' in render(open_text(text, mark_fuzzy=True), ("Gut",))


@pytest.mark.parametrize(
    ("attributes", "target", "is_translated", "is_kept"),
    [
        ("", "<target>Gut</target>", True, False),
        ("", "<target/>", False, False),
        ("", '<target state="new">Good</target>', False, False),
        ("", '<target state="needs-review-translation">Gut</target>', True, False),
        ("", '<target state="final">Gut</target>', True, True),
        (' approved="yes"', "<target>Gut</target>", True, True),
        (' translate="no"', "", False, True),
    ],
)
def test_what_is_done_stays(attributes: str, target: str, is_translated: bool, is_kept: bool) -> None:
    text = old(f'<trans-unit id="1"{attributes}><source>Good</source>{target}</trans-unit>')
    (segment,) = open_text(text).segments
    assert (segment.is_translated, segment.is_kept) == (is_translated, is_kept)
    (segment,) = open_text(text, "fr").segments
    assert not segment.is_translated


def test_inline_elements_are_pairs_where_they_are_nested() -> None:
    unit = (
        '<trans-unit id="1"><source>A <g id="1">big <x id="2"/></g><bpt id="3">&lt;b></bpt>cat<ept id="3">&lt;/b></ept>'
        ' <mrk mtype="protected">Tom</mrk> <bx id="4"/>s</source><target state="new">old</target></trans-unit>'
    )
    document = open_text(old(unit))
    (segment,) = document.segments
    assert segment.text == "A big cat Tom s"
    roles = [(piece.role.name, piece.shown) for piece in segment.content if isinstance(piece, Tag)]
    assert roles == [
        ("OPEN", ""), ("SINGLE", ""), ("CLOSE", ""), ("OPEN", ""), ("CLOSE", ""), ("SINGLE", "Tom"), ("SINGLE", "")
    ]  # fmt: skip
    written = render(document, segment.content)
    source = (
        unit[unit.index("<source>") + 8 : unit.index("</source>")].replace("/b>", "/b&gt;").replace("<b>", "<b&gt;")
    )
    assert '<target state="translated">' in written
    assert written.count('<g id="1">big <x id="2"/></g>') == 2
    assert source.count("<mrk") == 1


def test_segments_of_version_2() -> None:
    units = (
        '<unit id="1" name="menu"><notes><note>Short</note></notes>\n<segment>\n <source>Open <pc id="1">file</pc>'
        '<sc id="2"/>x<ec startRef="2"/></source>\n</segment>\n<segment state="final"><source>No</source>'
        "<target>Nein</target></segment></unit>\n"
        '<unit id="2" translate="no"><segment><source>Kept</source></segment></unit>'
    )
    text = new(units)
    document = open_text(text)
    first, second, third = document.segments
    assert (first.text, first.context, first.notes, first.is_kept) == ("Open filex", "menu", "Short", False)
    assert second.is_kept
    assert third.is_kept
    assert render(document, None, None, None) == text
    written = render(document, first.content, None, None)
    assert 'version="2.0" srcLang="en" trgLang="de">' in written
    assert (
        '<segment state="translated">\n <source>Open <pc id="1">file</pc><sc id="2"/>x<ec startRef="2"/></source>'
        '\n <target>Open <pc id="1">file</pc><sc id="2"/>x<ec startRef="2"/></target>\n</segment>'
    ) in written
    assert open_text(written).segments[0].is_translated


def test_other_encodings_and_signs_outside_them() -> None:
    text = old(UNIT).replace("UTF-8", "ISO-8859-1").replace("bad", "b\xe4d")
    document = open_document(text.encode("latin-1"), DocumentOptions("en", "de"))
    assert document.segments[0].text == "Good & b\xe4d"
    written = document.render([("\xfc \u2192",)])
    assert b'<target state="translated">\xfc &#8594;</target>' in written
    document = open_document(b"\xef\xbb\xbf" + old(UNIT).encode(), DocumentOptions("en", "de"))
    assert document.render([None]) == b"\xef\xbb\xbf" + old(UNIT).encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<xliff version='1.2'>\n <file>", "line 2, column 8: no element found"),
        ("<xliff version='1.2'>\n<a></b></xliff>", "line 2, column 6: mismatched tag"),
        ("<html/>", "its root is <html> of version unknown, not XLIFF"),
        ("<a>" * 200, "line 1: more than 100 elements are nested"),
        ("<?xml version='1.0' encoding='x-none'?><a/>", "its encoding x-none is unknown"),
    ],
)
def test_what_is_no_xliff_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        open_text(text)


def test_entities_are_neither_read_nor_resolved() -> None:
    declared = '<!DOCTYPE xliff [<!ENTITY e SYSTEM "file:///etc/hostname"><!ENTITY a "aaaaaaaaaa">]>'
    text = old('<trans-unit id="1"><source>Good &e; &a; day</source></trans-unit>').replace("?>\n", f"?>\n{declared}\n")
    document = open_text(text)
    assert [piece.raw for piece in document.segments[0].content if isinstance(piece, Tag)] == ["&e;", "&a;"]
    assert render(document, None) == text
