"""What goes into the decoding engine and what comes out of it, as plain data without torch."""

from dataclasses import dataclass, fields

from model.errors import InvalidInputError

MAX_BEAM_SIZE = 32
"""The widest beam that any request may ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How one sentence is searched; every request of a batch may have its own.

    beam_size:         hypotheses kept alive at every position, 1 to 32; 1 is greedy search.
    n_best:            hypotheses returned, best first, 1 to `beam_size`.
    length_penalty:    alpha of Wu et al. (2016): the score is log P(Y|X) / ((5 + |Y|) / 6) ** alpha, where |Y| counts
                       the target pieces with the end of sentence; 0 compares plain log probabilities.
    max_target_length: most target pieces, the end of sentence included; None leaves it to the model, which allows
                       twice the source's pieces, tag and end included, and ten more, within its own limit.

    Raises InvalidInputError for a value out of range.
    """

    beam_size: int = 4
    n_best: int = 1
    length_penalty: float = 1.0
    max_target_length: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.beam_size <= MAX_BEAM_SIZE:
            raise InvalidInputError(f"beam_size is {self.beam_size}, but must lie between 1 and {MAX_BEAM_SIZE}")
        if not 1 <= self.n_best <= self.beam_size:
            raise InvalidInputError(
                f"n_best is {self.n_best}, but must lie between 1 and beam_size, which is {self.beam_size}"
            )
        if not 0.0 <= self.length_penalty <= 10.0:  # also refuses NaN
            raise InvalidInputError(f"length_penalty is {self.length_penalty}, but must lie between 0 and 10")
        if self.max_target_length is not None and self.max_target_length < 1:
            raise InvalidInputError(f"max_target_length is {self.max_target_length}, but must be at least 1")


SEARCH_OPTION_NAMES = tuple(field.name for field in fields(SearchOptions))


@dataclass(frozen=True, slots=True)
class Request:
    """One sentence for the engine.

    id:                the caller's own number; unique among the requests in flight.
    source_ids:        source pieces, language tag and end of sentence included; never empty.
    options:           how to search.
    max_target_length: most target pieces, the end of sentence included; resolved, within the engine's limit.
    """

    id: int
    source_ids: tuple[int, ...]
    options: SearchOptions
    max_target_length: int


@dataclass(frozen=True, slots=True)
class TokenHypothesis:
    """One finished hypothesis as pieces, without the end of sentence, and its length-normalized score (a log)."""

    token_ids: tuple[int, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Finished:
    """What the engine returns for a request: `n_best` hypotheses, best first."""

    id: int
    hypotheses: tuple[TokenHypothesis, ...]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One translation as text with its score: the length-normalized log probability; higher is better."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Translation:
    """One source text with its hypotheses, best first; there is always at least one."""

    source: str
    hypotheses: tuple[Hypothesis, ...]

    @property
    def text(self) -> str:
        """The best hypothesis' text."""
        return self.hypotheses[0].text

    @property
    def score(self) -> float:
        """The best hypothesis' score."""
        return self.hypotheses[0].score


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text ready for the engine; `source_ids` is empty for a blank text, which translates to itself."""

    text: str
    source_ids: tuple[int, ...]
    options: SearchOptions
    max_target_length: int

    def request(self, request_id: int) -> Request:
        """For the engine; only for a text that is not blank."""
        return Request(request_id, self.source_ids, self.options, self.max_target_length)
