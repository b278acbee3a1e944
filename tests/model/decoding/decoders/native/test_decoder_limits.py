"""What a kernels' decoder refuses, before it touches memory that is not its own."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Admission, Given, PieceLists, Rows
from dragoman.model.decoding.decoders.native.decoder import NativeDecoder, is_available
from dragoman.model.errors import InvalidInputError
from tests.model.decoding.decoders.native.networks import Play, Sentence, all_of, make_decoder, make_network

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

NETWORK = make_network(
    vocabulary=VocabularyShape(source_size=50, target_size=75, joint=False),
    tied_embeddings="none",
    max_source_length=20,
    max_target_length=10,
)


def decoder_with_a_sentence() -> tuple[NativeDecoder, Rows]:
    decoder, play = make_decoder(NETWORK), Play()
    play.admit(decoder, sentences=[Sentence(2, [5, 6, 3], beam_size=2)])
    return decoder, play.rows()


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        (Sentence(6, [5, 3], beam_size=1), "there is no slot 6"),
        (Sentence(-1, [5, 3], beam_size=1), "there is no slot -1"),
        (Sentence(0, [5, 50], beam_size=1), "there is no source piece 50"),
        (Sentence(0, [-1, 3], beam_size=1), "there is no source piece -1"),
        (Sentence(0, [], beam_size=1), "a source of 0 pieces; 1 to 20 are possible"),
        (Sentence(0, [5] * 21, beam_size=1), "a source of 21 pieces; 1 to 20 are possible"),
        (Sentence(0, [5, 3], beam_size=0), "a beam of 0"),
        (Sentence(0, [5, 3], 1, allowed_ids=np.array([3, 75], np.int32)), "there is no target piece 75"),
        (Sentence(0, [5, 3], 1, allowed_ids=np.array([-1, 3], np.int32)), "there is no target piece -1"),
        (Sentence(0, [5, 3], 1, allowed_ids=np.array([], np.int32)), "no target piece is allowed"),
    ],
)
def test_a_sentence_that_cannot_be_encoded_is_refused(sentence: Sentence, message: str) -> None:
    decoder = make_decoder(NETWORK)
    other = Sentence(1, [5, 3], beam_size=1, keep_attention=True)
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        Play().admit(decoder, sentences=[other, sentence])
    with pytest.raises(AssertionError, match="keep_attention"):
        decoder.attention(1)  # it is free, like the other


def test_a_source_may_be_as_long_as_the_longest() -> None:
    decoder, play = make_decoder(NETWORK), Play()
    play.admit(decoder, sentences=[Sentence(5, [49] * 20, beam_size=1)])
    decoder.advance(play.rows())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slots": [6]}, "there is no slot 6"),
        ({"slots": [-1]}, "there is no slot -1"),
        ({"slots": [3]}, "slot 3 has room for 0 beams, but 1 are fed"),  # nothing was admitted there
        (
            {"offsets": [0, 3], "token_ids": [5, 5, 5], "log_probs": [0.0] * 3},
            "slot 2 has room for 2 beams, but 3 are fed",
        ),
        ({"offsets": [0, 0]}, "slot 2 has room for 2 beams, but 0 are fed"),
        ({"positions": [20]}, "there is no position 20"),
        ({"positions": [-1]}, "there is no position -1"),
        ({"token_ids": [75]}, "there is no target piece 75"),
        ({"token_ids": [-1]}, "there is no target piece -1"),
        ({"offsets": [1, 2]}, "the first row is 1"),
        ({"slots": [2, 2], "positions": [0, 0]}, "an array of .*"),
        ({"offsets": [0, 2], "token_ids": [5]}, "1 rows, but the slots have 2"),
        ({"token_ids": [5, 5]}, "an array of 2 <f8 is due, not .*"),
    ],
)
def test_rows_that_cannot_be_fed_are_refused(changes: dict[str, Sequence[float]], message: str) -> None:
    decoder, rows = decoder_with_a_sentence()
    types = {"log_probs": np.float64}
    arrays: dict[str, Any] = {name: np.array(values, types.get(name, np.int32)) for name, values in changes.items()}
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        decoder.advance(dataclasses.replace(rows, excluded=None, **arrays))
    decoder.advance(rows)


@pytest.mark.parametrize(("function", "index"), [("extend", -1), ("log_probs", -2)])  # NumPy lets these pass
def test_only_slots_that_were_fed_can_be_asked_about(function: str, index: int) -> None:
    decoder, rows = decoder_with_a_sentence()
    decoder.advance(rows)
    with pytest.raises(InvalidInputError, match=rf"^there is no fed slot number {index}$"):
        getattr(decoder, function)(rows, np.array([index], np.int32))


def test_indices_may_be_of_any_integer_type() -> None:
    decoder, rows = decoder_with_a_sentence()
    decoder.advance(rows)
    which: Any = np.zeros(1000, np.int64)  # so many that the memory of a converted copy would be used again
    expected = decoder.extend(rows, all_of(rows))
    assert_array_equal(decoder.extend(rows, which).token_ids, np.tile(expected.token_ids, (1000, 1)))
    assert_array_equal(decoder.log_probs(rows, which), np.tile(decoder.log_probs(rows, all_of(rows)), (1000, 1)))


def two_slots(rows: Rows, slots: Sequence[int]) -> Rows:
    """The rows of a sentence once more for another slot."""
    return dataclasses.replace(
        rows,
        slots=np.array(slots, np.int32),
        offsets=np.array([0, 1, 2], np.int32),
        excluded=None,
        **{name: getattr(rows, name).repeat(2) for name in ("positions", "token_ids", "log_probs", "num_extensions")},
    )


@pytest.mark.parametrize("slots", [[2, 2], [3, 2]])
def test_slots_that_do_not_ascend_are_refused(slots: Sequence[int]) -> None:
    decoder, rows = decoder_with_a_sentence()
    decoder.admit([Admission(3, [5, 3], 1, 10)])
    with pytest.raises(InvalidInputError, match="the slots do not ascend"):
        decoder.advance(two_slots(rows, slots))


def test_two_sentences_cannot_share_a_slot() -> None:
    decoder = make_decoder(NETWORK)
    sentences = [Admission(1, [5, 3], 1, 10), Admission(2, [5, 3], 1, 10), Admission(1, [5] * 20, 8, 10)]
    with pytest.raises(InvalidInputError, match="slot 1 is given to two sentences"):
        decoder.admit(sentences)


@pytest.mark.parametrize(
    ("shape", "beam", "message"),
    [
        ((6, 8, 50), 2, "slot 2 has no beam 2"),
        ((2, 8, 50), 0, "slot 2 has no place in the ancestry"),
        ((6, 8, 2), 0, "slot 2 has no place in the ancestry"),
    ],
)
def test_an_ancestry_that_leads_out_of_the_slot_is_refused(shape: tuple[int, ...], beam: int, message: str) -> None:
    decoder, rows = decoder_with_a_sentence()
    decoder.advance(rows)
    later = dataclasses.replace(rows, positions=np.array([3], np.int32), ancestry=np.full(shape, beam, np.uint8))
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        decoder.advance(later)


def test_only_the_rows_that_were_fed_last_can_be_asked_about() -> None:
    decoder, rows = decoder_with_a_sentence()
    message, which = "^these rows are not the ones that were fed last$", np.zeros(1, np.int32)
    more = dataclasses.replace(
        rows, offsets=np.array([0, 2], np.int32), token_ids=np.array([5, 5], np.int32), log_probs=np.zeros(2)
    )

    def assert_refused(asked: Rows) -> None:
        for ask in (decoder.extend, decoder.log_probs):
            with pytest.raises(InvalidInputError, match=message):
                ask(dataclasses.replace(asked, excluded=None), which)

    assert_refused(rows)  # nothing was fed yet
    decoder.advance(rows)
    assert_refused(more)
    assert_refused(dataclasses.replace(rows, slots=np.array([3], np.int32)))
    decoder.extend(rows, which)
    decoder.admit([Admission(3, [5, 3], 1, 10)])
    assert_refused(rows)
    decoder.advance(rows)
    decoder.release([2])
    assert_refused(rows)


@pytest.mark.parametrize("name", ["excluded", "wanted"])
@pytest.mark.parametrize(
    ("offsets", "token_ids", "message"),
    [
        ([0, 1], [75], "there is no {name} piece 75"),
        ([0, 1], [-1], "there is no {name} piece -1"),
        ([0, 2], [7, 6], "the {name} pieces do not ascend"),
        ([0, 2], [6], "the offsets of the {name} piece make no sense"),
        ([1, 1], [6], "the offsets of the {name} piece make no sense"),
        ([0, 1, 1], [6], r"an array of 2 <i4 is due, not \(3,\) <i4"),
    ],
)
def test_lists_of_pieces_that_make_no_sense_are_refused(
    name: str, offsets: list[int], token_ids: list[int], message: str
) -> None:
    decoder, rows = decoder_with_a_sentence()
    decoder.advance(rows)
    lists = PieceLists(np.array(offsets, np.int32), np.array(token_ids, np.int32))
    with pytest.raises(InvalidInputError, match=f"^{message.format(name=name)}$"):
        decoder.extend(dataclasses.replace(rows, **{name: lists}), np.zeros(1, np.int32))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [-1, 76])
def test_a_number_of_candidates_that_makes_no_sense_is_refused(count: int) -> None:
    decoder, rows = decoder_with_a_sentence()
    decoder.advance(rows)
    with pytest.raises(InvalidInputError, match=f"^there is no number of candidates {count}$"):
        decoder.extend(dataclasses.replace(rows, num_candidates=np.array([count], np.int32)), np.zeros(1, np.int32))


def test_a_negative_number_of_extensions_is_refused() -> None:
    decoder, rows = decoder_with_a_sentence()
    decoder.advance(rows)
    with pytest.raises(InvalidInputError, match=r"^there is no number of extensions -1$"):
        decoder.extend(dataclasses.replace(rows, num_extensions=np.array([-1], np.int32)), np.zeros(1, np.int32))


@pytest.mark.parametrize("slot", [-1, 6])
def test_a_slot_that_is_not_there_is_not_released(slot: int) -> None:
    with pytest.raises(InvalidInputError, match=f"^there is no slot {slot}$"):
        make_decoder(NETWORK).release([slot])


@pytest.mark.parametrize(
    ("source_ids", "target_ids", "message"),
    [
        ([], [2, 3], "a source of 0 pieces; 1 to 20 are possible"),
        ([5, 50], [2, 3], "there is no source piece 50"),
        ([5, 3], [2], "a translation of 1 pieces; 2 to 21 are possible"),
        ([5, 3], [2] * 22, "a translation of 22 pieces; 2 to 21 are possible"),
        ([5, 3], [2, 75], "there is no target piece 75"),
    ],
)
def test_a_translation_that_cannot_be_scored_is_refused(
    source_ids: list[int], target_ids: list[int], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        make_decoder(NETWORK).score([Given([5, 3], [2, 3]), Given(source_ids, target_ids)])
