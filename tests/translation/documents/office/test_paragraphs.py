"""Paragraphs as rows of items."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from dragoman.translation.documents.office.items import Close, Item, Kind, Open, Run, Style, Thing
from dragoman.translation.documents.office.paragraphs import Paragraph
from dragoman.translation.markup.content import Content, Role, Tag

PLAIN, BOLD = Style("", "plain"), Style("b", "bold")


def runs_and_things() -> st.SearchStrategy[Item]:
    texts = st.text(alphabet="ab.: \t\u00a0\u00ad_", max_size=6)
    runs: st.SearchStrategy[Item] = st.builds(Run, texts, st.sampled_from([PLAIN, BOLD, Style("i")]))
    kinds = st.sampled_from(Kind)
    things: st.SearchStrategy[Item] = st.builds(
        lambda kind, number: Thing(number, kind, "3" if kind is Kind.KEPT else "", pair=str(number % 2)),
        kinds,
        st.integers(0, 9),
    )
    return runs | things


def paragraphs() -> st.SearchStrategy[list[Item]]:
    def enclose(inner: st.SearchStrategy[list[Item]]) -> st.SearchStrategy[list[Item]]:
        wrapped = inner.map(lambda items: [Open("x"), *items, Close("x")])
        return st.lists(wrapped | inner, max_size=3).map(lambda lists: [item for items in lists for item in items])

    return st.recursive(st.lists(runs_and_things(), max_size=6), enclose, max_leaves=8)


def swap(contents: Sequence[Content]) -> list[Content]:
    """Each text with small letters for capitals and the other way round."""
    return [tuple(piece if isinstance(piece, Tag) else piece.swapcase() for piece in content) for content in contents]


def read(items: Sequence[Item]) -> str:
    return "".join("".join(item.text.split()) for item in items if isinstance(item, Run)).replace("\u00ad", "")


@given(paragraphs())
def test_nothing_changes_if_no_text_does(items: list[Item]) -> None:
    paragraph = Paragraph(items)
    assert paragraph.replace(paragraph.contents) is None


@given(paragraphs())
def test_no_text_and_no_object_is_lost(items: list[Item]) -> None:
    paragraph = Paragraph(items)
    replaced = paragraph.replace(swap(paragraph.contents))
    if replaced is None:
        assert not paragraph.contents
        return
    assert read(replaced).lower() == read(items)
    assert [item for item in items if isinstance(item, Open | Close)] == [
        item for item in replaced if isinstance(item, Open | Close)
    ]
    assert sorted(str(item) for item in items if isinstance(item, Thing)) == sorted(
        str(item) for item in replaced if isinstance(item, Thing)
    )


@given(paragraphs())
def test_each_letter_keeps_its_look(items: list[Item]) -> None:
    def looks(items: Sequence[Item]) -> list[tuple[str, str]]:
        runs = (item for item in items if isinstance(item, Run))
        return [(letter.lower(), run.style.key) for run in runs for letter in run.text if letter.isalpha()]

    paragraph = Paragraph(items)
    replaced = paragraph.replace(swap(paragraph.contents))
    assert replaced is None or looks(replaced) == looks(items)


def test_what_is_kept_never_touches_a_word() -> None:
    one, two = Thing("one", Kind.KEPT, "1"), Thing("two", Kind.KEPT, "2")
    paragraph = Paragraph([Run("Page ", PLAIN), one, Run(" of ", PLAIN), two, Run(".", PLAIN)])
    first, second = (piece for piece in paragraph.contents[0] if isinstance(piece, Tag))
    assert paragraph.replace([("Seite", first, second, ".")]) == [
        Run("Seite", PLAIN),
        Run(" ", PLAIN),
        one,
        Run(" ", PLAIN),
        two,
        Run(".", PLAIN),
    ]


def test_ranges_without_words_are_points_that_the_ends_lose() -> None:
    empty = [Thing("first", Kind.FIRST, pair="x"), Thing("last", Kind.LAST, pair="x")]
    assert Paragraph([*empty, Run("a house", PLAIN)]).contents == [("a house",)]
    assert Paragraph([Run("a house", PLAIN), *empty]).contents == [("a house",)]
    (content,) = Paragraph([Run("a ", PLAIN), *empty, Run("house", PLAIN)]).contents
    assert [piece.role for piece in content if isinstance(piece, Tag)] == [Role.SINGLE, Role.SINGLE]


def test_kept_words_that_are_equal_keep_their_order() -> None:
    one, two = Thing("one", Kind.KEPT, "1"), Thing("two", Kind.KEPT, "1")
    paragraph = Paragraph([Run("Page ", PLAIN), one, Run(" of ", PLAIN), two])
    first, second = (piece for piece in paragraph.contents[0] if isinstance(piece, Tag))
    replaced = paragraph.replace([("Seite ", second, " von ", first)])
    assert replaced == [Run("Seite ", PLAIN), one, Run(" von ", PLAIN), two]


def test_the_order_of_tags_is_that_of_the_translation() -> None:
    paragraph = Paragraph([Run("the ", PLAIN), Run("red", BOLD), Run(" car", PLAIN)])
    begin, end = (piece for piece in paragraph.contents[0] if isinstance(piece, Tag))
    assert paragraph.replace([("la voiture ", begin, "rouge", end)]) == [Run("la voiture ", PLAIN), Run("rouge", BOLD)]
