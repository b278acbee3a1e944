"""HTML translated: what is translated, where tags come to stand, and what stays as it is."""

import re
from collections import Counter
from html import unescape

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dragoman.translation.markup.document import Document, MarkupText, TranslatedText
from dragoman.translation.markup.segments import BLOCK_ELEMENTS, MAX_INLINE_TAGS
from dragoman.translation.markup.tokens import Kind, tokenize
from tests.translation.markup.html_texts import html_texts, inline_texts, scraps, well_formed


def in_capitals(text: str) -> TranslatedText:
    """A translation word by word."""
    return TranslatedText(text.upper(), np.eye(len(text.split()), dtype=np.float32))


def unchanged(text: str) -> TranslatedText:
    return TranslatedText(text, np.eye(len(text.split()), dtype=np.float32))


def in_reverse(text: str) -> TranslatedText:
    """A translation that begins with the last word."""
    words = text.split()
    return TranslatedText(" ".join(reversed(words)), np.eye(len(words), dtype=np.float32)[::-1])


def without_alignment(text: str) -> TranslatedText:
    return TranslatedText(text.upper())


def translate(html: str, make: "type[TranslatedText] | object" = in_capitals) -> str:
    assert callable(make)
    document = Document(html, "en")
    return document.render([make(text.text) for text in document.texts])


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("Hello", "HELLO"),
        ("<p>Hello <b>big</b> world.</p>", "<p>HELLO <b>BIG</b> WORLD.</p>"),
        ("<p>a</p>\n  <p class='x'> b </p>", "<p>A</p>\n  <p class='x'> B </p>"),
        ("one<br>two <br/> three", "ONE<br>TWO <br/>THREE"),
        ("H<sub>2</sub>O and CO<sub>2</sub>.", "H<sub>2</sub>O AND CO<sub>2</sub>."),
        ("see <a href='?a&b'>it</a>, now", "SEE <a href='?a&b'>IT</a>, NOW"),
        ("x <img src=1> y", "X <img src=1> Y"),
        ("a <i></i>b", "A <i></i>B"),
        ("<b><i>a</i> b</b> <u>c</u>", "<b><i>A</i> B</b> <u>C</u>"),
        ("AT&amp;T &lt;b&gt; &eacute;&nbsp;x", "AT&amp;T &lt;B&gt; É&nbsp;X"),
        ("AT&T &unknown; 1 < 2", "AT&amp;T &amp;UNKNOWN; 1 &lt; 2"),
        ("one\n\ttwo", "ONE TWO"),
        ("<pre>one\n\ttwo</pre>", "<pre>ONE\n\tTWO</pre>"),
        ("<ul><li>a<li>b</ul>", "<ul><li>A<li>B</ul>"),
        ("<title>a<b>&amp;</title>", "<title>A&lt;B&gt;&amp;</title>"),
        ("<img alt='a b' title=c>", "<img alt='a b' title=c>"),
        ("— … &nbsp;<b>·</b>", "— … &nbsp;<b>·</b>"),
        ("foo</i><b> bar</b>", "FOO</i><b> BAR</b>"),
        ("<button>Save </button><b> now</b>", "<button>SAVE </button><b> NOW</b>"),
        ("<b>foo </b></i>bar", "<b>FOO </b></i>BAR"),
        ("<p><b> a</b> c <i>d </i></p>", "<p> <b>A</b> C <i>D</i> </p>"),
        ("<i><!-- a --> b <!-- c --></i>", "<i><!-- a --> B <!-- c --></i>"),
        ("x <svg></svg> y", "X <svg></svg> Y"),
        ("x <a href=1><img></a> y", "X <a href=1><img></a> Y"),
        ("x <img><b> y</b>", "X <img> <b>Y</b>"),
        ("<i> <img> one</i>one", " <i><img> ONE</i>ONE"),
        ("two<i>one <img> </i>", "TWO<i>ONE <img> </i>"),
        ("<pre><b>\n  a \n</b></pre>", "<pre><b>\n  A \n</b></pre>"),
        ("<b>one<br></b>", "<b>ONE<br></b>"),
        ("see <svg><title>a b</title></svg> it", "SEE <svg><title>a b</title></svg> IT"),
        ("a <svg><title/></svg> b <i>c</i>", "A <svg><title/></svg> B <i>C</i>"),
        ("a <svg><![CDATA[ > ]]></svg> b", "A <svg><![CDATA[ > ]]></svg> B"),
    ],
)
def test_tags_stay_in_place(html: str, expected: str) -> None:
    assert translate(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("the <b>red house</b> burns", "burns <b>house red</b> the"),
        ("the <b>red <i>big</i></b> house", "house <b><i>big</i> red</b> the"),
        ("<b>a</b> <i>b</i>", "<i>b</i> <b>a</b>"),
        ("a <b>house</b>, red", "red <b>house</b>, a"),
        ("<a>all of it</a>", "<a>it of all</a>"),
        ("use <code>f( x )</code> now", "now <code>f( x )</code> use"),
        ("the <img src=1>house burns", "burns <img src=1>house the"),
        ("one<span class=icon></span> two", "two one<span class=icon></span>"),
    ],
)
def test_tags_go_with_their_words(html: str, expected: str) -> None:
    assert translate(html, in_reverse) == expected


