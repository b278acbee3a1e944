"""The special pieces of the vocabularies that Dragoman trains, as the tests spell them, and how they are framed."""

from dragoman.model.codec import Codec
from dragoman.model.config import Direction, VocabularyShape

PAD_ID, UNK_ID, BOS_ID, EOS_ID = 0, 1, 2, 3

VOCABULARY = VocabularyShape(source_size=100, target_size=100, joint=True)
"""Where a test asks for special ids alone."""


def encode_source(vocabulary: Codec, text: str, direction: Direction) -> list[int]:
    """A sentence's source ids with their frame; empty for a blank text."""
    pieces = vocabulary.source.encode(text)
    return [*vocabulary.frame(direction).enclose(pieces)] if pieces else []
