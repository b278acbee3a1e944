"""What goes into the decoding engine and what comes out of it, as plain data without torch."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Literal, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from model.config import EOS_ID
from model.errors import InvalidInputError

MAX_BEAM_SIZE = 32
"""The widest beam that any request may ask for, and the most samples."""

LengthNormalization = Literal["gnmt", "average"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How one sentence is searched; every request of a batch may have its own.

    beam_size:            hypotheses kept alive at every position, 1 to 32; 1 is greedy search.
    n_best:               hypotheses returned, best first, 1 to `beam_size`; when sampling, hypotheses drawn, 1 to 32.
    length_penalty:       alpha, 0 to 10: the score is log P(Y|X) divided by the penalty of `length_normalization`;
                          0 compares plain log probabilities.
    length_normalization: "gnmt": ((5 + |Y|) / 6) ** alpha of Wu et al. (2016), equation 14; "average": |Y| ** alpha.
                          |Y| counts the target pieces with the end of sentence.
    coverage_penalty:     beta of the same equation, 0 to 10: beta * sum_i log(min(sum_j p_ij, 1)) is added to the
                          normalized score of a finished hypothesis, where p_ij is the attention of its j-th piece to
                          the i-th source piece.
    min_target_length:    pieces before the end of sentence is possible; at least 1, so no translation is empty.
    max_target_length:    most target pieces, the end of sentence included; None leaves it to the model, which allows
                          twice the source's pieces, tag and end included, and ten more, or ten more than
                          min_target_length or the prefix where that is longer; in any case within its own limit.
    no_repeat_ngram_size: no sequence of that many pieces occurs twice in a hypothesis; 0 allows all.
    target_prefix:        text that every hypothesis begins with.
    suppressed_pieces:    vocabulary pieces that may not occur.
    sampling_temperature: None for beam search; else n_best hypotheses are drawn independently, from probabilities
                          whose logarithms were divided by it; above 0, to 100. `beam_size` is then unused.
    sampling_top_k:       draws only among that many likeliest pieces; 0 is all.
    sampling_top_p:       draws only among the fewest likeliest pieces whose probabilities add up to it; above 0, to 1.
    seed:                 other draws for another seed, 0 to 2 ** 63 - 1; the same for the same one.
    return_attention:     whether hypotheses come with their attention to the source.

    Raises InvalidInputError for a value out of range.
    """

    beam_size: int = 4
    n_best: int = 1
    length_penalty: float = 1.0
    length_normalization: LengthNormalization = "gnmt"
    coverage_penalty: float = 0.0
    min_target_length: int = 1
    max_target_length: int | None = None
    no_repeat_ngram_size: int = 0
    target_prefix: str = ""
    suppressed_pieces: tuple[str, ...] = ()
    sampling_temperature: float | None = None
    sampling_top_k: int = 0
    sampling_top_p: float = 1.0
    seed: int = 0
    return_attention: bool = False

    def __post_init__(self) -> None:
        self._check_beams()
        _check_range("length_penalty", self.length_penalty, 0, 10)
        if self.length_normalization not in get_args(LengthNormalization):
            raise InvalidInputError(
                f'length_normalization is "{self.length_normalization}", but must be "gnmt" or "average"'
            )
        _check_range("coverage_penalty", self.coverage_penalty, 0, 10)
        self._check_lengths()
        if self.no_repeat_ngram_size < 0:
            raise InvalidInputError(f"no_repeat_ngram_size is {self.no_repeat_ngram_size}, but must not be negative")
        if isinstance(self.suppressed_pieces, str):  # or each of its letters would be a piece
            raise InvalidInputError(
                f'suppressed_pieces is the text "{self.suppressed_pieces}", but must be a tuple of pieces'
            )
        if not all(self.suppressed_pieces):
            raise InvalidInputError("suppressed_pieces holds an empty piece")
        self._check_sampling()

    def _check_beams(self) -> None:
        _check_range("beam_size", self.beam_size, 1, MAX_BEAM_SIZE)
        if self.sampling_temperature is not None:
            _check_range("n_best", self.n_best, 1, MAX_BEAM_SIZE)
        elif not 1 <= self.n_best <= self.beam_size:
            raise InvalidInputError(
                f"n_best is {self.n_best}, but must lie between 1 and beam_size, which is {self.beam_size}"
            )

    def _check_lengths(self) -> None:
        if self.max_target_length is not None and self.max_target_length < 1:
            raise InvalidInputError(f"max_target_length is {self.max_target_length}, but must be at least 1")
        if self.min_target_length < 1:
            raise InvalidInputError(f"min_target_length is {self.min_target_length}, but must be at least 1")
        if self.max_target_length is not None and self.min_target_length > self.max_target_length:
            raise InvalidInputError(
                f"min_target_length is {self.min_target_length}, but must not be greater than max_target_length, "
                f"which is {self.max_target_length}"
            )

    def _check_sampling(self) -> None:
        temperature = self.sampling_temperature
        if temperature is not None and not 0.0 < temperature <= 100.0:  # also refuses NaN
            raise InvalidInputError(f"sampling_temperature is {temperature}, but must be above 0 and at most 100")
        if self.sampling_top_k < 0:
            raise InvalidInputError(f"sampling_top_k is {self.sampling_top_k}, but must not be negative")
        if not 0.0 < self.sampling_top_p <= 1.0:
            raise InvalidInputError(f"sampling_top_p is {self.sampling_top_p}, but must be above 0 and at most 1")
        _check_range("seed", self.seed, 0, 2**63 - 1)

    @property
    def num_beams(self) -> int:
        """Hypotheses that are alive at once at most: beams, or samples."""
        return self.beam_size if self.sampling_temperature is None else self.n_best