@pytest.mark.parametrize(
    "kept",
    [
        "<script>a('b c')</script>",
        "<style>p {}</style>",
        "<!-- a b -->",
        "<code>a b</code>",
        "<div translate=no>a <p>b</p></div>",
        "<p class='x notranslate'>a <b>b</b></p>",
        "<svg><text>a b</text></svg>",
        "<iframe>a <b> c</iframe>",
        "<span translate=no>a b <code>c</code></span>",
        "<span translate=no>a <span>b</span> c</span>",
    ],
)
def test_what_must_not_be_translated_stays(kept: str) -> None:
    assert translate(f"<p>one</p>{kept}<p>two</p>") == f"<p>ONE</p>{kept}<p>TWO</p>"
    assert kept in translate(f"one {kept} two")


def test_a_picture_with_a_title_does_not_cut_its_sentence() -> None:
    picture = "<svg><title>Home</title></svg>"
    assert [text.text for text in Document(f"Go {picture} home.", "en").texts] == ["Go home."]
    kept = f"<span translate=no>{picture} Dragoman</span>"
    assert [text.text for text in Document(f"Ask {kept} today.", "en").texts] == ["Ask Dragoman today."]


def test_white_space_at_the_edge_stays_there_when_its_element_moves() -> None:
    assert translate("x</i><b> one</b> two", in_reverse) == "x</i> two <b>one</b>"
    assert translate("two <b>one </b></i>x", in_reverse) == "<b>one</b> two </i>x"


def test_a_kept_element_without_end_ends_with_its_block() -> None:
    assert translate("<p translate=no>one<p>two") == "<p translate=no>one<p>TWO"


def test_a_name_takes_part_in_its_sentence() -> None:
    (text,) = Document("<span translate=no>Dragoman</span> helps", "en").texts
    assert text == MarkupText("Dragoman helps", True)
    names = " ".join(["long"] * 9)
    (text,) = Document(f"<span translate=no>{names}</span> helps", "en").texts
    assert text.text == "helps"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("one <b>two", "ONE <b>TWO"),
        ("one</b> two", "ONE</b> TWO"),
        ("<b>one<i>two</b>three</i>", "<b>ONE<i>TWO</b>THREE</i>"),
        ("<b>one</i> two</b>", "<b>ONE</i> TWO</b>"),
        ("<b>one<p>two</b></p>", "<b>ONE<p>TWO</b></p>"),
        ("one <a href='two", "ONE <a href='two"),
        ("one <!-- two", "ONE <!-- two"),
        ("<script>one", "<script>one"),
        ("one</p></div>", "ONE</p></div>"),
    ],
)
def test_malformed_html_stays_in_order(html: str, expected: str) -> None:
    assert translate(html) == expected
    assert Counter(map(str.lower, re.findall(r"\w+", translate(html, in_reverse)))) == Counter(re.findall(r"\w+", html))


def test_alignment_is_asked_for_only_where_tags_could_move() -> None:
    html = "<p>plain</p><p><a>all</a></p><p><img>a <i></i></p><p>some <b>of</b> it</p>"
    assert [text.needs_alignment for text in Document(html, "en").texts] == [False, False, False, True]


def test_a_long_segment_is_aligned_sentence_by_sentence() -> None:
    html = "One two three <b>four</b> five. " * 100
    document = Document(f"<p>{html}</p>", "en")
    assert len(document.texts) > 1
    assert max(len(text.text) for text in document.texts) <= 900
    assert translate(f"<p>{html}</p>") == f"<p>{html.upper()}</p>".replace("<B>", "<b>").replace(
        "</B>", "</b>"
    ).replace(" </p>", " </p>")


def test_a_sentence_without_end_is_cut() -> None:
    html = "word " * 3000 + "<b>word</b> word"
    texts = Document(html, "en").texts
    assert "".join(text.text for text in texts) == "word " * 3000 + "word word"
    assert max(len(text.text) for text in texts) <= 900
    assert translate(html, without_alignment) == html.upper().replace("B>", "b>")


def test_a_long_text_within_a_tag_takes_little_memory() -> None:
    html = f"<b>{'word ' * 100_000}end</b>"
    assert translate(html, without_alignment) == html.upper().replace("B>", "b>")


def test_too_many_tags_are_borders() -> None:
    html = "<b>a</b> " * MAX_INLINE_TAGS
    assert len(Document(html, "en").texts) == MAX_INLINE_TAGS
    deep = "<b>" * 5000 + "word" + "</b>" * 5000
    assert translate(deep) == deep.replace("word", "WORD")


def test_weights_that_do_not_fit_are_no_harm() -> None:
    document = Document("one <b>two</b> three", "en")
    assert document.render([TranslatedText("UN DEUX", np.ones((3, 3), np.float32))]) == "UN <b>DEUX</b>"
    assert document.render([TranslatedText("UN DEUX", np.zeros((2, 3), np.float32))]) in (
        "<b></b>UN DEUX",
        "UN <b>DEUX</b>",
        "<b>UN</b> DEUX",
    )
    assert document.render([TranslatedText("")]) == "<b></b>"


