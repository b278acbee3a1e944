"""What a model computes between a sentence and its translation: attentions, queries, keys, values, and the pieces that
it would have written, for people to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dragoman.model.codec import Codec
from dragoman.model.config import Architecture, Direction, RecurrentConfig
from dragoman.model.decoding.loading import OpenedModel
from dragoman.model.decoding.tracing.parts import AttentionKind, Trace
from dragoman.model.decoding.tracing.trace import trace
from dragoman.model.errors import InvalidInputError
from dragoman.model.weights import StoredTensor, read_weights
from dragoman.translation.scoring.scored import encode_pair

MAX_PIECES = 100
"""Most pieces of a side: the numbers grow with the square of them, and nobody can read more."""

NUM_NEXT = 8
"""Likeliest pieces that are named for a position."""

WEIGHT_DIGITS, VECTOR_DIGITS, PROBABILITY_DIGITS = 3, 3, 4

Scoring = Literal["scaled-product", "product", "additive"]

KINDS: tuple[AttentionKind, ...] = get_args(AttentionKind)


@dataclass(frozen=True, slots=True)
class VectorsOf:
    """A head whose queries, keys and values are wanted; layer and head count from 0."""

    kind: AttentionKind
    layer: int
    head: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """The numbers of a pair, by piece.

    source_pieces: with the pieces of the frame, such as the end of sentence.
    read:          the pieces that the decoder has read at each target position; the first begins the sentence.
    written:       the piece that follows at each position; the last ends the sentence.
    next_pieces:   the likeliest pieces at each position, with their probabilities, the likeliest first.
    probabilities: of the pieces in `written`.
    scoring:       how a query and a key make a score: by q · k / √d_key, by q · k, or by an additive attention.
    """

    source_pieces: tuple[str, ...]
    read: tuple[str, ...]
    written: tuple[str, ...]
    trace: Trace
    next_pieces: Sequence[Sequence[tuple[str, float]]]
    probabilities: Sequence[float]
    scoring: Scoring = "scaled-product"

    def fields(self) -> dict[str, Any]:
        """As JSON has it: {"sourcePieces", "read", "written", "probabilities", "next": [[{"piece", "probability"}]],
        "encoder", "decoder", "cross": [layer][head][query][key]}; a kind that the network lacks is empty. With
        "scoring" if that is none of a Transformer."""
        weights: dict[str, Any] = {
            kind: [_rounded(attention.weights, WEIGHT_DIGITS) for attention in self.trace.layers(kind)]
            for kind in KINDS
        }
        return {
            "sourcePieces": self.source_pieces,
            "read": self.read,
            "written": self.written,
            "probabilities": [round(one, PROBABILITY_DIGITS) for one in self.probabilities],
            "next": [
                [
                    {"piece": piece, "probability": round(probability, PROBABILITY_DIGITS)}
                    for piece, probability in ranked
                ]
                for ranked in self.next_pieces
            ],
            **weights,
            **({"scoring": self.scoring} if self.scoring != "scaled-product" else {}),
        }

    def vectors(self, wanted: VectorsOf) -> dict[str, Any]:
        """A head's vectors: {"queries", "keys", "values": [position][number]}. Raises InvalidInputError for a layer or
        a head that is not there."""
        layers = self.trace.layers(wanted.kind)
        if not 0 <= wanted.layer < len(layers):
            raise InvalidInputError(f"vectors.layer: is {wanted.layer}, but {wanted.kind} has {len(layers)} layers")
        attention = layers[wanted.layer]
        if not 0 <= wanted.head < len(attention.weights):
            raise InvalidInputError(f"vectors.head: is {wanted.head}, but there are {len(attention.weights)} heads")
        return {
            "queries": _rounded(attention.queries[wanted.head], VECTOR_DIGITS),
            "keys": _rounded(attention.keys[wanted.head], VECTOR_DIGITS),
            "values": _rounded(attention.values[wanted.head], VECTOR_DIGITS),
        }

    def all_vectors(self) -> dict[str, Any]:
        """The vectors of every head: {kind: [layer][head]: see `vectors`}."""
        return {
            kind: [
                [self.vectors(VectorsOf(kind, layer, head)) for head in range(len(attention.weights))]
                for layer, attention in enumerate(self.trace.layers(kind))
            ]
            for kind in KINDS
        }


class Explainer:
    """A model's weights and vocabulary, for explaining. Safe in any thread."""

    def __init__(self, model: OpenedModel) -> None:
        """Reads the weights. Raises InvalidInputError for an ensemble, and for a damaged bundle."""
        if len(model.folders) > 1:
            raise InvalidInputError("an ensemble has several networks: name one model to explain")
        if not model.info.architecture.has_attention:
            raise InvalidInputError(f"{model.info.name} has no attention, so there is nothing to look at")
        self.info = model.info
        self.revision = model.revision
        self._vocabulary: Codec = model.vocabulary
        self._weights: Mapping[str, StoredTensor] = read_weights(model.folders[0], model.info)

    def explain(self, source: str, target: str, direction: Direction) -> Explanation:
        """The numbers of a text and its translation, each as one sentence. Raises InvalidInputError for a side that is
        blank or too long."""
        architecture, shape = self.info.architecture, self.info.vocabulary
        pair = encode_pair(
            self._vocabulary,
            source,
            target,
            direction,
            max_source_length=architecture.source_limit,
            max_target_length=architecture.max_target_length,
        )
        read = (shape.start_id, *pair.frame.target, *pair.target_ids)
        for side, name, ids in (("source", "text", pair.source_ids), ("target", "translation", read)):
            if len(ids) > MAX_PIECES:
                raise InvalidInputError(
                    f"{side}: the {name} has {len(ids)} pieces, but at most {MAX_PIECES} can be shown"
                )
        found = trace(architecture, self._weights, pair.source_ids, read)
        written = (*read[1:], shape.eos_id)
        return Explanation(
            self._vocabulary.source.pieces(pair.source_ids),
            self._vocabulary.target.pieces(read),
            self._vocabulary.target.pieces(written),
            found,
            [_likeliest(self._vocabulary, log_probs) for log_probs in found.log_probs],
            [float(np.exp(found.log_probs[place, piece])) for place, piece in enumerate(written)],
            _scoring(architecture),
        )


