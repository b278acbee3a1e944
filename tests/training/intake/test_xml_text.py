"""XML with the faults that tools make."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.training.intake import xml_text
from dragoman.training.intake.xml_text import ReadableXml, mend


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("R & D", "R &amp; D"),
        ("AT&T; x", "AT&T; x"),  # an entity, for all we know
        ("a&b=c", "a&amp;b=c"),
        ("a < b <= c << d <5", "a &lt; b &lt;= c &lt;&lt; d &lt;5"),
        ("&amp; &lt; &#38; &#x26; &quot;", "&amp; &lt; &#38; &#x26; &quot;"),
        ("Caf&eacute;&nbsp;&copy;", "Café\xa0©"),
        ("&LT;b&GT;", "&lt;b&gt;"),
        ("&#xD83D;&#xDCD6; &#55357;&#56534; &#xd83d;&#56534;", "📖 📖 📖"),
        ("&#xDBFF;&#xDFFF;&#56319;&#57343;", "\U0010ffff\U0010ffff"),
        ("&#xD83D; alone &#56534;", "\ufffd alone \ufffd"),
        ("<![CDATA[R & D < &eacute;]]> & <!-- a & b -->", "<![CDATA[R & D < &eacute;]]> &amp; <!-- a & b -->"),
        ("<b>text</b>", "<b>text</b>"),
    ],
)
def test_faults_are_mended(written: str, meant: str) -> None:
    assert mend(written) == meant
    assert mend(meant) == meant


PARTS = st.lists(
    st.sampled_from(
        [
            "text ",
            "&",
            " & ",
            "&eacute;",
            "&#xD83D;&#xDCD6;",
            "&#55357;",
            "<",
            "< ",
            "<b>",
            "<![CDATA[ & ",
            "]]>",
            "ü",
            "<!-- & ",
            "-->",
            "&amp;",
            "x" * 70,
        ]
    ),
    max_size=40,
)


@given(PARTS, st.integers(1, 30))
def test_pieces_give_the_same_as_the_whole(parts: list[str], size: int) -> None:
    text = "<a>" + "".join(parts)

    class Slow(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            return super().read(size)

    stream = ReadableXml(Slow(text.encode()), "utf-8")
    assert b"".join(iter(stream.read, b"")).decode() == mend(text)


def test_the_declaration_and_what_precedes_it_go() -> None:
    stream = ReadableXml(io.BytesIO('\ufeff \n\n<?xml version="1.0" encoding="utf-16"?>\n<a/>'.encode()), "utf-8")
    assert b"".join(iter(stream.read, b"")) == b"\n<a/>"
    assert ReadableXml(io.BytesIO(b""), "utf-8").read() == b""


def test_what_never_ends_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_text, "_MAX_HELD", 100)
    stream = ReadableXml(io.BytesIO(b"<![CDATA[" + b"x" * 1_000_000), "utf-8")
    assert len(stream.read()) > 100_000
