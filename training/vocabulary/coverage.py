"""The characters that a vocabulary has no room for."""

from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

from dragoman.model.vocabulary import PieceModelOptions

_NUM_BYTES = 256
_NUM_RESERVED = 16
"""Padding, unknown, begin, end, the mark of a word's beginning, and a margin for what normalization adds."""

_SHARE_OF_CHARACTERS = 0.7
"""Of the room for pieces, at most, where there are more characters than room: frequent words get the rest."""


def find_rare_characters(options: PieceModelOptions, sentences: Iterable[str], *, num_tags: int) -> dict[int, str]:
    """The characters for which the vocabulary has no room, as in a small one for Chinese, each with a space for
    `str.translate`: a piece model learnt without them spells them in bytes. Empty if there is room, or if the options
    have no bytes."""
    room = options.size - _NUM_BYTES - _NUM_RESERVED - num_tags - len(options.user_defined)
    if not options.byte_fallback or room <= 0:
        return {}
    counts = Counter[str]()
    for sentence in sentences:
        counts.update(sentence)
    frequent = [character for character, _ in counts.most_common() if not character.isspace()]
    total = sum(counts[character] for character in frequent)
    shares = accumulate(counts[character] / total for character in frequent)
    if sum(share < options.character_coverage for share in shares) < room:
        return {}
    return {ord(character): " " for character in frequent[int(_SHARE_OF_CHARACTERS * room) :]}
