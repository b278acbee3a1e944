"""Protocols of the translator and its engine, so that the server and its tests import no torch.

`translation.translator.Translator` fits as it is.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dragoman.model.bundle import BundleConfig
from dragoman.model.config import Direction
from dragoman.model.decoding.request import Event, Partial, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.translation.drafts import Found, PreparedText, Round
from dragoman.translation.results import Translation
from dragoman.translation.terms.matching import TermFinder


class WorkerObserver(Protocol):
    """Gets events of requests, each of which is a sentence, on the worker's thread. Must be quick and never raise.

    model: name of the model. Seconds count from the submission of the call.
    """

    def admitted(self, model: str, priority: str, queue_seconds: float) -> None:
        """A request left the queue for a slot. priority: the value of a `server.call_context.Priority`."""

    def first_token(self, model: str, seconds_since_submitted: float) -> None:
        """A request finished; seconds_since_submitted: when its first step ended."""

    def finished(
        self, model: str, seconds_since_submitted: float, num_source_pieces: int, num_target_pieces: int
    ) -> None:
        """A request finished. num_target_pieces: of its best hypothesis."""

    def dropped(self, model: str, reason: str) -> None:
        """A request was given up. reason: "cancelled", "deadline", "failed" (the engine), "lost" (a process),
        "refused" (its text) or "quarantined"."""

    def quarantined(self, model: str) -> None:
        """A request ended or hung an engine and is not decoded again for a while."""

    def warned(self, model: str, kind: str) -> None:
        """A translation has a warning. kind: see `translation.results.WarningKind`. On any thread."""

    def retried(self, model: str, number: int) -> None:
        """number: of requests that translate a sentence in another way. On any thread."""


class _NoObserver:
    def quarantined(self, model: str) -> None:
        pass

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

    def warned(self, model: str, kind: str) -> None:
        pass

    def retried(self, model: str, number: int) -> None:
        pass


NO_OBSERVER: WorkerObserver = _NoObserver()


if TYPE_CHECKING:
    from dragoman.translation.scoring.scored import ScoredTranslation


class DecodingEngine(Protocol):
    """Beam search in slots, in this process or in others, see `model.decoding.engines.engine`. For one thread, except
    `check`, `statistics` and `close`."""

    @property
    def free_slots(self) -> int:
        """Number of free slots."""

    @property
    def num_active(self) -> int:
        """Number of requests in slots."""

    def count_fitting(self, requests: Sequence[Request], /) -> int:
        """Number of requests, counted from the first, that `admit` has slots and memory for now."""

    def admit(self, requests: Sequence[Request], /) -> None:
        """Put requests into slots. If it refuses one, it admits none and raises InvalidInputError."""

    def step(self) -> Sequence[Event]:
        """Decode one target position of every active slot and return the events of requests; if the slots are in other
        processes, wait for their next events. Returns at once if no slot is active."""

    def cancel(self, request_id: int, /) -> bool:
        """Give up a request and free its slot at once. Returns False if it has none."""

    def check(self, request: Request, /) -> None:
        """Raise InvalidInputError for a request that even an empty engine refuses. For any thread."""

    def statistics(self) -> EngineStatistics:
        """Statistics since the engine was created. For any thread."""

    def trim(self) -> None:
        """Give up memory that is kept for further work; nothing is in slots."""

    def close(self) -> None:
        """End its threads and processes; may be called twice. For any thread, when no other uses the engine."""


class ServedTranslator(Protocol):
    """A loaded model that turns texts into requests for its engine, and hypotheses into texts."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def revision(self) -> str:
        """Identifies the weights: 16 hexadecimal digits of their file's SHA-256; empty without a file."""

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which it translates."""

    @property
    def max_source_length(self) -> int:
        """Maximal number of pieces of a source sentence."""

    @property
    def info(self) -> BundleConfig:
        """Its bundle's configuration."""

    @property
    def engine(self) -> DecodingEngine:
        """The engine; only one thread may use it."""

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """The direction between two languages. Raises NotFoundError if there is none, InvalidInputError if the source
        language is ambiguous."""

    def prepare(
        self,
        text: str,
        direction: Direction,
        options: SearchOptions,
        *,
        split_sentences: bool = True,
        protect: bool = True,
        localize_figures: bool = False,
        join_lines: bool = True,
        terms: TermFinder | None = None,
    ) -> PreparedText:
        """Split a text into segments of pieces; thread-safe. Raises InvalidInputError for options that the model lacks,
        and without split_sentences for a text beyond its limit."""

    def review(self, prepared: PreparedText, found: Found, *, keeps_unchanged: bool = False) -> Round | None:
        """A further round for a text some of whose sentences failed; None if the text is ready for `finish`;
        thread-safe. keeps_unchanged: whether a sentence that the model read as it was keeps its translation."""

    def finish(self, prepared: PreparedText, found: Found) -> Translation:
        """Join the hypotheses of all segments into a translation; thread-safe. The translation of a blank text, which
        has no segments, is the text itself."""

    def prepare_score(self, source: str, target: str, direction: Direction, options: SearchOptions) -> PreparedText:
        """Prepare a text and its translation as one segment; thread-safe. Raises InvalidInputError if either is blank
        or too long."""

    def finish_score(self, prepared: PreparedText, found: Found) -> "ScoredTranslation":
        """The score of the translation given to `prepare_score`; thread-safe."""

    def partial_text(
        self,
        prepared: PreparedText,
        finished: Sequence[Sequence[TokenHypothesis] | None],
        partials: Mapping[int, Partial],
    ) -> tuple[str, str]:
        """A text's translation so far, as its final part and the part that may change; thread-safe.

        finished: by segment, its hypotheses, or None. partials: by index of segment, the state of those that have
        begun. The result ends with the first unfinished segment.
        """

    def close(self) -> None:
        """End the engine; may be called twice."""


class ModelObserver(Protocol):
    """Gets changes of the served models, on the event loop."""

    def model_loaded(self, model: str, revision: str) -> None:
        """A model, or a new revision of it, is now served."""

    def model_unloaded(self, model: str) -> None:
        """A model is no longer served."""

    def reload_ended(self, model: str, outcome: str) -> None:
        """A replacement was tried. outcome: "replaced", or "failed" if the old model stays."""

    def models_retired(self, number: int) -> None:
        """number: of replaced models that still have calls."""

    def load_ended(self, model: str, seconds: float) -> None:
        """A model was loaded and tried."""

    def model_evicted(self, model: str) -> None:
        """A model was unloaded to make room."""

    def memory_measured(self, num_bytes: int) -> None:
        """num_bytes: of the server and its engine processes; only with a bound."""


class _NoModelObserver:
    def model_loaded(self, model: str, revision: str) -> None: ...
    def model_unloaded(self, model: str) -> None: ...
    def reload_ended(self, model: str, outcome: str) -> None: ...
    def models_retired(self, number: int) -> None: ...
    def load_ended(self, model: str, seconds: float) -> None: ...
    def model_evicted(self, model: str) -> None: ...
    def memory_measured(self, num_bytes: int) -> None: ...


NO_MODEL_OBSERVER: ModelObserver = _NoModelObserver()
