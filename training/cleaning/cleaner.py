"""Cleaning a corpus: one pass over its files. Only the hashes of pairs take memory that grows with them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import is_packed, open_together, pack_into, refuse_to_replace
from dragoman.training.cleaning.encoding import Mojibake, Repairer
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
from dragoman.training.cleaning.fluency import Unlikely
from dragoman.training.cleaning.options import FILTERS, CleaningOptions
from dragoman.training.cleaning.pairs import Pair, read_pair_blocks
from dragoman.training.cleaning.repeats import Repeats
from dragoman.training.cleaning.report import CleaningReport, Tally
from dragoman.training.display import track_on_terminal
from dragoman.translation.batch.lines import encode_line
from dragoman.translation.languages import LanguageIdentifier, has_spaces, primary_subtag

_REMOVED_HEADER = ("line", "filter", "fault", "source", "target")


@dataclass(frozen=True, slots=True)
class CleaningFiles:
    """The input and output files; compressed if the name ends in .gz."""

    source: Path
    target: Path
    output_source: Path | None = None
    output_target: Path | None = None
    removed: Path | None = None
    """A line for each rejected pair: line number, filter, fault, source and target, separated by tabs."""
    report: Path | None = None

    def check(self, *, overwrite: bool) -> None:
        """Raises InvalidInputError if one of the two outputs is missing, or if an output exists or is named twice."""
        if (self.output_source is None) != (self.output_target is None):
            raise InvalidInputError("give both --output-source and --output-target, or none of them to report alone")
        outputs = (self.output_source, self.output_target, self.removed, self.report)
        written = [path for path in outputs if path is not None]
        paths = [path.resolve() for path in (self.source, self.target, *written)]
        for number, path in enumerate(written, start=2):
            if paths[number] in paths[:number]:
                raise InvalidInputError(f"{path}: is named twice; every output needs a file of its own")
            if not overwrite:
                refuse_to_replace(path)


class _Writer:
    """The requested outputs."""

    def __init__(self, files: CleaningFiles, stack: ExitStack) -> None:
        wanted = (files.output_source, files.output_target, files.removed)
        paths = [path for path in wanted if path is not None]
        opened = dict(zip(paths, stack.enter_context(open_together(paths)), strict=True))
        for path, file in opened.items():
            if is_packed(path):
                opened[path] = cast(BinaryIO, stack.enter_context(pack_into(file)))
        self._source, self._target, self._removed = (opened.get(path) if path is not None else None for path in wanted)
        if self._removed is not None:
            self._removed.write(encode_line("\t".join(_REMOVED_HEADER)))

    def keep(self, pairs: Sequence[Pair]) -> None:
        if self._source is not None and self._target is not None:
            self._source.write(b"".join(encode_line(pair.source) for pair in pairs))
            self._target.write(b"".join(encode_line(pair.target) for pair in pairs))

    def remove(self, pair: Pair, filter_name: str, fault: str) -> None:
        if self._removed is not None:
            fields = (str(pair.number), filter_name, fault, pair.source, pair.target)
            self._removed.write(encode_line("\t".join(field.replace("\t", " ") for field in fields)))


_WORDS_LIKE_SENTENCES = frozenset(["chr", "cr", "esu", "ess", "ik", "iu", "kl", "moh", "nah", "nv", "oj"])
"""Polysynthetic languages, of which one word may be several of another language."""


def _has_comparable_words(language: str) -> bool:
    return has_spaces(language) and primary_subtag(language) not in _WORDS_LIKE_SENTENCES


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
    o = options
    makers: dict[str, Callable[[], Filter]] = {
        "utf8": InvalidUtf8,
        "blank": Blank,
        "characters": BrokenCharacters,
        "mojibake": Mojibake,
        "length": lambda: Length(o.min_characters, o.max_characters, o.min_words, o.max_words),
        "letters": lambda: FewLetters(o.min_letters),
        "ratio": lambda: LengthRatio(
            o.max_ratio, o.ratio_from, compare_words=all(map(_has_comparable_words, languages))
        ),
        "copy": lambda: Copy(o.max_overlap, o.copy_from),
        "repetition": lambda: Repetition(o.max_character_run, o.max_word_run),
        "markup": Markup,
        "numbers": Numbers,
        "duplicate": lambda: Repeats("pair", 1),
        "source-repeats": lambda: Repeats("source", o.max_source_repeats),
        "target-repeats": lambda: Repeats("target", o.max_target_repeats),
        "language": lambda: WrongLanguage(
            languages,
            min_probability=o.min_probability,
            min_letters=o.language_from,
            identifier=LanguageIdentifier(),
        ),
        "fluency": lambda: Unlikely(o.language_models, languages, o.max_perplexity),
    }
    if "fluency" in options.filters and not options.language_models:
        raise InvalidInputError("the filter fluency needs a language model: --language-model BUNDLE")
    if len(languages) != 2 and "language" in options.filters:
        raise InvalidInputError("to tell wrong languages, give --from and --to; or --off language")
    if len(languages) != 2 and "fluency" in options.filters:
        raise InvalidInputError("to tell whose language a model is of, give --from and --to")
    return [makers[name]() for name in options.filters]


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


def clean(
    files: CleaningFiles,
    filters: Sequence[Filter],
    options: CleaningOptions,
    *,
    repairer: Repairer | None = None,
    num_examples: int = 5,
    seed: int = 0,
) -> CleaningReport:
    """Filters a corpus and writes the remaining pairs in order; either all files appear at the end or none.

    repairer: repairs pairs before they are judged. num_examples: examples of each fault, drawn by `seed`.

    Raises InvalidInputError and NotFoundError as `read_pair_blocks` does, and DragomanError if an output cannot be
    written.
    """
    tallies = {
        filter_.name: Tally(filter_.name, filter_.meaning, num_examples=num_examples, seed=seed) for filter_ in filters
    }
    repaired = None
    if repairer:
        repaired = Tally("repaired", repairer.meaning, num_examples=num_examples, seed=seed)
    report = CleaningReport(options, list(tallies.values()), repaired)
    with ExitStack() as stack:
        writer = _Writer(files, stack)
        for pairs in track_on_terminal(read_pair_blocks(files.source, files.target), "cleaning", None):
            if repairer and repaired:
                _repair(pairs, repairer, repaired)
            kept = []
            for pair, charge in zip(pairs, apply_filters(filters, pairs), strict=True):
                if charge is None:
                    kept.append(pair)
                    continue
                filter_, fault = charge
                tallies[filter_.name].add(pair, fault)
                writer.remove(pair, filter_.name, fault)
            writer.keep(kept)
            report.num_pairs += len(pairs)
            report.num_kept += len(kept)
    return report


def _repair(pairs: Sequence[Pair], repairer: Repairer, tally: Tally) -> None:
    for pair in pairs:
        repairer.repair(pair)
        if pair.original is not None:
            before = zip(pair.original, (pair.source, pair.target), strict=True)
            tally.add(pair, "was " + " and ".join(old for old, new in before if old != new))
