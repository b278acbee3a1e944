"""Answers of the service, made of what was found: off the event loop where they may be large."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from dragoman.server.config import LimitsConfig
from dragoman.server.grpc.v1.messages import write_failure, write_score, write_translation
from dragoman.server.grpc.v1.preparation import Outcome
from dragoman.server.grpc.v1.statuses import TooLargeError
from dragoman.server.scheduling.worker import TextFailure
from dragoman.translation.results import Translation
from dragoman.translation.scored import ScoredTranslation
from dragoman.v1 import translation_pb2 as pb

Found = TypeVar("Found")
AnyMessage = TypeVar("AnyMessage", bound=Message)


async def write_found(translation: Translation, wanted: pb.ReturnOptions) -> pb.Translation:
    """A translation with what is wanted."""
    return await _off_the_loop(lambda: write_translation(translation, wanted), wanted)


async def write_translations(
    outcomes: Sequence[Outcome], found: Sequence[Translation | TextFailure], wanted: pb.ReturnOptions
) -> list[pb.Translation]:
    """outcomes: of preparing all texts. found: for those of them that could be translated, in order."""

    def write() -> list[pb.Translation]:
        return [
            pb.Translation(error=write_failure(result.reason))
            if isinstance(result, TextFailure)
            else write_translation(result, wanted)
            for result in _merge(outcomes, found)
        ]

    return await _off_the_loop(write, wanted)


async def write_scores(
    outcomes: Sequence[Outcome], found: Sequence[ScoredTranslation | TextFailure], wanted: pb.ReturnOptions
) -> list[pb.TranslationScore]:
    """Likewise, of scores."""

    def write() -> list[pb.TranslationScore]:
        return [
            pb.TranslationScore(error=write_failure(result.reason))
            if isinstance(result, TextFailure)
            else write_score(result, wanted)
            for result in _merge(outcomes, found)
        ]

    return await _off_the_loop(write, wanted)


def check_size(response: AnyMessage, limits: LimitsConfig) -> AnyMessage:
    """The answer itself. Raises TooLargeError if it does not fit a message, before gRPC says so less clearly."""
    if response.ByteSize() > limits.max_message_bytes:
        raise TooLargeError(
            f"the answer has {response.ByteSize()} bytes, larger than the {limits.max_message_bytes} that a message "
            "may have: send fewer texts, or ask for fewer hypotheses, or for less of each"
        )
    return response


def _merge(outcomes: Sequence[Outcome], found: Sequence[Found | TextFailure]) -> Iterator[Found | TextFailure]:
    remaining = iter(found)
    for outcome in outcomes:
        yield outcome if isinstance(outcome, TextFailure) else next(remaining)


async def _off_the_loop(write: Callable[[], Found], wanted: pb.ReturnOptions) -> Found:
    if wanted.ListFields():  # it may be megabytes
        return await asyncio.to_thread(write)
    return write()
