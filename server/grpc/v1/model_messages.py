"""Models and the server's limits, to the wire and back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.model.config import Direction
from dragoman.v1 import translation_pb2

if TYPE_CHECKING:  # the client has no need of bundles, nor of a server's configuration
    from dragoman.server.config import LimitsConfig
    from dragoman.server.scheduling.interfaces import ServedTranslator


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

    revision:     tells its weights from others of the same name; empty if the server does not know it.
    max_source_length, max_target_length: of a sentence, in pieces; 0 if the server does not tell.
    description, data, licence: what whoever published it says of it, what it was trained on, and under which terms it
                  may be used; empty if they do not say.
    card:         its model card, in Markdown; only `get_model` tells it.
    """

    name: str
    revision: str
    directions: tuple[Direction, ...]
    max_source_length: int
    num_parameters: int
    scores: tuple[ModelScore, ...]
    max_target_length: int = 0
    description: str = ""
    data: str = ""
    licence: str = ""
    card: str = ""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What every call has to keep to: texts and sentences of a call, characters of a text, bytes of a message."""

    max_texts: int
    max_text_length: int
    max_sentences: int
    max_message_bytes: int


def write_model(translator: "ServedTranslator", card: str = "") -> translation_pb2.Model:
    """What is told of a model that is loaded."""
    info = translator.info
    return translation_pb2.Model(
        name=translator.name,
        revision=translator.revision,
        language_pairs=[_write_direction(direction) for direction in translator.directions],
        max_source_length=translator.max_source_length,
        max_target_length=info.architecture.max_target_length,
        num_parameters=info.num_parameters,
        scores=[
            translation_pb2.EvaluationScore(
                language_pair=_write_direction(score.direction),
                test_set=score.test_set,
                metric=score.metric,
                score=score.score,
                signature=score.signature,
            )
            for score in info.scores
        ],
        description=_told(info.provenance.get("description")),
        data=_told(info.provenance.get("data")),
        licence=_told(info.provenance.get("licence")),
        card=card,
    )


def _told(value: object) -> str:
    """A bundle's provenance may hold anything, or nothing."""
    return value if isinstance(value, str) else ""


def _write_direction(direction: Direction) -> translation_pb2.LanguagePair:
    return translation_pb2.LanguagePair(source_language=direction.source, target_language=direction.target)


def write_limits(limits: "LimitsConfig") -> translation_pb2.Limits:
    """Those of them that the contract tells."""
    return translation_pb2.Limits(
        max_texts=limits.max_texts,
        max_text_length=limits.max_text_length,
        max_sentences=limits.max_sentences,
        max_message_bytes=limits.max_message_bytes,
    )


def read_models(response: translation_pb2.ListModelsResponse) -> list[ModelDescription]:
    """In their order."""
    return [read_model(model) for model in response.models]


def read_model(model: translation_pb2.Model) -> ModelDescription:
    """One of them."""
    return ModelDescription(
        name=model.name,
        revision=model.revision,
        directions=tuple(_read_direction(pair) for pair in model.language_pairs),
        max_source_length=model.max_source_length,
        num_parameters=model.num_parameters,
        scores=tuple(
            ModelScore(_read_direction(score.language_pair), score.test_set, score.metric, score.score, score.signature)
            for score in model.scores
        ),
        max_target_length=model.max_target_length,
        description=model.description,
        data=model.data,
        licence=model.licence,
        card=model.card,
    )


def _read_direction(pair: translation_pb2.LanguagePair) -> Direction:
    return Direction(pair.source_language, pair.target_language)


def read_limits(limits: translation_pb2.Limits) -> ServerLimits:
    """As they were sent."""
    return ServerLimits(limits.max_texts, limits.max_text_length, limits.max_sentences, limits.max_message_bytes)
