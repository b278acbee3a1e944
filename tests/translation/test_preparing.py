"""A text becomes segments that fit, and the text again."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.shortlist import CandidateLists, Shortlist
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.translation.drafts import PreparedText
from dragoman.translation.preparing import MAX_ATTENTION_PIECES, Preparer
from tests.pieces import EOS_ID, encode_source

EN_DE = Direction("en", "de")
ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from("abc  .!?,\n\t\r\x07\u2028\u200b\u00a0é日ﷺ\ud800😀"))


@pytest.fixture(scope="module")
def preparer(tiny_vocabulary: Vocabulary) -> Preparer:
    return Preparer(tiny_vocabulary, max_source_length=32, max_target_length=64)


def prepare(preparer: Preparer, text: str, *, split: bool = True, **options: Any) -> PreparedText:
    return preparer.prepare(text, EN_DE, SearchOptions(**options), split=split)


def put_together(prepared: PreparedText) -> str:
    parts = itertools.zip_longest(prepared.gaps, (draft.source for draft in prepared.drafts), fillvalue="")
    return "".join(gap + text for gap, text in parts)


@given(text=ANY_TEXT, split=st.booleans())
def test_segments_and_gaps_are_the_text(tiny_vocabulary: Vocabulary, text: str, split: bool) -> None:
    preparer = Preparer(tiny_vocabulary, max_source_length=32 if split else 10_000, max_target_length=64)
    prepared = prepare(preparer, text, split=split)
    assert prepared.text == put_together(prepared) == text
    assert len(prepared.gaps) == len(prepared.segments) + 1


@given(text=ANY_TEXT | ANY_TEXT.map(lambda text: 20 * text))
def test_every_segment_fits_and_says_something(preparer: Preparer, tiny_vocabulary: Vocabulary, text: str) -> None:
    prepared = prepare(preparer, text)
    for segment, draft in zip(prepared.segments, prepared.drafts, strict=True):
        assert 3 <= len(segment.source_ids) <= 32
        assert list(segment.source_ids) == encode_source(tiny_vocabulary, draft.text, EN_DE)
        assert draft.text == draft.text.strip()


@given(text=ANY_TEXT)
def test_nothing_that_has_pieces_is_left_in_a_gap(preparer: Preparer, tiny_vocabulary: Vocabulary, text: str) -> None:
    for gap in prepare(preparer, text).gaps:
        assert all(not tiny_vocabulary.source.encode(part.strip()) for part in gap.splitlines())


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u200b", "\x07"])
def test_a_blank_text_has_no_segments(preparer: Preparer, text: str, split: bool) -> None:
    prepared = prepare(preparer, text, split=split)
    assert (prepared.segments, prepared.gaps) == ((), (text,))


def test_what_has_no_pieces_belongs_to_a_gap(preparer: Preparer) -> None:
    prepared = prepare(preparer, "\u200b\nThe dog.\n \x07\n The cat. ")
    assert [draft.source for draft in prepared.drafts] == ["The dog.", "The cat."]
    assert prepared.gaps == ("\u200b\n", "\n \x07\n ", " ")


def test_the_source_language_tells_where_sentences_end(preparer: Preparer) -> None:
    text = "Im 19. Jahrhundert."
    assert len(preparer.prepare(text, Direction("de", "en"), SearchOptions(), split=True).segments) == 1
    assert len(preparer.prepare(text, Direction("en", "de"), SearchOptions(), split=True).segments) == 2


# Options


def test_a_prefix_begins_the_text_and_no_later_segment(preparer: Preparer, tiny_vocabulary: Vocabulary) -> None:
    first, second = prepare(preparer, "The dog. The house.", target_prefix="Der Hund").segments
    assert tiny_vocabulary.target.decode(first.prefix_ids) == "Der Hund"
    assert EOS_ID not in first.prefix_ids
    assert second.prefix_ids == ()


def test_a_prefix_must_leave_room_for_more(preparer: Preparer, tiny_vocabulary: Vocabulary) -> None:
    num_pieces = len(tiny_vocabulary.target.encode("Der Hund"))
    with pytest.raises(InvalidInputError, match=f"target_prefix has {num_pieces} pieces, but the target may have 2 "):
        prepare(preparer, "The dog", target_prefix="Der Hund", max_target_length=2)
    prepare(preparer, "The dog", target_prefix="Der Hund", max_target_length=num_pieces + 1)
    with pytest.raises(InvalidInputError, match="pieces, but the target may have 64 with the end of sentence"):
        prepare(preparer, "The dog", target_prefix="Ω" * 64)


def test_a_prefix_that_no_translation_may_hold_is_refused(tiny_sentences: list[str]) -> None:
    options = PieceModelOptions(size=120, type="bpe", byte_fallback=False)
    pieces = train_piece_model(tiny_sentences, options, languages=["en", "de"])
    preparer = Preparer(Vocabulary(pieces, pieces), max_source_length=32, max_target_length=64)
    with pytest.raises(InvalidInputError, match='target_prefix "Ω" has a character that no translation can hold'):
        prepare(preparer, "The dog", target_prefix="Ω")


def test_suppressed_pieces_become_ids(preparer: Preparer, tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(preparer, "The dog", suppressed_pieces=("▁H", "▁D"))
    assert tiny_vocabulary.target.pieces(prepared.segments[0].suppressed_ids) == ("▁H", "▁D")
    assert prepare(preparer, "The dog").segments[0].suppressed_ids == ()


@pytest.mark.parametrize("piece", ["no such piece", "\ud800", "Hund Hund"])
def test_an_unknown_piece_cannot_be_suppressed(preparer: Preparer, piece: str) -> None:
    with pytest.raises(InvalidInputError, match=f'suppressed_pieces: the target vocabulary has no piece "{piece}"'):
        prepare(preparer, "The dog", suppressed_pieces=("▁H", piece))


def test_the_end_of_sentence_cannot_be_suppressed(preparer: Preparer) -> None:
    with pytest.raises(InvalidInputError, match="suppressed_pieces: the end of sentence cannot be suppressed"):
        prepare(preparer, "The dog", suppressed_pieces=("</s>",))


def test_attention_is_for_texts_of_bounded_size(preparer: Preparer) -> None:
    prepare(preparer, "The dog. " * 20, return_attention=True)
    prepare(preparer, "The dog. " * 2000)
    with pytest.raises(
        InvalidInputError, match=f"attention and alignment are possible for {MAX_ATTENTION_PIECES} at most"
    ):
        prepare(preparer, "The dog. " * 2000, return_attention=True)


def test_a_shortlist_tells_what_each_segment_may_be_made_of(tiny_vocabulary: Vocabulary) -> None:
    shape = tiny_vocabulary.shape
    offsets = np.arange(shape.source_size + 1)  # every piece brings itself
    candidates = CandidateLists(np.array([EOS_ID]), offsets, np.arange(shape.source_size))
    shortlist = Shortlist({EN_DE: candidates}, shape)
    preparer = Preparer(tiny_vocabulary, max_source_length=32, max_target_length=64, shortlist=shortlist)
    for segment in prepare(preparer, "The dog. The house.").segments:
        assert segment.allowed_ids is not None
        assert segment.allowed_ids.tolist() == sorted(set(segment.source_ids))
        assert segment.allowed_ids.dtype == np.int32
