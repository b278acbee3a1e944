"""The filters in their order: a pair is charged to the first that finds a fault."""

from collections.abc import Sequence

from dragoman.model.errors import InvalidInputError
from dragoman.training.cleaning.encoding import Mojibake
from dragoman.training.cleaning.filters import (
    Blank,
    BrokenCharacters,
    Copy,
    FewLetters,
    Filter,
    InvalidUtf8,
    Length,
    LengthRatio,
    Markup,
    Numbers,
    Repetition,
    WrongLanguage,
)
from dragoman.training.cleaning.options import FILTERS, CleaningOptions
from dragoman.training.cleaning.pairs import Pair
from dragoman.training.cleaning.repeats import Repeats
from dragoman.translation.languages import LanguageIdentifier, has_spaces


def make_filters(
    options: CleaningOptions, source_language: str | None = None, target_language: str | None = None
) -> list[Filter]:
    """The filters that are on, in the order of `FILTERS`.

    Raises InvalidInputError for a filter that does not exist, a language that cannot be identified, and if the
    languages are needed but not given; DragomanError if a package that a filter needs is not installed.
    """
    for name in (*options.on, *options.off):
        if name not in FILTERS:
            raise InvalidInputError(f"there is no filter {name!r}; there are {', '.join(FILTERS)}")
    languages = [language for language in (source_language, target_language) if language is not None]
    return [_make_filter(name, options, languages) for name in options.filters]


def _make_filter(name: str, options: CleaningOptions, languages: Sequence[str]) -> Filter:
    o = options
    match name:
        case "utf8":
            return InvalidUtf8()
        case "blank":
            return Blank()
        case "characters":
            return BrokenCharacters()
        case "mojibake":
            return Mojibake()
        case "length":
            return Length(o.min_characters, o.max_characters, o.min_words, o.max_words)
        case "letters":
            return FewLetters(o.min_letters)
        case "ratio":
            return LengthRatio(o.max_ratio, o.ratio_from, compare_words=all(map(has_spaces, languages)))
        case "copy":
            return Copy(o.max_overlap, o.copy_from)
        case "repetition":
            return Repetition(o.max_character_run, o.max_word_run)
        case "markup":
            return Markup()
        case "numbers":
            return Numbers()
        case "duplicate":
            return Repeats("pair", 1)
        case "source-repeats":
            return Repeats("source", o.max_source_repeats)
        case "target-repeats":
            return Repeats("target", o.max_target_repeats)
        case "language":
            if len(languages) != 2:
                raise InvalidInputError("to tell wrong languages, give --from and --to; or --off language")
            return WrongLanguage(
                languages,
                min_probability=o.min_probability,
                min_letters=o.language_from,
                identifier=LanguageIdentifier(),
            )
    raise AssertionError(f"no filter is called {name}")


def apply_filters(filters: Sequence[Filter], pairs: Sequence[Pair]) -> list[tuple[Filter, str] | None]:
    """For each pair the first filter that finds a fault, with the fault, or None."""
    charges: list[tuple[Filter, str] | None] = [None] * len(pairs)
    left = list(range(len(pairs)))
    for filter_ in filters:
        faults = filter_.find_faults([pairs[place] for place in left])
        for place, fault in zip(left, faults, strict=True):
            if fault is not None:
                charges[place] = (filter_, fault)
        if any(fault is not None for fault in faults):
            left = [place for place in left if charges[place] is None]
    return charges
