"""How a sentence is searched."""

from dataclasses import dataclass, fields
from typing import Literal, TypedDict, get_args

from dragoman.model.errors import InvalidInputError

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
