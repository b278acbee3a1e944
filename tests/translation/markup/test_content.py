"""Text with tags: what a reader gives comes back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.translation.markup.content import Content, Role, Tag, read_content, write_content
from dragoman.translation.markup.document import TranslatedText, place_elements, split_marked

_PIECES = st.one_of(
    st.sampled_from(["Good ", "morning", " ", "."]),
    st.builds(Tag, st.sampled_from(["<a>", "<b>"]), st.just(Role.OPEN)),
    st.builds(Tag, st.sampled_from(["</a>", "</b>"]), st.just(Role.CLOSE)),
    st.builds(Tag, st.sampled_from(["<x/>", "<y/>"]), st.just(Role.SINGLE), st.sampled_from(["", "code"])),
)


def _raw(content: Content) -> str:
    return "".join(piece.raw if isinstance(piece, Tag) else piece for piece in content)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=12))
def test_what_was_read_is_written(pieces: list[str | Tag]) -> None:
    assert _raw(write_content(*read_content(pieces))) == _raw(tuple(pieces))


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=12))
def test_every_tag_is_placed_once(pieces: list[str | Tag]) -> None:
    text, elements = read_content(pieces)
    texts = split_marked(text, elements, "en")
    placed = place_elements(elements, texts, [TranslatedText(part.text.upper()) for part in texts])
    raws = sorted(piece.raw for piece in pieces if isinstance(piece, Tag))
    assert sorted(piece.raw for piece in placed if isinstance(piece, Tag)) == raws


def test_a_pair_encloses_what_became_of_its_words() -> None:
    content = ("The ", Tag("<b>", Role.OPEN), "cat", Tag("</b>", Role.CLOSE), Tag("<x/>"), " sleeps.")
    text, elements = read_content(content)
    texts = split_marked(text, elements, "en")
    assert [text.needs_alignment for text in texts] == [True]
    placed = place_elements(elements, texts, [TranslatedText("Die Katze schläft.")])
    assert _raw(placed) == "Die <b>Katze</b><x/> schläft."


def test_a_single_tag_between_spaces_stays_between_spaces() -> None:
    text, elements = read_content(("The ", Tag("<x/>"), " cat sleeps."))
    assert text == "The cat sleeps."
    placed = place_elements(elements, split_marked(text, elements, "en"), [TranslatedText("Die Katze schläft.")])
    assert _raw(placed) == "Die <x/> Katze schläft."
