"""The state of a stream of texts, independent of its calls: texts sent, answered and yielded; and the pauses of
retries.

When a call breaks, a new call gets the unanswered texts. Every text has exactly one result: translating a text again
does no harm, and the text's number identifies its answer.
"""

import random
from collections.abc import Iterator, Sequence

from dragoman.model.errors import DragomanError, InvalidTextError
from dragoman.server.client.connection import ServerError, Weights
from dragoman.server.client.results import TranslationResult, read_result
from dragoman.v1 import translation_pb2 as pb

STREAM_WINDOW = 1024
"""Maximal number of texts in flight: sent, and results not yet yielded. Far fewer keep the server busy; it reads no
more than it needs."""

MAX_WINDOW_LENGTH = 4_000_000
"""Maximal number of characters in flight; a single text may have more."""

MAX_GROUP_SIZE, MAX_GROUP_LENGTH = 64, 64 * 1024
"""Maximal number of texts in a message, and of their characters; a single text may have more."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
"""Seconds before a new call; each pause is twice the one before, less up to a half at random."""

MAX_ATTEMPTS_WITHOUT_RESULT = 7
"""Maximal number of calls in a row that break without a result; their pauses take about 20 s together."""

_PASSING = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"})
"""Temporary statuses, after which a new call may succeed. A server that ends sends CANCELLED for a call that has just
arrived."""


class StreamState:
    """The texts of a stream, numbered from 0 in order of addition."""

    def __init__(self, window: int, weights: Weights) -> None:
        self._window = window
        self._weights = weights
        self._unanswered: dict[int, str] = {}  # in their order
        self._lengths: dict[int, int] = {}  # of the texts in flight
        self._length = 0
        self._num_added = 0
        self._num_failures = 0
        self._has_begun = False
        self.is_exhausted = False
        """Whether all texts were added."""

    @property
    def has_room(self) -> bool:
        """Whether another text may be added."""
        return len(self._lengths) < self._window and (not self._lengths or self._length < MAX_WINDOW_LENGTH)

    @property
    def is_waiting(self) -> bool:
        """Whether a text has no answer yet."""
        return bool(self._unanswered)

    @property
    def is_complete(self) -> bool:
        """Whether all texts are answered."""
        return self.is_exhausted and not self._unanswered

    def add(self, text: str) -> pb.TranslateStreamItem:
        """Add a text; returns the item to send. Raises InvalidTextError if it cannot be encoded."""
        item = _item(self._num_added, text)
        self._unanswered[self._num_added] = text
        self._lengths[self._num_added] = len(text)
        self._length += len(text)
        self._num_added += 1
        return item

    def unanswered(self) -> Iterator[pb.TranslateStreamItem]:
        """The items to send first in a new call."""
        return (_item(index, text) for index, text in list(self._unanswered.items()))

    def take(self, response: pb.TranslateStreamResponse) -> list[tuple[int, TranslationResult]]:
        """The numbers and results in a message.

        Raises ModelChangedError if the weights have changed, ServerError for an unexpected answer.
        """
        if response.HasField("started"):
            self._weights.check(response.started.model, response.started.revision)
            self._has_begun = True
        return [(result.id, self._read(result)) for result in response.results]

    def _read(self, result: pb.TranslateStreamResult) -> TranslationResult:
        if result.id not in self._unanswered:
            raise ServerError(f"the server answered text {result.id}, which was not sent, or answered it twice")
        self._num_failures = 0
        return read_result(self._unanswered.pop(result.id), result.translation)

    def release(self, index: int) -> None:
        """Note that a text's result was yielded."""
        self._length -= self._lengths.pop(index)

    def pause_after(self, error: DragomanError) -> float:
        """Seconds to wait before the next call. Raises the error if another call is useless; gRPC itself has already
        retried a call that failed before its first answer."""

        self._num_failures += 1
        may_pass = isinstance(error, ServerError) and error.code in _PASSING
        if not may_pass or not self._has_begun or self._num_failures >= MAX_ATTEMPTS_WITHOUT_RESULT:
            raise error
        pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._num_failures - 1))
        return pause * random.uniform(0.5, 1.0)


def pack(items: Sequence[pb.TranslateStreamItem]) -> pb.TranslateStreamRequest:
    """A message of texts."""
    return pb.TranslateStreamRequest(items=pb.TranslateStreamItems(items=items))


def _item(index: int, text: str) -> pb.TranslateStreamItem:
    try:
        return pb.TranslateStreamItem(id=index, text=text)
    except ValueError as error:  # a lone surrogate
        raise InvalidTextError(index, f"cannot be encoded: {error}") from error
