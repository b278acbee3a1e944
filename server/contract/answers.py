"""The contract's responses from outcomes; large ones are made off the event loop."""

import asyncio
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from dragoman.model.config import Direction
from dragoman.server.access.usage import Period
from dragoman.server.catalogue.served import ModelDescription
from dragoman.server.config import LimitsConfig
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.faults import TooLargeError
from dragoman.server.translating.glossaries import StoredGlossary
from dragoman.server.translating.orders import Outcome, Wanted
from dragoman.translation.markup.alignment import Span, aligned_spans
from dragoman.translation.results import Hypothesis, Translation, TranslationWarning
from dragoman.translation.scoring.scored import ScoredTranslation
from dragoman.translation.terms.outcomes import TermOutcome
from dragoman.v1 import translation_pb2 as pb

Found = TypeVar("Found")
AnyMessage = TypeVar("AnyMessage", bound=Message)

INVALID_ARGUMENT = 3
"""google.rpc.Code of a faulty text."""

_FINISH_REASONS = {
    "": pb.FINISH_REASON_UNSPECIFIED,
    "end_of_sentence": pb.FINISH_REASON_END_OF_SENTENCE,
    "length": pb.FINISH_REASON_LENGTH,
}


WARNING_KIND = "WARNING_KIND_"


async def write_outcomes(outcomes: Sequence[Outcome], wanted: Wanted, *, names_models: bool) -> list[pb.Translation]:
    """One for each text, with what is wanted. names_models: whether each says what translated it."""

    def write() -> list[pb.Translation]:
        return [_write_outcome(outcome, wanted, names_models) for outcome in outcomes]

    return await asyncio.to_thread(write) if wanted.is_large else write()


def _write_outcome(outcome: Outcome, wanted: Wanted, names_model: bool) -> pb.Translation:
    if isinstance(outcome, TextFailure):
        return pb.Translation(error=write_failure(outcome))
    message = write_translation(outcome.translation, wanted)
    if outcome.is_detected:
        message.detected_language_code = outcome.source_language
        message.already_in_target_language = outcome.is_unchanged
    message.approved = outcome.is_approved
    if names_model:
        message.model, message.revision = outcome.model, outcome.revision
    return message


async def write_scores(scores: Sequence[ScoredTranslation | TextFailure], wanted: Wanted) -> list[pb.TranslationScore]:
    """The score messages, one for each pair."""

    def write() -> list[pb.TranslationScore]:
        return [
            pb.TranslationScore(error=write_failure(score))
            if isinstance(score, TextFailure)
            else write_score(score, wanted)
            for score in scores
        ]

    return await asyncio.to_thread(write) if wanted.is_large else write()


def write_translation(translation: Translation, wanted: Wanted) -> pb.Translation:
    """The message of a translation, with its requested contents."""
    return pb.Translation(
        hypotheses=[_write_hypothesis(translation, hypothesis, wanted) for hypothesis in translation.hypotheses],
        source_pieces=translation.source_pieces if wanted.attention else (),
    )


def _write_hypothesis(translation: Translation, found: Hypothesis, wanted: Wanted) -> pb.Hypothesis:
    message = pb.Hypothesis(
        text=found.text,
        score=found.score,
        finish_reason=_FINISH_REASONS[found.finish_reason],
        quality=found.quality,
        warnings=[_write_warning(warning) for warning in found.warnings],
        terms=[_write_term(outcome) for outcome in found.terms],
    )
    if wanted.is_large:
        _add_details(message, translation.source, found.text, found, wanted)
        if wanted.sentences:
            message.sentences.extend(_write_spans(found.sentences))
    return message


def _write_warning(warning: TranslationWarning) -> pb.TranslationWarning:
    (begin, end), (target_begin, target_end) = warning.source, warning.target
    return pb.TranslationWarning(
        kind=WARNING_KIND + warning.kind.upper(),
        source=pb.Span(begin=begin, end=end),
        target=pb.Span(begin=target_begin, end=target_end),
    )


def _write_term(outcome: TermOutcome) -> pb.TermOutcome:
    span = None if outcome.span is None else pb.Span(begin=outcome.span[0], end=outcome.span[1])
    return pb.TermOutcome(source=outcome.source, target=outcome.target, span=span, reason=outcome.reason)


def write_glossary(stored: StoredGlossary) -> pb.Glossary:
    """The message of a stored glossary."""
    glossary = stored.glossary
    return pb.Glossary(name=stored.name, language_codes=glossary.languages, entry_count=len(glossary.entries))


