"""HTML in tokens: where each ends, whatever is malformed, and that nothing is lost."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.translation.markup.tokens import Kind, tokenize
from tests.translation.markup.html_texts import html_texts, well_formed


def kinds(html: str) -> list[tuple[str, str]]:
    return [(token.kind.name, token.raw) for token in tokenize(html)]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("a < b <3 &amp; c", [("TEXT", "a < b <3 &amp; c")]),
        ('<A href="x>y">z</A >', [("START", '<A href="x>y">'), ("TEXT", "z"), ("END", "</A >")]),
        ("<a b='>' c=\"d\"e=f\">", [("START", "<a b='>' c=\"d\"e=f\">")]),
        ('<a b=c"d>e', [("START", '<a b=c"d>'), ("TEXT", "e")]),
        ("<!-- a > b --!>c<!-->d<!--->e", [("COMMENT", x) if x[0] == "<" else ("TEXT", x) for x in (
            "<!-- a > b --!>", "c", "<!-->", "d", "<!--->", "e")]),
        ("<!DOCTYPE html></>x</ y><?z?>", [
            ("COMMENT", "<!DOCTYPE html>"), ("COMMENT", "</>"), ("TEXT", "x"), ("COMMENT", "</ y>"),
            ("COMMENT", "<?z?>")]),
        ("<script>a<b>'</p>'</SCRIPT x>y", [
            ("START", "<script>"), ("RAW", "a<b>'</p>'"), ("END", "</SCRIPT x>"), ("TEXT", "y")]),
        ("<title>a<b>&lt;</title>", [("START", "<title>"), ("TEXT", "a<b>&lt;"), ("END", "</title>")]),
        ("<style>a", [("START", "<style>"), ("RAW", "a")]),
        ("x<a b=\"c>d", [("TEXT", "x"), ("RAW", "<a b=\"c>d")]),
        ("<!-- a", [("RAW", "<!-- a")]),
        ("</a", [("RAW", "</a")]),
    ],
)  # fmt: skip
def test_tokens_end_where_the_standard_has_it(html: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(html) == expected


def test_what_a_tag_tells() -> None:
    (token,) = tokenize('<SPAN title="translate" CLASS="a notranslate" class="b">')
    assert (token.name, token.is_kept, token.is_void) == ("span", True, False)
    assert [next(tokenize(html)).is_kept for html in ("<p translate=NO>", "<p translate='no'>")] == [True, True]
    assert [
        next(tokenize(html)).is_kept for html in ('<p translate="yes">', "<translate no>", "<p class=translate>")
    ] == [False] * 3
    assert [next(tokenize(html)).is_void for html in ("<br>", "<x/>", "<IMG src=a>", "<b>")] == [
        True,
        True,
        True,
        False,
    ]


@given(st.one_of(html_texts(), st.text()))
def test_nothing_is_lost(html: str) -> None:
    assert "".join(token.raw for token in tokenize(html)) == html


@given(well_formed())
def test_python_s_parser_sees_the_same_tags(html: str) -> None:
    class Parser(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            self.tags.append(f"/{tag}")

    parser = Parser()
    parser.feed(html)
    parser.close()
    mine = [
        token.name if token.kind is Kind.START else f"/{token.name}"
        for token in tokenize(html)
        if token.kind in (Kind.START, Kind.END)
    ]
    assert mine == parser.tags


@pytest.mark.parametrize(
    "part",
    ["<a ", "<!--", "<![x", "&#", '<a b="', "</", "<script>", "<", "<title>", "<a translate ", "<p translate=no>"],
)
def test_a_hostile_document_takes_no_longer_than_any_other(part: str) -> None:
    html = part * (1_000_000 // len(part))  # of quadratic time it would take hours, and this test time out
    num_characters = num_kept = 0
    for token in tokenize(html):
        num_characters += len(token.raw)
        num_kept += token.is_kept
    assert num_characters == len(html)
    assert bool(num_kept) == ("translate=no" in part)
