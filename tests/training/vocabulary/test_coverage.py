"""A vocabulary has room for the characters that it must have."""

from dragoman.model.vocabulary import PieceModelOptions, train_piece_model
from dragoman.training.vocabulary.coverage import find_rare_characters

MANY = ["".join(chr(0x4E00 + (7 * n + k) % 900) for k in range(0, 90, 1 + n % 5)) for n in range(300)]
"""Sentences of 900 characters."""


def test_a_small_vocabulary_can_be_learnt_from_many_characters() -> None:
    options = PieceModelOptions(size=500, type="bpe")
    rare = find_rare_characters(options, MANY, num_tags=2)
    assert 700 < len(rare) < 800
    model = train_piece_model((text.translate(rare) for text in MANY), options, languages=["en", "zh"])
    assert model.decode(model.encode(MANY[0])) == MANY[0]


def test_where_there_is_room_none_is_rare() -> None:
    for options, sentences in (
        (PieceModelOptions(size=1500), MANY),
        (PieceModelOptions(size=400), ["a house", "ein Haus"]),
        (PieceModelOptions(size=500, byte_fallback=False), MANY),
        (PieceModelOptions(size=300), []),
    ):
        assert find_rare_characters(options, sentences, num_tags=2) == {}
