"""Results of the clients beside `translation.results`, and their reading from messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidTextError
from dragoman.translation.markup.alignment import Alignment, word_spans
from dragoman.translation.results import FinishReason, Hypothesis, Translation, TranslationWarning, WarningKind
from dragoman.translation.scoring.scored import ScoredTranslation
from dragoman.translation.terms.outcomes import TermOutcome
from dragoman.v1 import translation_pb2 as pb

Result = TypeVar("Result")

_FINISH_REASONS: dict[int, FinishReason] = {
    pb.FINISH_REASON_END_OF_SENTENCE: "end_of_sentence",
    pb.FINISH_REASON_LENGTH: "length",
}

_WARNING_KINDS: dict[int, WarningKind] = {
    pb.WarningKind.Value(f"WARNING_KIND_{kind.upper()}"): kind for kind in get_args(WarningKind)
}
"""Those that this client knows; a newer server may have more."""


@dataclass(frozen=True, slots=True)
class TextError:
    """The error of one of several texts; the others have results.

    source: the text. reason: one line. code: a google.rpc.Code, 3 for a fault of the text.
    """

    source: str
    reason: str
    code: int


@dataclass(frozen=True, slots=True)
class LiveTranslation:
    """A translation so far.

    stable_text:   its final beginning.
    unstable_text: the most likely continuation; the next item replaces it.
    translation:   the complete translation, in the last item only.
    """

    stable_text: str
    unstable_text: str
    translation: Translation | None

    @property
    def text(self) -> str:
        """The text to show."""
        return self.stable_text + self.unstable_text


@dataclass(frozen=True, slots=True)
class LanguageCandidate:
    """A possible language of a text, and its probability."""

    language: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ModelScore:
    """A model's score by `metric` on `test_set`, with the sacreBLEU signature from which it can be reproduced."""

    direction: Direction
    test_set: str
    metric: str
    score: float
    signature: str


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model that the server has.

    revision:     digest of its weights; empty if the server does not know it.
    max_source_length, max_target_length: of a sentence, in pieces.
    description, data, license: description, training data and license by the publisher; empty if unknown.
    card:         model card in Markdown; only `get_model` returns it.
    state:        "loaded", "unloaded" (the next call loads it), "loading" or "failed"; empty from an older server.
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
    license: str = ""
    card: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of a call: texts and sentences of the call, characters and pieces of a text, bytes of a message."""

    max_texts: int
    max_text_length: int
    max_sentences: int
    max_message_bytes: int
    max_text_pieces: int = 0


@dataclass(frozen=True, slots=True)
class ServerDescription:
    """A server's version, limits, and features beside the translation of plain text, such as "html"."""

    version: str
    limits: ServerLimits
    features: frozenset[str]


@dataclass(frozen=True, slots=True)
class UsagePeriod:
    """A day or a month in UTC, with the characters and calls of it; the limits are None if there is none."""

    begin: datetime
    end: datetime
    num_characters: int
    num_calls: int
    max_characters: int | None
    max_calls: int | None


@dataclass(frozen=True, slots=True)
class UsageDescription:
    """What a token has used."""

    day: UsagePeriod
    month: UsagePeriod


TranslationResult: TypeAlias = Translation | TextError
ScoreResult: TypeAlias = ScoredTranslation | TextError


def read_result(source: str, message: pb.Translation) -> TranslationResult:
    """source: the text that was sent."""
    return _read_error(source, message.error) if message.HasField("error") else read_translation(source, message)


def read_translation(source: str, message: pb.Translation) -> Translation:
    """source: the text that was sent."""
    return Translation(
        source,
        tuple(_read_hypothesis(source, found) for found in message.hypotheses),
        tuple(message.source_pieces),
        message.detected_language_code,
        message.already_in_target_language,
        message.approved,
    )


def _read_hypothesis(source: str, message: pb.Hypothesis) -> Hypothesis:
    return Hypothesis(
        message.text,
        message.score,
        pieces=tuple(message.pieces),
        token_log_probs=tuple(message.token_log_probs),
        attention=_read_attention(message.attention) if message.HasField("attention") else None,
        alignment=_read_alignment(source, message.text, message.alignment),
        finish_reason=_FINISH_REASONS.get(message.finish_reason, ""),
        warnings=tuple(_read_warning(warning) for warning in message.warnings if warning.kind in _WARNING_KINDS),
        quality=message.quality if message.HasField("quality") else None,
        terms=tuple(_read_term(outcome) for outcome in message.terms),
        sentences=tuple(
            ((one.source.begin, one.source.end), (one.target.begin, one.target.end)) for one in message.sentences
        ),
    )


def _read_term(message: pb.TermOutcome) -> TermOutcome:
    span = (message.span.begin, message.span.end) if message.HasField("span") else None
    return TermOutcome(message.source, message.target, span, message.reason)


