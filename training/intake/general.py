"""General text beside a domain's: test sets for what a model must keep, and sentences for it to translate itself."""

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.files import open_together
from dragoman.training.config import load_begun_config
from dragoman.training.display import track_on_terminal
from dragoman.training.intake.request import PairTexts, Request, one_line
from dragoman.training.intake.sources import Source
from dragoman.training.intake.split import fold
from dragoman.translation.batch.lines import encode_line, read_lines

PARTS = ("dev", "test", "text")
"""Names of the files: the last has the sentences that are in neither set."""

MAX_READ = 500_000
"""Most pairs of a source that are read."""

MAX_HELD_OUT = 500
"""Pairs for each of dev and test, of a corpus with six times as many; a smaller one gives half of its pairs to each."""

MIN_PAIRS = 100


def fold_files(paths: Sequence[Path]) -> set[int]:
    """Hashes of the folded lines, see `make_general`."""
    return {hash(fold(line)) for path in paths for line in read_lines(path)}


def make_general(
    sources: Sequence[Source], request: Request, folder: Path, *, known: Collection[int], seed: int
) -> dict[str, int]:
    """Writes `PARTS`, a file for each language, and returns their numbers of pairs.

    known: hashes of the folded sentences of the domain; pairs with one of them on a side are left out, as are repeated
    sentences. Raises InvalidInputError if fewer than `MIN_PAIRS` are left, and the errors of reading and writing.
    """
    pairs = list(_distinct(_read(sources), known))
    if len(pairs) < MIN_PAIRS:
        raise InvalidInputError(
            f"general text: {len(pairs):,} pairs are left without those of the domain; at least {MIN_PAIRS} are needed"
        )
    random.Random(seed).shuffle(pairs)
    size = MAX_HELD_OUT if len(pairs) >= 6 * MAX_HELD_OUT else min(MAX_HELD_OUT, len(pairs) // 2)
    parts = dict(zip(PARTS, (pairs[:size], pairs[size : 2 * size], pairs[2 * size :]), strict=True))
    languages = (request.source, request.target)
    folder.mkdir(parents=True, exist_ok=True)
    with open_together([folder / f"{part}.{language}" for part in PARTS for language in languages]) as files:
        for place, chosen in enumerate(parts.values()):
            for side in (0, 1):
                files[2 * place + side].writelines(encode_line(pair[side]) for pair in chosen)
    return {part: len(chosen) for part, chosen in parts.items()}


def _read(sources: Sequence[Source]) -> Iterator[PairTexts]:
    for source in sources:
        for one, other in islice(track_on_terminal(source.read(), f"reading {source.name}", None), MAX_READ):
            yield one_line(one), one_line(other)


def _distinct(pairs: Iterator[PairTexts], known: Collection[int]) -> Iterator[PairTexts]:
    seen: set[int] = set()
    for pair in pairs:
        keys = {hash(fold(text)) for text in pair}
        if all(pair) and not any(key in seen or key in known for key in keys):
            seen |= keys
            yield pair


def share_of_training_text(bundle: Path, test: Mapping[str, Path]) -> float:
    """The share of a test set's lines that the bundle's run trained on; 0 for a bundle outside its run's folder."""
    try:
        corpora = load_begun_config(bundle.parent).data.train
        known = fold_files([path for corpus in corpora for path in corpus.files.values()])
    except (DragomanError, OSError):
        return 0.0
    lines = [fold_files([path]) for path in test.values()]
    return max(len(side & known) / len(side) for side in lines)
