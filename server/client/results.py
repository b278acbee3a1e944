"""What the clients return beside those of `translation.results`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from dragoman.model.errors import InvalidTextError
from dragoman.server.grpc.v1.messages import read_score, read_translation
from dragoman.server.grpc.v1.model_messages import ModelDescription, ServerLimits
from dragoman.translation.results import Translation
from dragoman.translation.scored import ScoredTranslation
from dragoman.v1 import translation_pb2 as pb

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TextError:
    """Why one of several texts has no result; the others have theirs.

    source: the text. reason: one line. code: a number of google.rpc.Code, 3 for a text that is at fault itself.
    """

    source: str
    reason: str
    code: int


@dataclass(frozen=True, slots=True)
class LiveTranslation:
    """What there is of a translation so far.

    stable_text:   the translation begins with it, whatever comes.
    unstable_text: how it may go on; the next one replaces it.
    translation:   the whole; only the last one has it.
    """

    stable_text: str
    unstable_text: str
    translation: Translation | None

    @property
    def text(self) -> str:
        """What to show."""
        return self.stable_text + self.unstable_text


@dataclass(frozen=True, slots=True)
class LanguageCandidate:
    """A language that a text may be in, and how sure that is, from 0 to 1."""

    language: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """One model, its card included, and what the server allows."""

    model: ModelDescription
    limits: ServerLimits


TranslationResult: TypeAlias = Translation | TextError
ScoreResult: TypeAlias = ScoredTranslation | TextError


def read_result(source: str, message: pb.Translation) -> TranslationResult:
    """source: the text that was sent."""
    if message.HasField("error"):
        return _read_error(source, message.error)
    return read_translation(source, message)


def read_results(texts: Sequence[str], response: pb.TranslateResponse) -> list[TranslationResult]:
    """One for each text."""
    return [read_result(text, message) for text, message in zip(texts, response.translations, strict=True)]


def read_scores(pairs: Sequence[tuple[str, str]], response: pb.ScoreResponse) -> list[ScoreResult]:
    """One for each pair."""
    return [
        _read_error(source, message.error) if message.HasField("error") else read_score(source, target, message)
        for (source, target), message in zip(pairs, response.scores, strict=True)
    ]


def read_detections(texts: Sequence[str], response: pb.DetectLanguageResponse) -> list[list[LanguageCandidate]]:
    """One list for each text. Raises InvalidTextError for the first that the server did not take."""
    found: list[list[LanguageCandidate] | TextError] = [
        _read_error(text, detection.error)
        if detection.HasField("error")
        else [LanguageCandidate(candidate.language, candidate.confidence) for candidate in detection.candidates]
        for text, detection in zip(texts, response.detections, strict=True)
    ]
    return require_all(found)


def read_live(text: str, response: pb.TranslateLiveResponse) -> LiveTranslation:
    """text: that was sent."""
    translation = read_translation(text, response.translation) if response.HasField("translation") else None
    return LiveTranslation(response.stable_text, response.unstable_text, translation)


def _read_error(source: str, error: pb.TextError) -> TextError:
    return TextError(source, error.message, error.code)


def require_all(results: Iterable[Result | TextError]) -> list[Result]:
    """All of them. Raises InvalidTextError for the first text that has none."""
    return [require(index, result) for index, result in enumerate(results)]


def require(index: int, result: Result | TextError) -> Result:
    """The result. Raises InvalidTextError if the text, which has this number, has none."""
    if isinstance(result, TextError):
        raise InvalidTextError(index, result.reason)
    return result
