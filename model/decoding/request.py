"""What goes into the decoding engine and what comes out of it, as plain data without torch."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.search_options import SearchOptions

UNNUMBERED = -1

BASE_BYTES = 2048
"""Of a request without its pieces: the objects that stand for it in the text, the call and the queue."""

ID_BYTES = 40
"""Of a piece: a place in a tuple and a Python integer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One sentence for the engine: of a text, or a part of one that is too long for the model.

    id:                the caller's own number; unique among the requests in flight. UNNUMBERED before it gets one.
    source_ids:        source pieces, language tag and end of sentence included; never empty.
    options:           how to search.
    max_target_length: most target pieces, the end of sentence included; resolved, within the engine's limit.
    prefix_ids:        the pieces of options.target_prefix: every hypothesis begins with them; fewer than
                       max_target_length. Where they end with the end of sentence, and they may then be as many as
                       max_target_length, they are the whole translation: the search only finds how likely it is.
    suppressed_ids:    the ids of options.suppressed_pieces.
    allowed_ids:       the pieces that hypotheses may be made of (a lexical shortlist), besides those of the prefix:
                       ascending, with the end of sentence among them; None for the whole vocabulary.
    is_followed:       whether steps tell `Partial`s of it.
    text:              what source_ids was made of.

    The engine reads prefix_ids and suppressed_ids, never the texts in `options` that they come from, and never `text`.
    """

    id: int
    source_ids: tuple[int, ...]
    options: SearchOptions
    max_target_length: int
    prefix_ids: tuple[int, ...] = ()
    suppressed_ids: tuple[int, ...] = ()
    allowed_ids: NDArray[np.int32] | None = field(default=None, compare=False)
    is_followed: bool = False
    text: str = field(default="", compare=False)

    @property
    def cost(self) -> int:
        """What it takes of an engine, in pieces through a layer: its source's, and those of all its hypotheses if they
        become as long as translations usually are."""
        wanted = max(len(self.source_ids), self.options.min_target_length, len(self.prefix_ids))
        return len(self.source_ids) + self.options.max_hypotheses * min(wanted, self.max_target_length)

    @property
    def num_bytes(self) -> int:
        """About how much memory it takes while it waits, with what the server keeps beside it."""
        num_ids = len(self.source_ids) + len(self.prefix_ids) + len(self.suppressed_ids)
        return (
            BASE_BYTES
            + 4 * len(self.text)
            + ID_BYTES * num_ids
            + (0 if self.allowed_ids is None else self.allowed_ids.nbytes)
        )


@dataclass(frozen=True, slots=True)
class TokenHypothesis:
    """One finished hypothesis as pieces, without the end of sentence; equal to another of equal pieces and score.

    score:           length-normalized, a log, with the coverage penalty.
    token_log_probs: the log probability of each piece, and last that of the end of sentence, unless it was cut off.
    attention:       [len(token_log_probs), source pieces] what each of them looked at; None unless asked for.
    """

    token_ids: tuple[int, ...]
    score: float
    token_log_probs: tuple[float, ...] = field(default=(), compare=False)
    attention: NDArray[np.float32] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """What the engine returns for a request: `n_best` hypotheses, best first, or fewer where no more can be formed.

    first_token_at: the end of the request's first step, on the clock of `time.monotonic`, which all processes share.
    """

    id: int
    hypotheses: tuple[TokenHypothesis, ...]
    first_token_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Partial:
    """How far the search of a followed request has come.

    token_ids:  the pieces of its best hypothesis so far, by score, alive or finished.
    num_stable: how many of them, from the first, every hypothesis shares that can still become the best: no outcome of
                the search changes them any more.
    """

    id: int
    token_ids: tuple[int, ...]
    num_stable: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A request that will have no answer, because the process that decoded it is gone.

    reason:      one line.
    is_at_fault: whether it was in flight in several processes that ended, so that it should not be tried again.
    """

    id: int
    reason: str
    is_at_fault: bool = False


Event = Finished | Partial | Lost
"""What a step of an engine tells of a request. Any number of `Partial`, then one of the others, unless it is
cancelled."""
