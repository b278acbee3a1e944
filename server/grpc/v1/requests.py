"""What the requests that translate have in common, read and checked: Translate's, the configuration of a
TranslateStream, TranslateLive's."""

from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import Priority
from dragoman.server.catalogue.catalogue import Lease
from dragoman.server.config import LimitsConfig
from dragoman.server.grpc.v1.messages import read_search_options
from dragoman.server.grpc.v1.preparation import Outcome, estimate_answer, prepare_item
from dragoman.server.scheduling.worker import TextFailure
from dragoman.translation.preparing import PreparedText
from dragoman.v1 import translation_pb2 as pb

TranslatingRequest: TypeAlias = pb.TranslateRequest | pb.TranslateStreamConfig | pb.TranslateLiveRequest

_PRIORITIES: dict[int, Priority] = {pb.PRIORITY_INTERACTIVE: Priority.INTERACTIVE, pb.PRIORITY_BATCH: Priority.BATCH}


class _Catalogue(Protocol):
    """The part of `server.catalogue.catalogue.Catalogue` that finds models."""

    def find(self, model: str | None, source_language: str | None, target_language: str) -> Lease: ...


class _Routed(Protocol):
    """A request that names a model, or languages."""

    @property
    def model(self) -> str: ...
    @property
    def source_language(self) -> str: ...
    @property
    def target_language(self) -> str: ...


def find_model(catalogue: _Catalogue, request: _Routed) -> Lease:
    """What the request asks for; release the lease. Raises InvalidInputError and NotFoundError."""
    if not request.target_language:
        raise InvalidInputError("target_language: is empty; name the language to translate into")
    return catalogue.find(request.model or None, request.source_language or None, request.target_language)


def read_priority(value: int, default: Priority) -> Priority:
    """Raises InvalidInputError for a number that stands for nothing."""
    if value == pb.PRIORITY_UNSPECIFIED:
        return default
    if value not in _PRIORITIES:
        raise InvalidInputError(f"priority: is {value}, which stands for nothing")
    return _PRIORITIES[value]


def check_number_of_texts(name: str, number: int, limits: LimitsConfig) -> None:
    """Raises InvalidInputError for more than may be in one call."""
    if number > limits.max_texts:
        raise InvalidInputError(f"{name}: {number} texts in one call, but at most {limits.max_texts} are allowed")


@dataclass(frozen=True, slots=True)
class TranslationOrder:
    """How the texts of a call are to be translated.

    split: whether they are split into sentences. wanted: what is told of each hypothesis.
    """

    lease: Lease
    options: SearchOptions
    split: bool
    wanted: pb.ReturnOptions
    priority: Priority
    limits: LimitsConfig

    @classmethod
    def read(
        cls, request: TranslatingRequest, lease: Lease, limits: LimitsConfig, *, default_priority: Priority
    ) -> "TranslationOrder":
        """Raises InvalidInputError that names the field."""
        if request.text_format not in pb.TextFormat.values():
            raise InvalidInputError(f"text_format: is {request.text_format}, which stands for nothing")
        return cls(
            lease,
            read_search_options(request.search_options, request.return_options),
            request.split_sentences if request.HasField("split_sentences") else True,
            request.return_options,
            read_priority(request.priority, default_priority),
            limits,
        )

    def work(self, text: str) -> int:
        """How much work it is to prepare a text, in characters: its own, and what the options cost for each text."""
        return len(text) + len(self.options.target_prefix) + len(self.options.suppressed_pieces)

    def prepare(self, text: str) -> Outcome:
        """A text as segments of pieces, or what is wrong with it. Raises InvalidRequestError for what is wrong with the
        options. For any thread."""
        translator = self.lease.translator
        prepare = partial(
            translator.prepare,
            direction=self.lease.direction,
            options=self.options,
            split_sentences=self.split,
        )
        return prepare_item(text, (text,), prepare, self.limits.max_text_length)

    def prepare_one(self, text: str) -> Outcome:
        """Likewise, of a text whose answer is a message of its own, which has to be within all limits."""
        outcome = self.prepare(text)
        if isinstance(outcome, TextFailure):
            return outcome
        if len(outcome.segments) > self.limits.max_sentences:
            return TextFailure(f"has more than {self.limits.max_sentences} sentences")
        num_bytes = self.estimate(outcome)
        if num_bytes > self.limits.max_message_bytes:
            return TextFailure(
                f"its answer would have about {num_bytes} bytes, but a message may have at most "
                f"{self.limits.max_message_bytes}: ask for fewer hypotheses, or for less of each"
            )
        return outcome

    def estimate(self, outcome: PreparedText) -> int:
        """About how many bytes the answer will have."""
        return estimate_answer(outcome, self.wanted)

    @property
    def started(self) -> pb.TranslateStreamStarted:
        """What translates."""
        return pb.TranslateStreamStarted(
            model=self.lease.translator.name,
            source_language=self.lease.direction.source,
            revision=self.lease.translator.revision,
        )
