"""What a stream of texts stands at, whatever carries it: sent, answered, handed on; and when to begin a call anew.

A call that breaks is followed by another, which is sent what has no answer yet. So every text has exactly one result:
translating a text again does no harm, and answers are recognized by the text's number.
"""

import random
from collections.abc import Iterator, Sequence

from dragoman.model.errors import DragomanError, InvalidTextError
from dragoman.server.client.connection import ServerError, Weights
from dragoman.server.client.results import TranslationResult, read_result
from dragoman.v1 import translation_pb2 as pb

STREAM_WINDOW = 1024
"""Texts of a stream that are under way at most: sent and not handed on. The server is kept busy by far fewer; it takes
no more than it needs."""

MAX_WINDOW_LENGTH = 4_000_000
"""Characters of them, but for a single longer text."""

MAX_GROUP_SIZE, MAX_GROUP_LENGTH = 64, 64 * 1024
"""Texts that share a message because they wait together, and their characters; a single one may have more."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
"""Seconds before a call is begun anew; each pause is twice the one before, less up to a half at random."""

MAX_ATTEMPTS_WITHOUT_RESULT = 7
"""Calls one after the other, each of which broke before any result came; their pauses take some 20 s together."""

_PASSING = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED"})
"""Statuses after which another call may do better."""


class StreamState:
    """Texts are numbered from 0 in the order in which they are added."""

    def __init__(self, window: int, weights: Weights) -> None:
        self._window = window
        self._weights = weights
        self._unanswered: dict[int, str] = {}  # in their order
        self._lengths: dict[int, int] = {}  # of all that are under way
        self._length = 0
        self._num_added = 0
        self._num_failures = 0
        self._has_begun = False
        self.is_exhausted = False
        """Whether there are no more texts."""

    @property
    def has_room(self) -> bool:
        """Whether another text may be added."""
        return len(self._lengths) < self._window and (not self._lengths or self._length < MAX_WINDOW_LENGTH)

    @property
    def is_waiting(self) -> bool:
        """Whether a text is under way that has no answer."""
        return bool(self._unanswered)

    @property
    def is_complete(self) -> bool:
        """Whether everything is answered."""
        return self.is_exhausted and not self._unanswered

    def add(self, text: str) -> pb.TranslateStreamItem:
        """The next text, to be sent. Raises InvalidTextError if it cannot be encoded."""
        item = _item(self._num_added, text)
        self._unanswered[self._num_added] = text
        self._lengths[self._num_added] = len(text)
        self._length += len(text)
        self._num_added += 1
        return item

    def unanswered(self) -> Iterator[pb.TranslateStreamItem]:
        """What a new call has to be sent first."""
        return (_item(index, text) for index, text in list(self._unanswered.items()))

    def take(self, response: pb.TranslateStreamResponse) -> list[tuple[int, TranslationResult]]:
        """The numbers and results of the texts that a message answers.

        Raises ModelChangedError if other weights translate than before, ServerError for what makes no sense.
        """
        if response.HasField("started"):
            self._weights.check(response.started.model, response.started.revision)
            self._has_begun = True
        return [(result.id, self._read(result)) for result in response.results]

    def _read(self, result: pb.TranslateStreamResult) -> TranslationResult:
        if result.id not in self._unanswered:
            raise ServerError(f"the server answered a text that it was not sent, or twice: number {result.id}")
        self._num_failures = 0
        return read_result(self._unanswered.pop(result.id), result.translation)

    def release(self, index: int) -> None:
        """The text's result was handed on."""
        self._length -= self._lengths.pop(index)

    def pause_after(self, error: DragomanError) -> float:
        """Seconds to wait before the next call. Raises the error where another call is no use; what fails before it has
        begun was tried again already, by gRPC."""
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
