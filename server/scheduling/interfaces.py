"""What the server needs of a translator, so that it imports no torch and its tests need none.

`translation.translator.Translator` fits as it is.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dragoman.model.bundle import BundleConfig
from dragoman.model.config import Direction
from dragoman.model.decoding.request import Event, Partial, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.translation.preparing import PreparedText
from dragoman.translation.results import Translation


class WorkerObserver(Protocol):
    """Is told on the worker's thread what becomes of requests, each of them a sentence. Must be quick and never raise.

    model: its name. Seconds are counted from when the call was submitted.
    """

    def admitted(self, model: str, priority: str, queue_seconds: float) -> None:
        """It has left the queue for a slot. priority: the value of a `server.call_context.Priority`."""

    def first_token(self, model: str, seconds_since_submitted: float) -> None:
        """It was finished, and its first step was over then."""

    def finished(
        self, model: str, seconds_since_submitted: float, num_source_pieces: int, num_target_pieces: int
    ) -> None:
        """It was finished; its best hypothesis has so many pieces."""

    def dropped(self, model: str, reason: str) -> None:
        """It was not: its call was "cancelled", its "deadline" passed, the engine "failed", a process was "lost", or
        its text "refused"."""


class _NoObserver:
    def admitted(self, model: str, priority: str, queue_seconds: float) -> None:
        pass

    def first_token(self, model: str, seconds_since_submitted: float) -> None:
        pass

    def finished(
        self, model: str, seconds_since_submitted: float, num_source_pieces: int, num_target_pieces: int
    ) -> None:
        pass

    def dropped(self, model: str, reason: str) -> None:
        pass


NO_OBSERVER: WorkerObserver = _NoObserver()


if TYPE_CHECKING:
    from dragoman.translation.scored import ScoredTranslation


class DecodingEngine(Protocol):
    """Beam search in slots, in this process or in others, see `model.decoding.engines.engine`; only one thread may use
    it, but for `check`, `statistics` and `close`."""

    @property
    def free_slots(self) -> int:
        """Requests that `admit` takes now."""

    @property
    def num_active(self) -> int:
        """Requests that hold a slot."""

    def count_fitting(self, requests: Sequence[Request], /) -> int:
        """How many of the requests, counted from the first, `admit` has room for now: slots and memory."""

    def admit(self, requests: Sequence[Request], /) -> None:
        """Puts requests that fit into slots; all, or none and InvalidInputError if it refuses one."""

    def step(self) -> Sequence[Event]:
        """Decodes one target position of every active slot, if any, and returns what there is to tell of requests; the
        next events, where the slots are other processes'. With nothing in flight it returns at once."""

    def cancel(self, request_id: int, /) -> bool:
        """Gives a request up and frees its slot at once. False if it holds none."""

    def check(self, request: Request, /) -> None:
        """Raises InvalidInputError for a request that even an empty engine refuses. For any thread."""

    def statistics(self) -> EngineStatistics:
        """What it has done since it was made. For any thread."""

    def close(self) -> None:
        """Ends its threads and processes; may be called twice. For any thread, once none uses the engine."""


class ServedTranslator(Protocol):
    """A loaded model that turns text into requests for its engine, and the engine's answers into text."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def revision(self) -> str:
        """Tells the weights from others: 16 hexadecimal digits of their file's SHA-256; empty if they have no file."""

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which it translates."""

    @property
    def max_source_length(self) -> int:
        """Most pieces of a source sentence."""

    @property
    def info(self) -> BundleConfig:
        """What its bundle tells about it."""

    @property
    def engine(self) -> DecodingEngine:
        """The engine; only one thread may use it."""

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """The direction meant; NotFoundError if there is none, InvalidInputError if the source language is missing."""

    def prepare(
        self, text: str, direction: Direction, options: SearchOptions, *, split_sentences: bool = True
    ) -> PreparedText:
        """Text into segments of pieces; thread-safe. InvalidInputError for what the model cannot follow, and for a
        text longer than its limit unless sentences are split."""

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        """Pieces into text, from the hypotheses of each segment; thread-safe. A blank text, which has no segments,
        translates to itself."""

    def prepare_score(self, source: str, target: str, direction: Direction, options: SearchOptions) -> PreparedText:
        """A text and its whole translation, as one segment; thread-safe. InvalidInputError if one of them is blank or
        too long."""

    def finish_score(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> "ScoredTranslation":
        """How likely the translation is that `prepare_score` was given; thread-safe."""

    def partial_text(
        self,
        prepared: PreparedText,
        finished: Sequence[Sequence[TokenHypothesis] | None],
        partials: Mapping[int, Partial],
    ) -> tuple[str, str]:
        """What is there of a text's translation, as the part that will not change and the one that may; thread-safe.

        finished: the hypotheses of each segment, None for those that are not finished. partials: of these, by the
        segment's place, those that have begun. Only the first unfinished segment is shown of them.
        """

    def close(self) -> None:
        """Ends the engine; may be called twice."""


class ModelObserver(Protocol):
    """Who is told, on the event loop, which models are served."""

    def model_loaded(self, model: str, revision: str) -> None:
        """A model, or another revision of it, is served from now on."""

    def model_unloaded(self, model: str) -> None:
        """A model is not served any more."""

    def reload_ended(self, model: str, outcome: str) -> None:
        """A model was loaded in place of another. outcome: "replaced", or "failed", and then that one goes on."""

    def models_retired(self, number: int) -> None:
        """So many models that were replaced still have calls."""
