"""What the front and an engine's process tell each other, pickled, over a pair of sockets. Both are of one program, so
that neither has to mistrust the other."""

from dataclasses import dataclass
from pathlib import Path

from dragoman.model.decoding.loading import Precision
from dragoman.model.decoding.request import Event, Request
from dragoman.model.decoding.statistics import StepCounts
from dragoman.model.errors import DragomanError


@dataclass(frozen=True, slots=True)
class ReplicaSetup:
    """The first message to a process: what it loads.

    folders:  of the bundles, absolute; several become an ensemble.
    revision: that the weights had when the bundles were opened: with others the process must not begin.
    The rest is as for `Translator.load`, each process having so much.
    """

    folders: tuple[Path, ...]
    revision: str
    precision: Precision = "auto"
    device: str = "cpu"
    num_threads: int = 1
    max_slots: int = 64
    max_cached_positions: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """To a process, before its next step: ids of requests to give up, then requests to begin."""

    cancelled: tuple[int, ...] = ()
    admitted: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """From a process that has loaded."""


@dataclass(frozen=True, slots=True)
class Report:
    """From a process, after a step at most: what there is to tell, and what all of its steps came to."""

    events: tuple[Event, ...]
    steps: StepCounts


@dataclass(frozen=True, slots=True)
class Failed:
    """The last message of a process whose engine failed, or that could not load.

    reason:  one line.
    details: the stack.
    error:   what it was, if a user can mend it.
    """

    reason: str
    details: str
    error: DragomanError | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a process logs."""

    logger: str
    level: int
    text: str


FromReplica = Ready | Report | Failed | LogLine
