"""Scoring given translations in files: line N of one is a translation of line N of the other."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.pairs import check_same_length
from dragoman.translation.batch.lines import read_lines

if TYPE_CHECKING:  # the files are checked before torch is imported
    from dragoman.translation.scoring.scored import ScoredTranslation
    from dragoman.translation.scoring.scorer import Scorer


class PairFiles:
    """The pairs of two files, plain or .gz, read as a stream. Pipes work too, but can be read only once."""

    def __init__(self, source: Path, target: Path) -> None:
        """Raises NotFoundError, and InvalidInputError for invalid UTF-8 and for files of different length, before any
        scoring. A pipe is checked as it is read."""
        self.source = source
        self.target = target
        self.num_pairs: int | None = None
        """Known of files, not of pipes."""
        num_sources, num_targets = _count_lines(source), _count_lines(target)
        if num_sources is not None and num_targets is not None:
            self.num_pairs = num_sources
            check_same_length((source, num_sources), (target, num_targets))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for number, (source, target) in enumerate(zip_longest(read_lines(self.source), read_lines(self.target))):
            if source is None or target is None:
                shorter, longer = (self.target, self.source) if target is None else (self.source, self.target)
                raise InvalidInputError(f"{shorter} ends after {number:,} lines, but {longer} has more")
            yield source, target

    def score(
        self, scorer: "Scorer", direction: Direction, options: SearchOptions, *, keep_going: bool = False
    ) -> Iterator["ScoredTranslation | InvalidInputError"]:
        """The score of every pair, in order.

        keep_going: whether a pair that cannot be scored, being blank or too long, yields its error instead of a score.
        Otherwise the error, which names the line, is raised.
        """
        for number, outcome in enumerate(scorer.stream(self, direction, options), start=1):
            if not isinstance(outcome, InvalidInputError):
                yield outcome
                continue
            located = InvalidInputError(f"line {number} of {self.source} and {self.target}: {outcome}")
            if not keep_going:
                raise located
            yield located


def _count_lines(path: Path) -> int | None:
    return None if path.exists() and not path.is_file() else sum(1 for _ in read_lines(path))
