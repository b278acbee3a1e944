"""From a team's files to a folder with train, dev and test texts, in one pass over the files and one over the texts."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.files import open_together
from dragoman.training.cleaning.cleaner import apply_filters, make_filters
from dragoman.training.cleaning.filters import Filter
from dragoman.training.cleaning.options import CleaningOptions
from dragoman.training.cleaning.pairs import MAX_BLOCK_PAIRS, Pair
from dragoman.training.corpus.alignment import LineLengths
from dragoman.training.display import track_on_terminal
from dragoman.training.intake.request import NoPairError, PairTexts, Request
from dragoman.training.intake.sources import Source
from dragoman.training.intake.split import DEV, TEST, TRAIN, fold, held_out_size, split
from dragoman.training.intake.survey import Survey
from dragoman.translation.batch.lines import encode_line

PARTS = {TRAIN: "train", DEV: "dev", TEST: "test"}

MIN_PAIRS = 100
"""Fewer pairs cannot be split."""

LARGE_BYTES = 256 << 20
"""Size of the files from which the language of each pair is not identified, since it would take long."""

MAX_COMPARED = 5_000_000
"""Most pairs of a source whose lengths are compared, to see whether its sides are shifted."""

REMOVED = "removed.tsv"


@dataclass(slots=True)
class Made:
    """What was read and written. removed: pairs by the filter that rejected them, in the filters' order.

    pairs: by source, as read. counts: by part, as written. num_alike: held-out pairs that differ from another one in
    case or punctuation alone, which are left out. warnings: sentences for people, about sources whose sides seem not to
    belong together.
    """

    survey: Survey
    pairs: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    num_alike: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def num_read(self) -> int:
        return sum(self.pairs.values())


def output_files(folder: Path, request: Request) -> list[Path]:
    """All files of `make_corpus`, train first."""
    languages = (request.source, request.target)
    return [*(folder / f"{part}.{language}" for part in PARTS.values() for language in languages), folder / REMOVED]


def make_corpus(
    sources: Sequence[Source],
    request: Request,
    folder: Path,
    *,
    is_cleaned: bool = True,
    held_out: int | None = None,
    seed: int = 1,
) -> Made:
    """Reads the sources, leaves out pairs that cleaning rejects, splits the rest and writes the files; either all
    appear or none. Memory holds two hashes a pair, and what finding duplicates takes.

    is_cleaned: with False only pairs with a blank side are left out. held_out: pairs for each of dev and test; None: by
    the corpus's size. Raises the errors of reading, InvalidInputError if fewer than `MIN_PAIRS` are left, and
    DragomanError if a file cannot be written.
    """
    made = Made(Survey(request.source, request.target, seed=seed))
    filters = _filters(sources, request, made, is_cleaned=is_cleaned)
    made.removed = {filter_.name: 0 for filter_ in filters}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DragomanError(f"{folder}: cannot be written: {error.strerror}") from error
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix=".init-", dir=folder)))
        kept = [scratch / "source", scratch / "target"]
        *outputs, removed = stack.enter_context(open_together(output_files(folder, request)))
        removed.write(encode_line("filter\tfault\tsource\ttarget"))
        keys = (array("q"), array("q"))
        with open_together(kept) as (one, two):
            for block in _blocks(_tracked(sources, request, made)):
                for pair, charge in zip(block, apply_filters(filters, block), strict=True):
                    if charge is not None:
                        made.removed[charge[0].name] += 1
                        fields = (charge[0].name, charge[1], pair.source, pair.target)
                        removed.write(encode_line("\t".join(text.replace("\t", " ") for text in fields)))
                        continue
                    made.survey.add(pair)
                    for file, side, text in ((one, keys[0], pair.source), (two, keys[1], pair.target)):
                        file.write(encode_line(text))
                        side.append(hash(fold(text)))
        num_kept = len(keys[0])
        if num_kept < MIN_PAIRS:
            raise InvalidInputError(
                f"{num_kept:,} pairs are left of {made.num_read:,}; at least {MIN_PAIRS} are needed"
            )
        size = held_out_size(num_kept) if held_out is None else held_out
        hashes = [np.frombuffer(side, np.int64) for side in keys]
        parts = split(hashes[0], hashes[1], num_dev=size, num_test=size, seed=seed)
        made.counts = {name: parts.count(part) for part, name in PARTS.items()}
        made.num_alike = int(parts.is_repeat.sum())
        if not made.counts["dev"] or not made.counts["test"]:
            raise InvalidInputError(
                "no sentences can be held out: each is connected with many others by a sentence that they share; "
                "write a configuration with dev and test files of your own"
            )
        for place, path in enumerate(kept):
            with path.open("rb") as lines:
                for line, part, is_repeat in zip(lines, parts.sets, parts.is_repeat, strict=True):
                    if not is_repeat:
                        outputs[2 * part + place].write(line)
    return made


def _filters(sources: Sequence[Source], request: Request, made: Made, *, is_cleaned: bool) -> list[Filter]:
    languages = (request.source, request.target)
    off = []
    if not all(map(request.identifier.knows, languages)):
        request.note("language identification does not know both languages: no pair is left out for its language")
        off.append("language")
    elif sum(source.size for source in sources) > LARGE_BYTES:
        request.note("the corpus is large: no pair is left out for its language; `dragoman clean` does that")
        off.append("language")
    if find_spec("ftfy") is None:
        request.note("wrong encodings are not found without the extra `clean`: pip install 'dragoman[clean]'")
        off.append("mojibake")
    filters = make_filters(CleaningOptions(off=tuple(off)), *languages)
    return filters if is_cleaned else [filter_ for filter_ in filters if filter_.name == "blank"]


def _tracked(sources: Sequence[Source], request: Request, made: Made) -> Iterator[PairTexts]:
    """The pairs of all sources. A source without any is left out, with a note, if another has some."""
    refusal: NoPairError | None = None
    for source in sources:
        made.pairs.setdefault(source.name, 0)
        lengths = LineLengths()
        try:
            for pair in track_on_terminal(source.read(), f"reading {source.name}", None):
                made.pairs[source.name] += 1
                if len(lengths) < MAX_COMPARED:
                    lengths.add(len(pair[0]), len(pair[1]))
                yield pair
        except NoPairError as error:
            refusal = refusal or error
            request.note(f"{error}: left out")
        if (misalignment := lengths.find_misalignment()) is not None:
            found = misalignment.describe(f"the {request.source} side", f"the {request.target} side")
            made.warnings.append(f"{source.name}: {found}")
    if refusal is not None and not made.num_read:
        raise refusal


def _blocks(pairs: Iterator[PairTexts]) -> Iterator[list[Pair]]:
    block: list[Pair] = []
    for number, (source, target) in enumerate(pairs, start=1):
        block.append(Pair(number, source, target))
        if len(block) == MAX_BLOCK_PAIRS:
            yield block
            block = []
    if block:
        yield block
