"""The decoding engine's requests and their outcomes, as plain data. Free of torch."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.search_options import SearchOptions

UNNUMBERED = -1

BASE_BYTES = 2048
"""Bytes of a request without its pieces: the objects that stand for it in the text, the call and the queue."""

ID_BYTES = 40
"""Bytes of a piece: a place in a tuple and a Python integer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One sentence for the engine, or a part of a sentence that is too long for the model.

    id:                the caller's own number; unique among the requests in flight. UNNUMBERED before it gets one.
    source_ids:        source pieces, language tag and end of sentence included; never empty.
    options:           how to search.
    max_target_length: most target pieces, the end of sentence included; resolved, within the engine's limit.
    prefix_ids:        the pieces of options.target_prefix: every hypothesis begins with them; fewer than
                       max_target_length. If they end with the end of sentence, they are the whole translation, which
                       the engine only scores; they may then be as many as max_target_length.
    suppressed_ids:    the ids of options.suppressed_pieces.
    allowed_ids:       the pieces that hypotheses may consist of (a lexical shortlist), besides those of the prefix:
                       ascending, with the end of sentence among them; None for the whole vocabulary.
    terms:             what must appear: for each term its forms, of which one is due, each as its pieces; see
                       `search.terms.Terms`. Not for sampling.
    is_followed:       whether steps report `Partial`s of it.

    The engine reads prefix_ids and suppressed_ids, but never the texts in `options`.
    """

    id: int
    source_ids: tuple[int, ...]
    options: SearchOptions
    max_target_length: int
    prefix_ids: tuple[int, ...] = ()
    suppressed_ids: tuple[int, ...] = ()
    allowed_ids: NDArray[np.int32] | None = field(default=None, compare=False)
    terms: tuple[tuple[tuple[int, ...], ...], ...] = ()
    is_followed: bool = False

    @property
    def cost(self) -> int:
        """The work that it is for an engine, in pieces through a layer: those of its source, and those of all its
        hypotheses at the usual length of a translation."""
        wanted = max(len(self.source_ids), self.options.min_target_length, len(self.prefix_ids))
        return len(self.source_ids) + self.options.max_hypotheses * min(wanted, self.max_target_length)

    @property
    def possible_ids(self) -> NDArray[np.int32] | None:
        """allowed_ids with the pieces of the prefix and the terms; None for the whole vocabulary."""
        if self.allowed_ids is None or not (self.prefix_ids or self.terms):
            return self.allowed_ids
        of_terms = [piece for forms in self.terms for form in forms for piece in form]
        return np.union1d(self.allowed_ids, np.array([*self.prefix_ids, *of_terms], np.int32))

    @property
    def num_term_ids(self) -> int:
        """The pieces of all forms of all terms."""
        return sum(len(form) for forms in self.terms for form in forms)

    @property
    def num_bytes(self) -> int:
        """About how much memory it takes while it waits, the server's own objects for it included."""
        num_ids = len(self.source_ids) + len(self.prefix_ids) + len(self.suppressed_ids) + self.num_term_ids
        return BASE_BYTES + ID_BYTES * num_ids + (0 if self.allowed_ids is None else self.allowed_ids.nbytes)


@dataclass(frozen=True, slots=True)
class TokenHypothesis:
    """One finished hypothesis as pieces, without the end of sentence. Equality compares pieces and score.

    score:           the length-normalized log probability with the coverage penalty.
    token_log_probs: the log probability of each piece and, last, of the end of sentence, unless it was cut off.
    attention:       [len(token_log_probs), source pieces] the attention of each of these; None unless requested.
    """

    token_ids: tuple[int, ...]
    score: float
    token_log_probs: tuple[float, ...] = field(default=(), compare=False)
    attention: NDArray[np.float32] | None = field(default=None, compare=False)

    @property
    def is_cut_off(self) -> bool:
        """Whether it has no end of sentence."""
        return len(self.token_log_probs) <= len(self.token_ids)


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished request: `n_best` hypotheses, best first, or fewer if no more can be formed.

    first_token_at: the end of the request's first step, in seconds of `time.monotonic`, which all processes share.
    """

    id: int
    hypotheses: tuple[TokenHypothesis, ...]
    first_token_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Partial:
    """The progress of the search of a followed request.

    token_ids:  the pieces of its best hypothesis so far, by score, alive or finished.
    num_stable: the number of first pieces that are final: every hypothesis that can still become the best shares them.
    """

    id: int
    token_ids: tuple[int, ...]
    num_stable: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A request that gets no answer, because the process that decoded it ended.

    reason:      one line.
    is_at_fault: whether several processes ended while they decoded it, so that it should not be retried.
    """

    id: int
    reason: str
    is_at_fault: bool = False


Event = Finished | Partial | Lost
"""A report of an engine's step on a request: any number of `Partial`, then one `Finished` or `Lost`, unless the request
is cancelled."""