def _read_warning(message: pb.TranslationWarning) -> TranslationWarning:
    source, target = message.source, message.target
    return TranslationWarning(_WARNING_KINDS[message.kind], (source.begin, source.end), (target.begin, target.end))


def read_score_result(source: str, target: str, message: pb.TranslationScore) -> ScoreResult:
    """source, target: the texts that were sent."""
    if message.HasField("error"):
        return _read_error(source, message.error)
    return ScoredTranslation(
        source=source,
        target=target,
        score=message.score,
        log_prob=message.log_prob,
        source_pieces=tuple(message.source_pieces),
        pieces=tuple(message.pieces),
        token_log_probs=tuple(message.token_log_probs),
        attention=_read_attention(message.attention) if message.HasField("attention") else None,
        alignment=_read_alignment(source, target, message.alignment),
    )


def _read_alignment(source: str, target: str, alignment: Sequence[pb.AlignedSpans]) -> Alignment:
    """Convert character spans to numbers of words."""
    if not alignment:
        return ()
    of_source, of_target = (
        {begin: number for number, (begin, _) in enumerate(word_spans(text))} for text in (source, target)
    )
    return tuple((of_source[pair.source.begin], of_target[pair.target.begin]) for pair in alignment)


def _read_attention(message: pb.Attention) -> NDArray[np.float32]:
    weights = np.array(message.weights, np.float32)
    num_columns = message.source_piece_count
    return weights.reshape(len(weights) // num_columns if num_columns else 0, num_columns)


def read_detections(texts: Sequence[str], response: pb.DetectLanguageResponse) -> list[list[LanguageCandidate]]:
    """One list of candidates for each text. Raises InvalidTextError for the first text with an error."""
    found: list[list[LanguageCandidate] | TextError] = [
        _read_error(text, detection.error)
        if detection.HasField("error")
        else [LanguageCandidate(candidate.language_code, candidate.confidence) for candidate in detection.candidates]
        for text, detection in zip(texts, response.detections, strict=True)
    ]
    return require_all(found)


def read_live(text: str, response: pb.TranslateLiveResponse) -> LiveTranslation:
    """text: the text that was sent."""
    translation = read_translation(text, response.translation) if response.HasField("translation") else None
    return LiveTranslation(response.stable_text, response.unstable_text, translation)


def read_model(model: pb.Model) -> ModelDescription:
    """As it was sent."""
    return ModelDescription(
        name=model.name,
        revision=model.revision,
        directions=tuple(_read_direction(pair) for pair in model.language_pairs),
        max_source_length=model.max_source_length,
        num_parameters=model.parameter_count,
        scores=tuple(
            ModelScore(_read_direction(score.language_pair), score.test_set, score.metric, score.score, score.signature)
            for score in model.scores
        ),
        max_target_length=model.max_target_length,
        description=model.description,
        data=model.data,
        license=model.license,
        card=model.card,
        state=_MODEL_STATES.get(model.state, ""),
    )


_MODEL_STATES: dict[int, str] = {
    pb.MODEL_STATE_LOADED: "loaded",
    pb.MODEL_STATE_UNLOADED: "unloaded",
    pb.MODEL_STATE_LOADING: "loading",
    pb.MODEL_STATE_FAILED: "failed",
}


def _read_direction(pair: pb.LanguagePair) -> Direction:
    return Direction(pair.source_language_code, pair.target_language_code)


def read_server(response: pb.GetServerResponse) -> ServerDescription:
    """As it was sent."""
    limits = response.limits
    return ServerDescription(
        response.version,
        ServerLimits(
            limits.max_texts,
            limits.max_text_length,
            limits.max_sentences,
            limits.max_message_bytes,
            limits.max_text_pieces,
        ),
        frozenset(response.features),
    )


def read_usage(response: pb.GetUsageResponse) -> UsageDescription:
    """As it was sent."""
    return UsageDescription(_read_period(response.day), _read_period(response.month))


def _read_period(period: pb.UsagePeriod) -> UsagePeriod:
    return UsagePeriod(
        period.start_time.ToDatetime(UTC),
        period.end_time.ToDatetime(UTC),
        period.character_count,
        period.call_count,
        period.character_limit if period.HasField("character_limit") else None,
        period.call_limit if period.HasField("call_limit") else None,
    )


def _read_error(source: str, error: pb.TextError) -> TextError:
    return TextError(source, error.message, error.code)


def require_all(results: Iterable[Result | TextError]) -> list[Result]:
    """All results. Raises InvalidTextError for the first text without one."""
    return [require(index, result) for index, result in enumerate(results)]


def require(index: int, result: Result | TextError) -> Result:
    """The result of text number `index`. Raises InvalidTextError if it is an error."""
    if isinstance(result, TextError):
        raise InvalidTextError(index, result.reason)
    return result
