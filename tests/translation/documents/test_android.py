"""Android's strings.xml."""

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.catalogues.android import open_document
from dragoman.translation.documents.document import DocumentOptions
from dragoman.translation.documents.spliced import SplicedDocument
from dragoman.translation.documents.translating import render_identity


def open_strings(inner: str, language: str = "de") -> SplicedDocument:
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<resources>\n{inner}\n</resources>\n'
    return open_document(text.encode(), DocumentOptions("en", language))


@pytest.mark.parametrize(
    ("raw", "text", "written"),
    [
        (r"Don\'t\n\u00e4", "Don't\nä", r"Don\'t\nä"),
        ('"It\'s  wide"', "It's  wide", '"It\'s  wide"'),
        ("two\n    lines", "two lines", "two lines"),
        (r"\@home \"x\" &lt;b>", '@home "x" <b>', r"\@home \"x\" &lt;b&gt;"),
        ("&lt;b>Bold&lt;/b> word", "Bold word", "&lt;b&gt;Bold&lt;/b&gt; word"),
        ("<![CDATA[<b>It\\'s</b> & more]]>", "It's & more", "<![CDATA[<b>It\\'s</b> & more]]>"),
        ('Hi <xliff:g id="n">%s</xliff:g>!', "Hi %s!", 'Hi <xliff:g id="n">%s</xliff:g>!'),
    ],
)  # fmt: skip
def test_escapes_are_read_and_written(raw: str, text: str, written: str) -> None:
    document = open_strings(f'<string name="a" xmlns:xliff="x">{raw}</string>')
    (segment,) = document.segments
    assert segment.text == text
    assert f">{raw}<" in render_identity(document).decode()
    changed = document.render([(*segment.content, "?")]).decode()
    assert f">{written}?<" in changed or f'>{written[:-1]}?"<' in changed or f">{written[:-3]}?]]><" in changed


def test_what_is_not_translatable_is_left_alone() -> None:
    document = open_strings(
        '<string name="a" translatable="false">Name</string><string name="b">@string/c</string><string name="d"/>'
        '<color name="e">#fff</color><string-array name="f"><item>One</item><item>Two</item></string-array>'
    )
    assert [(segment.context, segment.text) for segment in document.segments] == [("f", "One"), ("f", "Two")]


def test_plural_forms_that_the_source_has_not_are_added() -> None:
    inner = (
        '<plurals name="p">\n  <item quantity="one">%d day</item>\n  <item quantity="other">%d days</item>\n</plurals>'
    )
    assert render_identity(open_strings(inner, "pl")).decode().count("<item") == 2
    written = open_strings(inner, "pl").render([("%d dzień",), ("%d dni",)]).decode()
    assert (
        '  <item quantity="one">%d dzień</item>\n  <item quantity="other">%d dni</item>\n'
        '  <item quantity="few">%d dni</item>\n  <item quantity="many">%d dni</item>\n</plurals>'
    ) in written


def test_another_kind_of_xml_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="its root is <html>, not <resources>"):
        open_document(b"<html/>", DocumentOptions())
