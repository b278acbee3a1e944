"""Markdown: what is not text stays, what is stays Markdown."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dragoman.translation.documents.document import DocumentOptions
from dragoman.translation.documents.spliced import SplicedDocument
from dragoman.translation.documents.texts.markdown import open_document
from dragoman.translation.documents.translating import render_identity, translate_segments
from dragoman.translation.markup.document import MarkupText, TranslatedText


def open_text(text: str) -> SplicedDocument:
    return open_document(text.encode(), DocumentOptions())


def translate(text: str, words: dict[str, str] | None = None) -> str:
    def look_up(texts: Sequence[MarkupText]) -> list[TranslatedText]:
        return [TranslatedText((words or {}).get(text.text, text.text.upper())) for text in texts]

    document = open_text(text)
    return document.render(list(translate_segments(document.segments, look_up, "en"))).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# Title #\n", "# TITLE #\n"),
        ("Title\n=====\n", "TITLE\n=====\n"),
        ("- one\n  - two\n1. three\n", "- ONE\n  - TWO\n1. THREE\n"),
        ("- [x] done\n- [ ] to do\n", "- [x] DONE\n- [ ] TO DO\n"),
        ("> [!NOTE]\n> Read this.\n", "> [!NOTE]\n> READ THIS.\n"),
        ("A **bold** and _slanted_ word.\n", "A **BOLD** AND _SLANTED_ WORD.\n"),
        ("Run `make x` now\n", "RUN `make x` NOW\n"),
        ("See [the docs](docs.md 'Title') or <https://x.org>.\n", "SEE [THE DOCS](docs.md 'Title') OR <https://x.org>.\n"),
        ("See [docs].\n\n[docs]: x.md\n", "SEE [DOCS][docs].\n\n[docs]: x.md\n"),
        ("![a picture](a.png) Text[^1]\n\n[^1]: Note\n", "![a picture](a.png) TEXT[^1]\n\n[^1]: NOTE\n"),
        ("first  \nsecond\\\nthird\n", "FIRST  \nSECOND\\\nTHIRD\n"),
        ("    code\n\n```\nmore code\n```\n", "    code\n\n```\nmore code\n```\n"),
        ("| a | b\\|c |\n|---|:-:|\n| d |  *e*  |\n", "| A | B\\|C |\n|---|:-:|\n| D |  *E*  |\n"),
        ("a < b & c \\* d &amp; snake_case __\n", "A < B & C * D & SNAKE_CASE \\_\\_\n"),
        ("Good :wave: bye\n", "GOOD :wave: BYE\n"),
        ("line\r\n\r\n* item\r\n", "LINE\r\n\r\n* ITEM\r\n"),
        ("<p>\nHTML <b>text</b>\n</p>\n\n# Title\n", "<p>\nHTML <b>TEXT</b>\n</p>\n\n# TITLE\n"),
        ("---\ntitle: Mine\n---\ntext\n", "---\ntitle: Mine\n---\nTEXT\n"),
    ],
)  # fmt: skip
def test_only_texts_change(before: str, after: str) -> None:
    assert translate(before) == after


def test_an_element_around_code_alone_is_one_with_it() -> None:
    (segment,) = open_text("Run [**`make`**](x) and [![b](c)](d).\n").segments
    assert [(element.start, element.kept_text) for element in segment.elements] == [
        ("[**`make`**](x)", "make"),
        ("[![b](c)](d)", None),
    ]


def test_a_wrapped_paragraph_is_wrapped_again_behind_its_marks() -> None:
    text = "> * one two\n>   three four\n>   five\n"
    assert [segment.text for segment in open_text(text).segments] == ["one two three four five"]
    longer = "- eins zwei drei vier 1. sechs"
    assert (
        translate(text, {"one two three four five": longer}) == "> * \\- eins\n>   zwei drei\n>   vier 1.\n>   sechs\n"
    )


def test_what_a_translation_holds_is_no_markup() -> None:
    assert translate("text\n", {"text": "# 1 *a* `b` [c](d) <e> \u00a0"}).strip() == (
        "\\# 1 \\*a\\* \\`b\\` [c\\](d) \\<e> &nbsp;"
    )
    assert translate("an _old_ word\n", {"an old word": "einaltes Wort"}).count("*") in (0, 2)


_SCRAPS = ["word ", "Two", "*", "**", "_", "`", "[", "](x)", "]", "<b>", "</b>", "\n", "\n\n", "- ", "> ", "# ", "|",
           "\\", "  \n", "&amp;", "![", "~~", "1. ", "    ", "---\n", "<!-- -->", "\r\n", "é", "\t",
           "[^1]"]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(_SCRAPS), max_size=25).map("".join))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    document = open_text(text)
    assert document.render([None] * len(document.segments)) == text.encode()
    assert render_identity(document) == text.encode()
    translate(text)


def test_the_blocks_stay_the_same() -> None:
    text = "# A\n\nb *c*\nd\n\n- e\n  f\n\n  > g\n\n| h | i |\n|-|-|\n| j | k |\n\n```\nl\n```\n"
    parser = MarkdownIt("commonmark").enable("table")
    kinds = [[token.type for token in parser.parse(found)] for found in (text, translate(text))]
    assert kinds[0] == kinds[1]
