"""Given translations, before and after scoring, for all scorers. Free of torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dragoman.model.codec import NO_FRAME, Codec, Frame
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.translation.markup.alignment import Alignment, sentence_alignment


@dataclass(frozen=True, slots=True)
class Pair:
    """A source and its given translation as pieces. Neither is empty, and both are within the model's limits.

    source_ids: with the pieces of the frame.
    target_ids: without the pieces of the frame, and without the end of sentence.
    """

    source_ids: Sequence[int]
    target_ids: Sequence[int]
    frame: Frame = NO_FRAME


@dataclass(frozen=True, slots=True)
class ScoredTranslation:
    """The score of a given translation, with the pieces of both texts.

    score:           as the search computes it: length-normalized, with the coverage penalty.
    log_prob:        the sum of token_log_probs.
    source_pieces:   the source's pieces, language tag and end of sentence included.
    pieces:          the translation's pieces, without the end of sentence.
    token_log_probs: the log probability of each piece and, last, of the end of sentence.
    attention:       [len(pieces) + 1, len(source_pieces)] the last layer's cross-attention, averaged over its heads;
                     None unless requested.
    alignment:       the word alignment; empty without attention.
    """

    source: str
    target: str
    score: float
    log_prob: float
    source_pieces: tuple[str, ...]
    pieces: tuple[str, ...]
    token_log_probs: tuple[float, ...]
    attention: NDArray[np.float32] | None
    alignment: Alignment


def encode_pair(
    vocabulary: Codec,
    source: str,
    target: str,
    direction: Direction,
    *,
    max_source_length: int,
    max_target_length: int,
) -> Pair:
    """Both texts as pieces, each as one sentence.

    max_source_length, max_target_length: the model's limits, tag and ends of sentence included.

    Raises InvalidInputError for a side that is blank or longer than its limit.
    """
    frame = vocabulary.frame(direction)
    source_ids, target_ids = vocabulary.source.encode(source), vocabulary.target.encode(target)
    for side, num_pieces, most in (
        ("source", len(source_ids), max_source_length - frame.num_source),
        ("target", len(target_ids), max_target_length - len(frame.target) - 1),
    ):
        if not num_pieces:
            raise InvalidInputError(f"the {side} is blank: there is nothing to score")
        if num_pieces > most:
            raise InvalidInputError(f"the {side} has {num_pieces} pieces, but the model takes {most} at most")
    return Pair(frame.enclose(source_ids), target_ids, frame)


def describe_pair(
    vocabulary: Codec,
    source: str,
    target: str,
    pair: Pair,
    *,
    score: float,
    token_log_probs: Sequence[float],
    attention: NDArray[np.float32] | None,
) -> ScoredTranslation:
    """The score of a pair, with its texts and pieces."""
    source_pieces, pieces = vocabulary.source.pieces(pair.source_ids), vocabulary.target.pieces(pair.target_ids)
    return ScoredTranslation(
        source=source,
        target=target,
        score=score,
        log_prob=sum(token_log_probs),
        source_pieces=source_pieces,
        pieces=pieces,
        token_log_probs=tuple(token_log_probs),
        attention=attention,
        alignment=()
        if attention is None
        else sentence_alignment(source, target, source_pieces, pieces, attention, pair.frame),
    )