def _check_range(name: str, value: float, least: int, most: int) -> None:
    if not least <= value <= most:  # also refuses NaN
        raise InvalidInputError(f"{name} is {value}, but must lie between {least} and {most}")


class SearchArguments(TypedDict, total=False):
    """The fields of `SearchOptions` as keyword arguments."""

    beam_size: int
    n_best: int
    length_penalty: float
    length_normalization: LengthNormalization
    coverage_penalty: float
    min_target_length: int
    max_target_length: int | None
    no_repeat_ngram_size: int
    target_prefix: str
    suppressed_pieces: tuple[str, ...]
    sampling_temperature: float | None
    sampling_top_k: int
    sampling_top_p: float
    seed: int
    return_attention: bool


SEARCH_OPTION_NAMES = tuple(field.name for field in fields(SearchOptions))


@dataclass(frozen=True, slots=True)
class Request:
    """One sentence for the engine.

    id:                the caller's own number; unique among the requests in flight.
    source_ids:        source pieces, language tag and end of sentence included; never empty.
    options:           how to search.
    max_target_length: most target pieces, the end of sentence included; resolved, within the engine's limit.
    prefix_ids:        the pieces of options.target_prefix: every hypothesis begins with them; fewer than
                       max_target_length. Where they end with the end of sentence, and they may then be as many as
                       max_target_length, they are the whole translation: the search only finds how likely it is.
    suppressed_ids:    the ids of options.suppressed_pieces.
    allowed_ids:       the pieces that hypotheses may be made of (a lexical shortlist), besides those of the prefix:
                       ascending, with the end of sentence among them; None for the whole vocabulary.
    is_followed:       whether every step tells a `Partial` of it.

    The engine reads prefix_ids and suppressed_ids, never the texts in `options` that they come from.
    """

    id: int
    source_ids: tuple[int, ...]
    options: SearchOptions
    max_target_length: int
    prefix_ids: tuple[int, ...] = ()
    suppressed_ids: tuple[int, ...] = ()
    allowed_ids: NDArray[np.int32] | None = field(default=None, compare=False)
    is_followed: bool = False

    @property
    def is_forced(self) -> bool:
        """Whether the whole translation is given."""
        return self.prefix_ids[-1:] == (EOS_ID,)


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
    """A request that will have no answer, because the process that decoded it is gone; reason: one line."""

    id: int
    reason: str


