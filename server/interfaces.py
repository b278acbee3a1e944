"""What the server needs of a translator, so that it imports no torch and its tests need none.

`model.decoding.translator.Translator` fits as it is.
"""

from collections.abc import Sequence
from typing import Protocol

from model.bundle import BundleConfig
from model.config import Direction
from model.decoding.request import Finished, PreparedText, Request, SearchOptions, TokenHypothesis, Translation


class DecodingEngine(Protocol):
    """Beam search in slots, see `model.decoding.engine`; not thread-safe."""

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

    def step(self) -> list[Finished]:
        """Decodes one target position of every active slot, if any; returns the requests that this finished."""

    def cancel(self, request_id: int, /) -> bool:
        """Gives a request up and frees its slot at once. False if it holds none."""


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