class TextExplainer:
    """A language model's weights and vocabulary, for explaining. Safe in any thread."""

    def __init__(self, model: OpenedModel) -> None:
        """model: a language model. Reads the weights. Raises InvalidInputError for a damaged bundle."""
        self.info = model.info
        self._vocabulary: Codec = model.vocabulary
        self._weights: Mapping[str, StoredTensor] = read_weights(model.folders[0], model.info)

    def explain(self, text: str) -> Explanation:
        """The numbers of the beginning of a text; the last piece of `written` is the likeliest to follow. Raises
        InvalidInputError for a text that is too long."""
        shape, side = self.info.vocabulary, self._vocabulary.target
        read = (shape.start_id, *side.encode(text))
        most = min(MAX_PIECES, self.info.architecture.max_target_length)
        if len(read) > most:
            raise InvalidInputError(
                f"the text has {len(read)} pieces, but at most {most} can be shown: leave out its beginning"
            )
        found = trace(self.info.architecture, self._weights, (), read)
        written = (*read[1:], int(found.log_probs[-1].argmax()))
        return Explanation(
            (),
            side.pieces(read),
            side.pieces(written),
            found,
            [_likeliest(self._vocabulary, log_probs) for log_probs in found.log_probs],
            [float(np.exp(found.log_probs[place, piece])) for place, piece in enumerate(written)],
        )


def _scoring(architecture: Architecture) -> Scoring:
    if isinstance(architecture, RecurrentConfig):
        return "additive" if architecture.attention == "additive" else "product"
    return "scaled-product"


def _likeliest(vocabulary: Codec, log_probs: NDArray[np.float32]) -> list[tuple[str, float]]:
    ids = np.argsort(-log_probs, kind="stable")[:NUM_NEXT].tolist()
    return list(zip(vocabulary.target.pieces(ids), np.exp(log_probs[ids]).tolist(), strict=True))


def _rounded(numbers: NDArray[np.float32], digits: int) -> Any:
    return np.round(numbers.astype(np.float64), digits).tolist()
