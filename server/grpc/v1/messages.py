"""What the wire contract and the house's own types both have, translated in both directions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.search_options import SEARCH_OPTION_NAMES, SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.translation.results import Hypothesis, Translation
from dragoman.translation.scored import ScoredTranslation
from dragoman.v1 import translation_pb2

_OF_A_KIND_OF_THEIR_OWN = frozenset({"length_normalization", "suppressed_pieces", "return_attention"})

_SCALARS = tuple(name for name in SEARCH_OPTION_NAMES if name not in _OF_A_KIND_OF_THEIR_OWN)
"""Search options that the wire has as they are."""

_NORMALIZATION = "LENGTH_NORMALIZATION_"

_OF_SCORES = frozenset({"length_penalty", "length_normalization", "coverage_penalty"})
"""Search options that a given translation's score depends on."""

MAX_SUPPRESSED_PIECES = 1024
"""Of one request; each costs a look into the vocabulary, and for every text."""

MAX_PREFIX_LENGTH = 4096
"""Characters of target_prefix, more than any model's sentences have: it is divided into pieces for every text."""

INVALID_ARGUMENT = 3
"""google.rpc.Code of a text that is at fault itself."""


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
    if len(message.suppressed_pieces) > MAX_SUPPRESSED_PIECES:
        raise InvalidInputError(
            f"search_options: suppressed_pieces has {len(message.suppressed_pieces)} pieces, but at most "
            f"{MAX_SUPPRESSED_PIECES} are allowed"
        )
    if len(message.target_prefix) > MAX_PREFIX_LENGTH:
        raise InvalidInputError(
            f"search_options: target_prefix has {len(message.target_prefix)} characters, but at most "
            f"{MAX_PREFIX_LENGTH} are allowed"
        )
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


def read_score_options(message: translation_pb2.SearchOptions, wanted: translation_pb2.ReturnOptions) -> SearchOptions:
    """Those of a ScoreRequest. Raises InvalidInputError that names the field, also where it has no meaning there."""
    for field, _ in message.ListFields():
        if field.name not in _OF_SCORES:
            raise InvalidInputError(f"search_options: {field.name} must not be set: nothing is searched")
    return replace(read_search_options(message, wanted), beam_size=1)


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


def write_failure(reason: str) -> translation_pb2.TextError:
    """What is wrong with one of several texts."""
    return translation_pb2.TextError(code=INVALID_ARGUMENT, message=reason)


def write_score(scored: ScoredTranslation, wanted: translation_pb2.ReturnOptions) -> translation_pb2.TranslationScore:
    """With what is wanted beside the score."""
    attention = scored.attention if wanted.attention else None
    return translation_pb2.TranslationScore(
        score=scored.score,
        log_prob=scored.log_prob,
        pieces=scored.pieces if wanted.pieces else (),
        token_log_probs=scored.token_log_probs if wanted.token_log_probs else (),
        attention=None if attention is None else _write_attention(attention),
        alignment=_write_alignment(scored.alignment) if wanted.alignment else (),
        source_pieces=scored.source_pieces if wanted.attention else (),
    )


def _write_hypothesis(hypothesis: Hypothesis, wanted: translation_pb2.ReturnOptions) -> translation_pb2.Hypothesis:
    attention = hypothesis.attention if wanted.attention else None
    return translation_pb2.Hypothesis(
        text=hypothesis.text,
        score=hypothesis.score,
        pieces=hypothesis.pieces if wanted.pieces else (),
        token_log_probs=hypothesis.token_log_probs if wanted.token_log_probs else (),
        attention=None if attention is None else _write_attention(attention),
        alignment=_write_alignment(hypothesis.alignment) if wanted.alignment else (),
    )


def _write_alignment(alignment: tuple[tuple[int, int], ...]) -> list[translation_pb2.WordPair]:
    return [translation_pb2.WordPair(source=source, target=target) for source, target in alignment]


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
        alignment=_read_alignment(message.alignment),
    )


def _read_alignment(alignment: Iterable[translation_pb2.WordPair]) -> tuple[tuple[int, int], ...]:
    return tuple((pair.source, pair.target) for pair in alignment)


def read_score(source: str, target: str, message: translation_pb2.TranslationScore) -> ScoredTranslation:
    """source, target: the texts that were sent."""
    return ScoredTranslation(
        source=source,
        target=target,
        score=message.score,
        log_prob=message.log_prob,
        source_pieces=tuple(message.source_pieces),
        pieces=tuple(message.pieces),
        token_log_probs=tuple(message.token_log_probs),
        attention=_read_attention(message.attention) if message.HasField("attention") else None,
        alignment=_read_alignment(message.alignment),
    )


def _read_attention(message: translation_pb2.Attention) -> NDArray[np.float32]:
    weights = np.array(message.weights, np.float32)
    num_columns = message.num_source_pieces
    return weights.reshape(len(weights) // num_columns if num_columns else 0, num_columns)