def test_doubtful_words_do_not_mislead() -> None:
    """As attention has it: "den" comes as much from "never" as from "the", but stands apart from the rest."""
    document = Document("I have <b>never seen</b> the man", "en")
    weights = np.array(
        [
            [1, 0, 0, 0, 0, 0],  # Ich
            [0, 0.6, 0, 0.4, 0, 0],  # habe
            [0, 0, 0.52, 0, 0.48, 0],  # den
            [0, 0, 0, 0, 0, 1],  # Mann
            [0, 0, 0.8, 0, 0.2, 0],  # nie
            [0, 0, 0, 0.7, 0.3, 0],  # gesehen
        ],
        np.float32,
    )
    assert document.render([TranslatedText("Ich habe den Mann nie gesehen", weights)]) == (
        "Ich habe den Mann <b>nie gesehen</b>"
    )


MAKERS = st.sampled_from([in_capitals, in_reverse, without_alignment])


def tags_of(html: str) -> Counter[str]:
    return Counter(token.raw for token in tokenize(html) if token.kind in (Kind.START, Kind.END, Kind.COMMENT))


def is_nested(html: str) -> bool:
    """Whether every element ends after it began, and before the one around it."""
    open_names: list[str] = []
    for token in tokenize(html):
        if token.kind is Kind.START and not token.is_void:
            open_names.append(token.name)
        elif token.kind is Kind.END and (not open_names or open_names.pop() != token.name):
            return False
    return not open_names


@settings(max_examples=300)
@given(well_formed(), MAKERS)
def test_elements_survive_and_stay_nested(html: str, make: object) -> None:
    translated = translate(html, make)
    assert is_nested(html)
    assert is_nested(translated)
    assert tags_of(translated) == tags_of(html)
    blocks = [[t.raw for t in tokenize(text) if t.name in BLOCK_ELEMENTS] for text in (html, translated)]
    assert blocks[0] == blocks[1]


def text_of(html: str) -> str:
    """As a browser shows it."""
    text = "".join(
        " " if token.name == "br" else token.raw for token in tokenize(html) if token.kind is Kind.TEXT or token.name
    )
    return " ".join(unescape(re.sub(r"<[^>]*>", "", text)).split())


@settings(max_examples=300)
@given(inline_texts())
def test_no_text_is_lost(html: str) -> None:
    """With tags all is translated that would be without them, but for what is kept."""
    kept = re.compile(r"<(code|span translate|b class).*?</(code|span|b)>")
    shown, translated = (Counter(text_of(kept.sub("", text)).upper()) for text in (html, translate(html)))
    del shown[" "]
    assert translated >= shown
    if not kept.search(html):
        del translated[" "]
        assert translated == shown


@given(st.lists(st.sampled_from(["one", "two,", "<", "&", "Ende.", '"x"']), min_size=1).map(" ".join))
def test_without_tags_it_is_the_plain_translation(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    plain = in_reverse(text).text if any(map(str.isalnum, text)) else text
    assert unescape(translate(f"<p>{escaped}</p>", in_reverse)) == f"<p>{plain}</p>"


def shown(html: str) -> str:
    """In small letters what a browser shows: white space once, none beside a line end, a picture as a space."""
    marks = {"br": "\n", "img": " ", "svg": " "}
    parts = []
    for token in tokenize(html):
        if token.kind is Kind.TEXT:
            parts.append(re.sub(r"[ \t\n\f\r]+", " ", unescape(token.raw)))
        elif token.kind is not Kind.END or token.name in BLOCK_ELEMENTS:
            parts.append(marks.get(token.name, "\n" if token.name in BLOCK_ELEMENTS else ""))
    return re.sub(r" *\n *", "\n", re.sub(" +", " ", f"\n{''.join(parts)}\n")).lower()


@settings(max_examples=500)
@given(scraps())
def test_white_space_is_shown_as_before(html: str) -> None:
    assert shown(translate(html, unchanged)) == shown(html)


@settings(max_examples=500)
@given(html_texts(), MAKERS)
@example("Two words.<code>Two words.", in_reverse)
def test_nothing_crashes_and_all_tags_stay(html: str, make: object) -> None:
    translated = translate(html, make)
    assert tags_of(translated) == tags_of(html)
    for word in ("word", "two", "文"):
        assert translated.lower().count(word) >= html.lower().count(word)


def test_each_text_has_its_place_in_both_documents() -> None:
    html = "<p> one <b>two</b> </p>\n<ul><li>three</ul>"
    document = Document(html, "en")
    rendered = document.render_segments([in_capitals(text.text * 2) for text in document.texts])
    target = "".join(rendered)
    assert target == document.render([in_capitals(text.text * 2) for text in document.texts])
    found = [(html[slice(*source)], target[slice(*of_target)]) for source, of_target in document.places(rendered)]
    assert [source for source, _ in found] == ["one <b>two</b>", "three"]
    assert found[1][1] == "THREETHREE"
    assert found[0][1].startswith("ONE")
