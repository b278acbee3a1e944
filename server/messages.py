"""What the wire contract and the house's own types both have, translated in both directions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model.config import Direction
from model.decoding.request import SEARCH_OPTION_NAMES, Hypothesis, SearchOptions, Translation
from model.errors import InvalidInputError
from server.pb.dragoman.v1 import translation_pb2

if TYPE_CHECKING:  # the client has no need of bundles
    from server.interfaces import ServedTranslator

_OF_A_KIND_OF_THEIR_OWN = frozenset({"length_normalization", "suppressed_pieces", "return_attention"})

_SCALARS = tuple(name for name in SEARCH_OPTION_NAMES if name not in _OF_A_KIND_OF_THEIR_OWN)
"""Search options that the wire has as they are."""

_NORMALIZATION = "LENGTH_NORMALIZATION_"


@dataclass(frozen=True, slots=True)
class ModelScore:
    """A measured score of a model: `metric` on `test_set`, with the sacreBLEU signature that reproduces it."""

    direction: Direction
    test_set: str
    metric: str
    score: float
    signature: str


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model that the server has loaded.

    `revision` tells its weights from others of the same name, and is empty if the server does not know it;
    `max_source_length` counts pieces.
    """

    name: str
    revision: str
    directions: tuple[Direction, ...]
    max_source_length: int
    num_parameters: int
    scores: tuple[ModelScore, ...]


def write_search_options(search: Mapping[str, Any]) -> translation_pb2.SearchOptions:
    """Fields of `SearchOptions`, those that are given and not None; return_attention is no search to the wire.

    Raises ValueError for what the wire cannot carry, TypeError likewise or for an unknown name.
    """
    given = {name: value for name, value in search.items() if value is not None and name != "return_attention"}
    normalization = given.pop("length_normalization", None)
    if normalization is not None:
        value = translation_pb2.LengthNormalization.Value(_NORMALIZATION + normalization.upper())
        given["length_normalization"] = value
    return translation_pb2.SearchOptions(**given)


def read_search_options(message: translation_pb2.SearchOptions, wanted: translation_pb2.ReturnOptions) -> SearchOptions:
    """With the defaults for what is unset. Raises InvalidInputError that names the field."""
    chosen: dict[str, Any] = {name: getattr(message, name) for name in _SCALARS if message.HasField(name)}
    try:
        if message.length_normalization:
            chosen["length_normalization"] = _read_normalization(message.length_normalization)
        return SearchOptions(
            **chosen,
            suppressed_pieces=tuple(message.suppressed_pieces),
            return_attention=wanted.attention or wanted.alignment,
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"search_options: {error}") from error


def _read_normalization(value: int) -> str:
    try:
        return translation_pb2.LengthNormalization.Name(value).removeprefix(_NORMALIZATION).lower()
    except ValueError as error:
        raise InvalidInputError(f"length_normalization is {value}, which stands for nothing") from error


def write_translation(translation: Translation, wanted: translation_pb2.ReturnOptions) -> translation_pb2.Translation:
    """With what is wanted beside texts and scores."""
    return translation_pb2.Translation(
        hypotheses=[_write_hypothesis(hypothesis, wanted) for hypothesis in translation.hypotheses],
        source_pieces=translation.source_pieces if wanted.attention else (),
    )


def _write_hypothesis(hypothesis: Hypothesis, wanted: translation_pb2.ReturnOptions) -> translation_pb2.Hypothesis:
    attention = hypothesis.attention if wanted.attention else None
    return translation_pb2.Hypothesis(
        text=hypothesis.text,
        score=hypothesis.score,
        pieces=hypothesis.pieces if wanted.pieces else (),
        token_log_probs=hypothesis.token_log_probs if wanted.token_log_probs else (),
        attention=None if attention is None else _write_attention(attention),
        alignment=[
            translation_pb2.WordPair(source=source, target=target)
            for source, target in (hypothesis.alignment if wanted.alignment else ())
        ],
    )


def _write_attention(attention: NDArray[np.float32]) -> translation_pb2.Attention:
    return translation_pb2.Attention(num_source_pieces=attention.shape[1], weights=attention.ravel().tolist())


def read_translation(source: str, message: translation_pb2.Translation) -> Translation:
    """source: the text that was sent."""
    return Translation(
        source, tuple(_read_hypothesis(found) for found in message.hypotheses), tuple(message.source_pieces)
    )


def _read_hypothesis(message: translation_pb2.Hypothesis) -> Hypothesis:
    return Hypothesis(
        message.text,
        message.score,
        pieces=tuple(message.pieces),
        token_log_probs=tuple(message.token_log_probs),
        attention=_read_attention(message.attention) if message.HasField("attention") else None,
        alignment=tuple((pair.source, pair.target) for pair in message.alignment),
    )


def _read_attention(message: translation_pb2.Attention) -> NDArray[np.float32]:
    weights = np.array(message.weights, np.float32)
    num_columns = message.num_source_pieces
    return weights.reshape(len(weights) // num_columns if num_columns else 0, num_columns)


def write_model(translator: "ServedTranslator") -> translation_pb2.Model:
    """What is told of a model that is loaded."""
    return translation_pb2.Model(
        name=translator.name,
        revision=translator.revision,
        language_pairs=[_write_direction(direction) for direction in translator.directions],
        max_source_length=translator.max_source_length,
        num_parameters=translator.info.num_parameters,
        scores=[
            translation_pb2.EvaluationScore(
                language_pair=_write_direction(score.direction),
                test_set=score.test_set,
                metric=score.metric,
                score=score.score,
                signature=score.signature,
            )
            for score in translator.info.scores
        ],
    )


def _write_direction(direction: Direction) -> translation_pb2.LanguagePair:
    return translation_pb2.LanguagePair(source_language=direction.source, target_language=direction.target)


def read_models(response: translation_pb2.ListModelsResponse) -> list[ModelDescription]:
    """In their order."""
    return [
        ModelDescription(
            name=model.name,
            revision=model.revision,
            directions=tuple(_read_direction(pair) for pair in model.language_pairs),
            max_source_length=model.max_source_length,
            num_parameters=model.num_parameters,
            scores=tuple(
                ModelScore(
                    _read_direction(score.language_pair), score.test_set, score.metric, score.score, score.signature
                )
                for score in model.scores
            ),
        )
        for model in response.models
    ]


def _read_direction(pair: translation_pb2.LanguagePair) -> Direction:
    return Direction(pair.source_language, pair.target_language)
