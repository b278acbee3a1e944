"""What `dragoman clean` takes for a fault."""

from dataclasses import dataclass

FILTERS = (
    "utf8",
    "blank",
    "characters",
    "mojibake",
    "length",
    "letters",
    "ratio",
    "copy",
    "repetition",
    "markup",
    "numbers",
    "duplicate",
    "source-repeats",
    "target-repeats",
    "language",
)
"""In the order in which they look at a pair. The first that finds a fault is charged with it; the slowest is last."""

OFF_BY_DEFAULT = ("markup", "numbers", "source-repeats", "target-repeats")
"""For their faults are harmless in many a corpus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningOptions:
    """Which filters look, and their thresholds. Bounds are allowed themselves; see the help of the command."""

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    min_characters: int = 1
    max_characters: int = 1000
    min_words: int = 1
    max_words: int = 150
    """0 is no bound, likewise for characters."""
    min_letters: float = 0.3
    """Least share of letters on a side."""
    max_ratio: float = 3.0
    ratio_from: int = 50
    """Fewest characters of the longer side for a pair to be judged by its ratio."""
    max_overlap: float = 0.8
    """Largest share of words that both sides have."""
    copy_from: int = 3
    """Fewest words of the longer side for a pair to be judged as a copy."""
    max_character_run: int = 10
    max_word_run: int = 5
    max_source_repeats: int = 1
    max_target_repeats: int = 1
    """How many pairs may have the same source, or target, if those filters are on."""
    min_probability: float = 0.01
    """Least probability of the right language, if another is likelier."""
    language_from: int = 15
    """Fewest letters of a side for it to be judged by its language."""

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters that are on, in their order."""
        default = set(FILTERS) - set(OFF_BY_DEFAULT)
        return tuple(name for name in FILTERS if name in (default | set(self.on)) - set(self.off))
