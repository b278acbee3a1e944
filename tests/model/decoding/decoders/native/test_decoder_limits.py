"""What a kernels' decoder refuses, before it touches memory that is not its own."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Rows
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
        ({"offsets": [0, 3], "token_ids": [5, 5, 5]}, "slot 2 has room for 2 beams, but 3 are fed"),
        ({"offsets": [0, 0]}, "slot 2 has room for 2 beams, but 0 are fed"),
        ({"positions": [20]}, "there is no position 20"),
        ({"positions": [-1]}, "there is no position -1"),
        ({"token_ids": [75]}, "there is no target piece 75"),
        ({"token_ids": [-1]}, "there is no target piece -1"),
    ],
)
def test_rows_that_cannot_be_fed_are_refused(changes: dict[str, Sequence[int]], message: str) -> None:
    decoder, rows = decoder_with_a_sentence()
    arrays: dict[str, Any] = {name: np.array(values, np.int32) for name, values in changes.items()}
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        decoder.advance(dataclasses.replace(rows, **arrays))
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
