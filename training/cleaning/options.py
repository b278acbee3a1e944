"""The options of `dragoman clean`."""

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
    "fluency",
)
"""The filters in order, the slowest last. A pair counts for the first filter that finds a fault."""

OFF_BY_DEFAULT = ("markup", "numbers", "source-repeats", "target-repeats", "fluency")
"""Filters that are off by default, since their faults are harmless in many corpora, or since they need a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningOptions:
    """The filters that are on, and their thresholds, which are inclusive; see the help of the command."""

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    min_characters: int = 1
    max_characters: int = 1000
    min_words: int = 1
    max_words: int = 150
    """0 means no bound, likewise for characters."""
    min_letters: float = 0.3
    """Least share of letters on a side."""
    max_ratio: float = 3.0
    ratio_from: int = 50
    """Least characters of the longer side for the ratio to count."""
    max_overlap: float = 0.8
    """Largest share of words that both sides have."""
    copy_from: int = 3
    """Least words of the longer side for a pair to count as a copy."""
    max_character_run: int = 10
    max_word_run: int = 5
    max_source_repeats: int = 1
    max_target_repeats: int = 1
    """Most pairs with the same source, or target, if those filters are on."""
    min_probability: float = 0.01
    """Least probability of the right language, if another is likelier."""
    language_from: int = 15
    """Least letters of a side for its language to count."""

    language_models: tuple[str, ...] = ()
    """Bundles of language models, which turn the filter fluency on."""
    max_perplexity: float = 10_000.0
    """By word."""

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters that are on, in their order."""
        default = set(FILTERS) - set(OFF_BY_DEFAULT)
        chosen = default | set(self.on) | ({"fluency"} if self.language_models else set())
        return tuple(name for name in FILTERS if name in chosen - set(self.off))
