"""The messages between the front and an engine process, over a pair of sockets.

They are MessagePack of known types: a process whose memory is damaged can spoil an answer, but cannot run code in the
front. Each side first sends its VERSION: the program may have been replaced on disk since the front started.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dragoman.model import errors
from dragoman.model.decoding.loading import Precision
from dragoman.model.decoding.request import Event, Finished, Partial, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import StepCounts
from dragoman.model.errors import DragomanError


class ReplicaSetup(msgspec.Struct, frozen=True, tag=True):
    """The first message to a process: what to load.

    folders:  of the bundles, absolute; several become an ensemble.
    revision: of the weights when the bundles were opened; the process must not start with other weights.
    number:   of the process, from 0: chooses among several devices.
    The other fields are as for `Translator.load`, for each process.
    """

    folders: tuple[Path, ...]
    revision: str
    precision: Precision = "auto"
    device: str = "cpu"
    num_threads: int = 1
    max_slots: int = 64
    max_cached_positions: int | None = None
    number: int = 0


class Work(msgspec.Struct, frozen=True, tag=True):
    """To a process, before its next step: ids of requests to cancel, then requests to admit."""

    cancelled: tuple[int, ...] = ()
    admitted: tuple[Request, ...] = ()


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a process that has loaded."""


class Report(msgspec.Struct, frozen=True, tag=True):
    """From a process, after a step: new events, and the counts of all its steps."""

    finished: tuple[Finished, ...]
    partials: tuple[Partial, ...]
    steps: StepCounts

    @classmethod
    def of(cls, events: Iterable[Event], steps: StepCounts) -> "Report":
        """The events must not include `Lost`: an engine in its own process loses nothing."""
        events = tuple(events)
        return cls(
            tuple(event for event in events if isinstance(event, Finished)),
            tuple(event for event in events if isinstance(event, Partial)),
            steps,
        )

    @property
    def events(self) -> tuple[Event, ...]:
        return (*self.finished, *self.partials)


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The last message of a process whose engine failed, or that could not load.

    reason:  one line.
    details: the stack.
    kind:    the name of the DragomanError, whose text is `message`; empty if no user can fix it.
    """

    reason: str
    details: str
    kind: str = ""
    message: str = ""

    @classmethod
    def of(cls, error: Exception, details: str) -> "Failed":
        kind = type(error).__name__ if isinstance(error, DragomanError) else ""
        return cls(f"{type(error).__name__}: {error}".splitlines()[0], details, kind, str(error) if kind else "")

    @property
    def error(self) -> DragomanError | None:
        """The error, if a user can fix it; of an unknown kind, a plain DragomanError."""
        if not self.kind:
            return None
        known = {"InvalidInputError": errors.InvalidInputError, "NotFoundError": errors.NotFoundError}
        return known.get(self.kind, DragomanError)(self.message)


class LogLine(msgspec.Struct, frozen=True, tag=True):
    """A log record of a process."""

    logger: str
    level: int
    text: str


ToReplica = ReplicaSetup | Work
FromReplica = Ready | Report | Failed | LogLine

VERSION = hashlib.sha256(
    repr(
        [
            (kind.__name__, kind.__annotations__)
            for kinds in (
                (ReplicaSetup, Work, Ready, Report, Failed, LogLine),
                (Request, SearchOptions, Finished, Partial, TokenHypothesis, StepCounts),
            )
            for kind in kinds
        ]
    ).encode()
).digest()
"""Distinguishes the messages from those of another version of the program."""

_DTYPES = ("<i4", "<f4")


def _encode_other(value: Any) -> object:
    if isinstance(value, Path):
        return str(value)
    assert isinstance(value, np.ndarray), "nothing else is sent"
    return value.dtype.str, value.shape, value.tobytes()


def _decode_other(kind: type, value: Any) -> object:
    if kind is Path:
        return Path(value)
    dtype, shape, content = value
    if dtype not in _DTYPES:
        raise ValueError(f"an array of {dtype}")
    return np.frombuffer(content, dtype).reshape(shape)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_other)
_TO_REPLICA: "msgspec.msgpack.Decoder[ToReplica]" = msgspec.msgpack.Decoder(ToReplica, dec_hook=_decode_other)
_FROM_REPLICA: "msgspec.msgpack.Decoder[FromReplica]" = msgspec.msgpack.Decoder(FromReplica, dec_hook=_decode_other)


def encode(message: ToReplica | FromReplica) -> bytes:
    return _ENCODER.encode(message)


def decode_to_replica(content: bytes) -> ToReplica:
    """Raises msgspec.DecodeError for what is no message."""
    return _TO_REPLICA.decode(content)


def decode_from_replica(content: bytes) -> FromReplica:
    """Raises msgspec.DecodeError for what is no message."""
    return _FROM_REPLICA.decode(content)
