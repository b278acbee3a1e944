"""The options of the search. Each is declared once: checks, documentation and command line follow from it."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypedDict, get_args

from dragoman.model.errors import InvalidInputError

MAX_BEAM_SIZE = 32
"""The widest beam that any request may ask for, and the most samples."""

LengthNormalization = Literal["gnmt", "average"]


@dataclass(frozen=True, slots=True)
class Declaration:
    """The declaration of a search option, besides its name, type and default.

    help:    its meaning, for a user.
    least:   the smallest value; None if there is no bound. above: an exclusive lower bound.
    most:    the greatest value.
    is_draw: whether it is an option of sampling.
    flag:    its name on the command line, if it is not the field's. metavar: the name of its value there.
    """

    help: str
    least: float | None = None
    above: float | None = None
    most: float | None = None
    is_draw: bool = False
    flag: str | None = None
    metavar: str | None = None

    def check(self, name: str, value: float) -> None:
        """Raises InvalidInputError for NaN and for a value out of bounds."""
        is_allowed = (
            (self.least is None or self.least <= value)
            and (self.above is None or self.above < value)
            and (self.most is None or value <= self.most)
        )
        if is_allowed:
            return
        if self.above is not None:
            due = f"be above {self.above}" if self.most is None else f"be above {self.above} and at most {self.most}"
        elif self.most is not None:
            due = f"lie between {self.least} and {self.most}"
        else:
            due = f"be at least {self.least}" if self.least else "not be negative"
        raise InvalidInputError(f"{name} is {value}, but must {due}")


def _option(default: Any, help_text: str, **declared: Any) -> Any:
    return field(default=default, metadata={"declaration": Declaration(help_text, **declared)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """The options of the search for one sentence; every request of a batch may have its own."""

    beam_size: int = _option(4, "Hypotheses kept alive, 1 to 32; 1 is greedy search.", least=1, most=MAX_BEAM_SIZE)
    # At most beam_size; when sampling, at most MAX_BEAM_SIZE.
    n_best: int = _option(1, "Translations of each text, best first; with a sampling temperature, how many are drawn.")
    # Alpha: the score is log P(Y|X) divided by the penalty.
    length_penalty: float = _option(
        1.0, "0 to 10: 0 favours short translations, higher values longer ones.", least=0, most=10
    )
    # |Y| counts the target pieces, end of sentence included; "gnmt" is equation 14 of Wu et al. (2016).
    length_normalization: LengthNormalization = _option(  # noqa: RUF009 - it is a field
        "gnmt", "Divide log probabilities by (5 + length) / 6, or by length, to the power of the penalty."
    )
    # Beta of the same equation: beta * sum_i log(min(sum_j p_ij, 1)) is added to the normalized score of a finished
    # hypothesis, where p_ij is the attention of its j-th piece to the i-th source piece.
    coverage_penalty: float = _option(
        0.0, "0 to 10: higher values penalize leaving parts of the source out.", least=0, most=10
    )
    min_target_length: int = _option(1, "Fewest pieces of a translated sentence, at least 1.", least=1)
    # None: twice the source's pieces, tag and end included, plus ten; or ten more than min_target_length or the prefix
    # if that is longer. Never more than the model's own limit.
    max_target_length: int | None = _option(
        None, "Most pieces of a translated sentence, its end included; the default depends on its source.", least=1
    )
    no_repeat_ngram_size: int = _option(
        0, "Length in pieces of sequences that may not occur twice; 0 allows all.", least=0
    )
    target_prefix: str = _option("", "Text that every translation begins with.", metavar="TEXT")
    suppressed_pieces: tuple[str, ...] = _option(
        (), "Piece that may not occur, such as ▁house; repeatable.", flag="--suppress", metavar="PIECE"
    )
    # Divides the log probabilities. None: beam search; otherwise beam_size is unused.
    sampling_temperature: float | None = _option(
        None,
        "Sample instead of searching: above 0, to 100; a higher temperature gives more varied translations.",
        above=0,
        most=100,
        is_draw=True,
    )
    sampling_top_k: int = _option(0, "Sample among this many likeliest pieces; 0 means all.", least=0, is_draw=True)
    sampling_top_p: float = _option(
        1.0, "Sample among the likeliest pieces whose probabilities add up to this.", above=0, most=1, is_draw=True
    )
    seed: int = _option(
        0, "Seed of the random numbers; the same seed gives the same draws.", least=0, most=2**63 - 1, is_draw=True
    )
    # 1: a search with a wider beam and without shortlist; 2: also one for the parts of the sentence.
    max_retries: int = _option(
        2,
        "Further searches, 0 to 2, for a sentence whose translation has warnings, such as a loop.",
        least=0,
        most=2,
    )
    # Shallow fusion (Gülçehre et al. 2015): this times the log probability of each piece by the language model is added
    # to the translation model's. The score of a hypothesis has it, too.
    fusion_weight: float = _option(
        0.0, "0 to 2: weight of the language model's log probabilities, if there is one.", least=0, most=2
    )
    return_attention: bool = _option(False, "Return each hypothesis' attention to the source.")

    def __post_init__(self) -> None:
        """Raises InvalidInputError for a value out of range."""
        for name, declaration in _BOUNDED.items():
            value = getattr(self, name)
            if value is not None:
                declaration.check(name, value)
        limit, meaning = (
            (self.beam_size, f"beam_size, which is {self.beam_size}")
            if self.sampling_temperature is None
            else (MAX_BEAM_SIZE, f"{MAX_BEAM_SIZE}")
        )
        if not 1 <= self.n_best <= limit:
            raise InvalidInputError(f"n_best is {self.n_best}, but must lie between 1 and {meaning}")
        if self.length_normalization not in get_args(LengthNormalization):
            raise InvalidInputError(
                f'length_normalization is "{self.length_normalization}", but must be "gnmt" or "average"'
            )
        if self.max_target_length is not None and self.min_target_length > self.max_target_length:
            raise InvalidInputError(
                f"min_target_length is {self.min_target_length}, but must not be greater than max_target_length, "
                f"which is {self.max_target_length}"
            )
        if isinstance(self.suppressed_pieces, str):  # else each letter would be taken for a piece
            raise InvalidInputError(
                f'suppressed_pieces is the text "{self.suppressed_pieces}", but must be a tuple of pieces'
            )
        if not all(self.suppressed_pieces):
            raise InvalidInputError("suppressed_pieces holds an empty piece")

    @property
    def max_hypotheses(self) -> int:
        """The most hypotheses that are alive at once: beams, or samples."""
        return self.beam_size if self.sampling_temperature is None else self.n_best


def refuse_attention(options: SearchOptions) -> None:
    """Raises InvalidInputError for options that need the attention of a network that has none."""
    if options.return_attention:
        raise InvalidInputError("the network has no attention, which alignment, attention and marked-up text need")
    if options.coverage_penalty:
        raise InvalidInputError("the network has no attention, which coverage_penalty needs")


DECLARATIONS: dict[str, Declaration] = {one.name: one.metadata["declaration"] for one in fields(SearchOptions)}
"""The declaration of every option, by its name."""

_BOUNDED = {name: one for name, one in DECLARATIONS.items() if (one.least, one.above) != (None, None)}

SEARCH_OPTION_NAMES = tuple(DECLARATIONS)

SearchOptions.__doc__ = "\n".join(
    [f"{SearchOptions.__doc__}\n", *(f"{name}: {declaration.help}" for name, declaration in DECLARATIONS.items())]
)


class SearchArguments(TypedDict, total=False):
    """The fields of `SearchOptions` as keyword arguments, written out for type checkers; a test compares the two."""

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
    max_retries: int
    fusion_weight: float
    return_attention: bool