def write_score(scored: ScoredTranslation, wanted: Wanted) -> pb.TranslationScore:
    """The message of a score, with its requested contents."""
    message = pb.TranslationScore(score=scored.score, log_prob=scored.log_prob)
    _add_details(message, scored.source, scored.target, scored, wanted)
    if wanted.attention:
        message.source_pieces.extend(scored.source_pieces)
    return message


def _add_details(
    message: pb.Hypothesis | pb.TranslationScore,
    source: str,
    target: str,
    found: Hypothesis | ScoredTranslation,
    wanted: Wanted,
) -> None:
    if wanted.pieces:
        message.pieces.extend(found.pieces)
    if wanted.token_log_probs:
        message.token_log_probs.extend(found.token_log_probs)
    if wanted.attention and found.attention is not None:
        message.attention.CopyFrom(_write_attention(found.attention))
    if wanted.alignment:
        message.alignment.extend(_write_spans(aligned_spans(source, target, found.alignment)))


def _write_spans(pairs: Iterable[tuple[Span, Span]]) -> list[pb.AlignedSpans]:
    return [
        pb.AlignedSpans(source=pb.Span(begin=begin, end=end), target=pb.Span(begin=target_begin, end=target_end))
        for (begin, end), (target_begin, target_end) in pairs
    ]


def _write_attention(attention: NDArray[np.float32]) -> pb.Attention:
    return pb.Attention(source_piece_count=attention.shape[1], weights=attention.ravel().tolist())


def write_failure(failure: TextFailure) -> pb.TextError:
    """The message of a failure."""
    return pb.TextError(code=INVALID_ARGUMENT, message=failure.reason)


def check_size(response: AnyMessage, limits: LimitsConfig) -> AnyMessage:
    """Return the response. Raises TooLargeError if it exceeds a message, with more details than gRPC's error."""
    num_bytes = response.ByteSize()
    if num_bytes > limits.max_message_bytes:
        raise TooLargeError(
            f"the answer has {num_bytes} bytes, larger than the {limits.max_message_bytes} that a message may have: "
            "send fewer texts, or request fewer hypotheses or fewer return_options"
        )
    return response


def write_model(model: ModelDescription, card: str = "") -> pb.Model:
    """The message of a model."""
    info = model.info
    return pb.Model(
        name=info.name,
        revision=model.revision,
        language_pairs=[write_direction(direction) for direction in info.directions],
        max_source_length=model.max_source_length,
        max_target_length=info.architecture.max_target_length,
        parameter_count=info.num_parameters,
        scores=[
            pb.EvaluationScore(
                language_pair=write_direction(score.direction),
                test_set=score.test_set,
                metric=score.metric,
                score=score.score,
                signature=score.signature,
            )
            for score in info.scores
        ],
        description=_text(info.provenance.get("description")),
        data=_text(info.provenance.get("data")),
        license=_text(info.provenance.get("licence")),
        card=card,
        state=f"MODEL_STATE_{model.state.upper()}",
    )


def _text(value: object) -> str:
    """A text from a bundle's provenance, which may hold anything; empty for other values."""
    return value if isinstance(value, str) else ""


def write_direction(direction: Direction) -> pb.LanguagePair:
    """The message of a direction."""
    return pb.LanguagePair(source_language_code=direction.source, target_language_code=direction.target)


def write_usage(periods: Sequence[Period]) -> pb.GetUsageResponse:
    """A caller's day and month; empty for one whose use is not counted."""
    response = pb.GetUsageResponse()
    for message, period in zip((response.day, response.month), periods, strict=False):
        message.start_time.FromSeconds(round(period.begin))
        message.end_time.FromSeconds(round(period.end))
        message.character_count, message.call_count = period.characters, period.calls
        if period.max_characters is not None:
            message.character_limit = period.max_characters
        if period.max_calls is not None:
            message.call_limit = period.max_calls
    return response


def write_server(limits: LimitsConfig, features: Sequence[str]) -> pb.GetServerResponse:
    """The description of the server."""
    try:
        release = version("dragoman")
    except PackageNotFoundError:  # imported from a checkout
        release = ""
    return pb.GetServerResponse(
        version=release,
        limits=pb.Limits(
            max_texts=limits.max_texts,
            max_text_length=limits.max_text_length,
            max_sentences=limits.max_sentences,
            max_message_bytes=limits.max_message_bytes,
            max_text_pieces=limits.max_text_pieces,
        ),
        features=features,
    )
