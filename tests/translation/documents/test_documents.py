"""What holds for the documents of every format."""

from collections.abc import Sequence

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions, make_segment
from dragoman.translation.documents.opening import FORMATS, find_format, open_document
from dragoman.translation.documents.translating import render_identity, translate_segments
from dragoman.translation.markup.content import Role, Tag
from dragoman.translation.markup.document import MarkupText, TranslatedText
from tests.translation.documents.office.building import docx, odt, pptx, xlsx

OPTIONS = DocumentOptions("en", "de", columns=("text",))

SAMPLES = {
    "mail": b"Subject: Hello\r\nFrom: a@b.c\r\n\r\nGood morning.\r\n",
    "srt": b"1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Good day</i>\r\n\r\n2\r\n00:00:02,600 --> 00:00:04,000\r\n"
    b"{\\an8}A cat\r\nsleeps.\r\n",
    "vtt": b"WEBVTT - Title\n\nNOTE\nNothing\n\nintro\n00:01.000 --> 00:02.000 align:left\n<v Tom>One &amp; two.\n\n"
    b"00:02.000 --> 00:03.000\n- Yes.\n- <b>No</b>!\n",
    "apple": b'/* Note */\n"a.b" = "Good \\"day\\"\\n%@";\n// x\nkey = "Yes";\n',
    "csv": b'id,text,other\r\n1,"Good, ""day""",x\r\n2,Yes,y\r\n',
    "json": b'{"a": {"b": "Good \\"day\\"", "n": [1, "two", null, true]},\n  "c": "Yes <b>No</b>\\n"}\n',
    "properties": b"# Note\na.b = Good \\u00e4 day \\\n   and night\nc: It''s {0}\n! x\nd Yes\n",
    "yaml": b"en: # note\n  a: &x Good day\n  b: 'It''s'\n  c: \"say \\\"x\\\"\"\n"
    b"  d: |\n    One\n    two\n\n  e: *x\n  f: >-\n"
    b"    long\n    line\n\n    more\n  g: [one, 2, true]\n",
    "android": b"""<?xml version="1.0"?>\n<resources>\n  <string name="a">Don\\'t <b>go</b> &amp; stay</string>\n"""
    b"""  <plurals name="p"><item quantity="one">%d day</item><item quantity="other">%d days</item></plurals>\n"""
    b"""  <string name="c"><![CDATA[<i>Text</i>]]></string>\n</resources>\n""",
    "html": b"<!DOCTYPE html>\n<html lang=en>\n<p>  Good <b>m&ouml;rning</b>.\n <code>x &lt; 1</code></p>\n</html>",
    "markdown": b'---\ntitle: x\n---\n# The *great* `cat`\n\n> It is\n> [here](a.md "b") and\\\n> sleeps.\n\n'
    b"| One | Two \\| |\n|-|-|\n| big\t| **small** |\n\n```\ncode\n```\n\n<div>\nText <i>here</i>\n</div>\n",
    "xliff": b"""<xliff version="1.2"><file source-language="en" target-language="de" datatype="x">
    <body><trans-unit id="1">\n<source>Good <g id="1">day</g></source>
    <target state="translated">Good <g id="1">day</g></target></trans-unit></body></file></xliff>""",
    "po": b'msgid ""\nmsgstr ""\n"Language: de\\n"\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    b'#, c-format\nmsgid ""\n"A %d <b>file</b>\\n"\n"is here."\nmsgid_plural "Files"\n'
    b'msgstr[0]  ""\n"A %d <b>file</b>\\n"\n"is here."\nmsgstr[1] "Files"\n',
    "docx": docx("<w:p><w:r><w:t>Good morning.</w:t></w:r></w:p>"),
    "opendocument": odt("<text:p>Good morning.</text:p>"),
    "pptx": pptx("<a:p><a:r><a:t>Good morning.</a:t></a:r></a:p>"),
    "xlsx": xlsx("<si><t>Good morning.</t></si>"),
    "text": b"Good morning.\r\n\n  My house is big.\n123\n",
}
"""A document of each format."""


def shout(texts: Sequence[MarkupText]) -> list[TranslatedText]:
    return [TranslatedText(text.text.upper()) for text in texts]


def unkept(text: str) -> str:
    return text.replace("CAT", "cat").replace("X < 1", "x < 1")


def test_every_format_has_a_sample() -> None:
    assert SAMPLES.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_document_translated_by_itself_is_the_same(name: str) -> None:
    document = open_document(SAMPLES[name], name, "", OPTIONS)
    assert document.render([None] * len(document.segments)) == SAMPLES[name]
    assert render_identity(document) == SAMPLES[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_translated_document_can_be_opened_again(name: str) -> None:
    document = open_document(SAMPLES[name], name, "", OPTIONS)
    wanted = list(translate_segments(document.segments, shout, "en", retranslate=True))
    assert any(wanted)
    translated = document.render(wanted)
    assert translated != SAMPLES[name]
    again = open_document(translated, name, "", OPTIONS)
    assert [segment.is_kept for segment in again.segments] == [segment.is_kept for segment in document.segments]
    if not any(segment.is_translated for segment in document.segments):
        texts = [segment.text if segment.is_kept else segment.text.upper() for segment in document.segments]
        assert [unkept(segment.text) for segment in again.segments] == list(map(unkept, texts))


def test_xml_is_told_apart_by_its_content() -> None:
    assert find_format("strings.xml", b"<?xml version='1.0'?><resources>") == "android"
    assert find_format("texts.xml", b"<?xml version='1.0'?><xliff version='1.2'>") == "xliff"


def test_an_unknown_format_is_refused() -> None:
    assert find_format("a.xyz") is None
    with pytest.raises(InvalidInputError, match=r"a.xyz: is of no known format; name one of .*text"):
        open_document(b"", None, "a.xyz", OPTIONS)
    with pytest.raises(InvalidInputError, match='the format "doc" is unknown'):
        open_document(b"", "doc", "a.txt", OPTIONS)


def test_a_broken_document_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInputError, match=r"a\.txt: line 2, byte 3: is not UTF-8"):
        open_document(b"one\nab\xff", None, "a.txt", OPTIONS)


def test_a_segment_keeps_the_white_space_around_it() -> None:
    segment = make_segment((" \n", Tag("<b>", Role.OPEN), "Good", Tag("</b>", Role.CLOSE), " morning "))
    assert (segment.text, segment.lead, segment.trail, segment.is_kept) == ("Good morning", " \n", " ", False)
    assert make_segment((Tag("<x/>", shown="word"), " 12")).is_kept