Event = Finished | Partial | Lost
"""What a step of an engine tells of a request. Any number of `Partial`, then one of the others, unless it is
cancelled."""


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """What an engine has done since it was made, over all of its threads or processes, and where it stands.

    num_steps:            one target position of every sentence that a thread or a process decodes.
    step_seconds:         that these took, the encoding of new sentences included.
    num_slot_steps:       the sum over the steps of the slots that were occupied.
    num_admitted:         requests, of which num_finished were answered and num_cancelled given up.
    num_source_pieces:    of the admitted requests, language tags and ends of sentences included.
    num_target_pieces:    of the finished requests' best hypotheses.
    num_slots:            sentences that can be decoded at once now, by the processes that live.
    num_active:           sentences that are.
    num_replicas:         processes that it is to have; 0 where it works in this one.
    num_replicas_alive:   of these, the ones that are ready.
    num_replica_restarts: processes that were started in the place of one that ended.
    """

    num_steps: int = 0
    step_seconds: float = 0.0
    num_slot_steps: int = 0
    num_admitted: int = 0
    num_finished: int = 0
    num_cancelled: int = 0
    num_source_pieces: int = 0
    num_target_pieces: int = 0
    num_slots: int = 0
    num_active: int = 0
    num_replicas: int = 0
    num_replicas_alive: int = 0
    num_replica_restarts: int = 0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One translation as text; equal to another of equal text and score.

    score:           the length-normalized log probability; higher is better.
    pieces:          the vocabulary's pieces that it is made of, without the end of sentence.
    token_log_probs: the log probability of each piece, and last that of the end of sentence, unless it was cut off.
    attention:       [len(token_log_probs), source pieces] what each of them looked at; None unless asked for.
    alignment:       pairs (source word, target word), see `model.decoding.alignment`; empty without attention.

    How those of a text of several sentences are made is told in `model.decoding.combining`.
    """

    text: str
    score: float
    pieces: tuple[str, ...] = field(default=(), compare=False)
    token_log_probs: tuple[float, ...] = field(default=(), compare=False)
    attention: NDArray[np.float32] | None = field(default=None, compare=False)
    alignment: tuple[tuple[int, int], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Translation:
    """One source text with its hypotheses, best first; there is always at least one.

    source_pieces: what the source was to the model, language tag and end of each sentence included: the columns of the
                   hypotheses' attention. Empty where it is not known.
    """

    source: str
    hypotheses: tuple[Hypothesis, ...]
    source_pieces: tuple[str, ...] = field(default=(), compare=False)

    @property
    def text(self) -> str:
        """The best hypothesis' text."""
        return self.hypotheses[0].text

    @property
    def score(self) -> float:
        """The best hypothesis' score."""
        return self.hypotheses[0].score


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence of a text, or a part of one that is too long for the model, ready for the engine.

    source_ids, max_target_length, prefix_ids and allowed_ids are those of its `Request`.
    """

    text: str
    source_ids: tuple[int, ...]
    max_target_length: int
    prefix_ids: tuple[int, ...] = ()
    allowed_ids: NDArray[np.int32] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text ready for the engine, as n segments and the n + 1 gaps around them: gaps[0] + segments[0].text + gaps[1]
    and so on is the text. A blank text, which translates to itself, has no segments.

    options:         of every segment's search.
    suppressed_ids:  likewise.
    target_language: that of the translation.
    """

    text: str
    segments: tuple[Segment, ...]
    gaps: tuple[str, ...]
    options: SearchOptions
    target_language: str
    suppressed_ids: tuple[int, ...] = ()

    def requests(self, ids: Iterator[int], *, is_followed: bool = False) -> list[Request]:
        """A request for each segment, with the next of the ids."""
        return [
            Request(
                next(ids),
                segment.source_ids,
                self.options,
                segment.max_target_length,
                segment.prefix_ids,
                self.suppressed_ids,
                segment.allowed_ids,
                is_followed,
            )
            for segment in self.segments
        ]
