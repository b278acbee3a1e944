"""What a mixture draws from: corpora as units, which are read in any order, each from any row on."""

import gzip
import time
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np

from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.training.corpus.cache import CorpusPart
from dragoman.training.corpus.pairs import EncodedSide, SkippedPairs, is_usable
from dragoman.training.corpus.streams.records import Shards, Texts, read_records

ROWS_AT_ONCE = 1024

READING_ATTEMPTS = 5
"""Of a shard, before the run ends: a store may be away for a minute. Each waits twice as long as the one before."""

_FIRST_WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Unit:
    """Of block or shard `number` the rows whose number, divided by `stripes`, leaves `stripe`."""

    number: int
    stripe: int = 0
    stripes: int = 1


class Portion(NamedTuple):
    """Usable pairs of one direction, without their frame."""

    direction: Direction
    source: EncodedSide
    target: EncodedSide


class OpenUnit(Protocol):
    """A unit that is being read."""

    row: int
    """The next row to read."""

    def take(self, num_pairs: int) -> list[Portion] | None:
        """About so many pairs, perhaps fewer or none, and `row` moves on; None at the end of the unit."""
        ...

    def close(self) -> None: ...


class Source(Protocol):
    """A corpus of a mixture. name: of the corpus. share: its part of the corpus's weight, 1 unless several sources have
    the same corpus."""

    name: str
    share: float
    num_units: int
    skipped: SkippedPairs

    def describe(self) -> str:
        """What it holds, in a few words, for people."""
        ...

    def open(self, unit: Unit, row: int) -> OpenUnit:
        """Raises DragomanError, as taking pairs does."""
        ...


class CachedSource:
    """A corpus in one direction that lies encoded on the disk."""

    def __init__(self, part: CorpusPart, max_length: int, share: float) -> None:
        self.part = part
        self.name = part.files.name
        self.share = share
        self.num_units = len(part.block_sizes)
        self.skipped = part.skipped
        self.max_length = max_length

    def describe(self) -> str:
        """See `Source`."""
        return f"{len(self.part):,} pairs {self.part.files.direction}"

    def open(self, unit: Unit, row: int) -> OpenUnit:
        """See `Source`."""
        return _OpenBlock(self, unit, row)


class _OpenBlock:
    def __init__(self, source: CachedSource, unit: Unit, row: int) -> None:
        self.row = row
        self._direction = source.part.files.direction
        rows = slice(unit.stripe, None, unit.stripes)
        self._source, self._target = source.part.read(unit.number, source.max_length, rows)

    def take(self, num_pairs: int) -> list[Portion] | None:
        if self.row >= len(self._source):
            return None
        rows = np.arange(self.row, min(self.row + num_pairs, len(self._source)))
        self.row += len(rows)
        return [Portion(self._direction, self._source.choose(rows), self._target.choose(rows))]

    def close(self) -> None:
        pass


class StreamSource:
    """Shards in all directions that learn from them, encoded as they are read."""

    share = 1.0

    def __init__(
        self, name: str, shards: Shards, directions: Sequence[Direction], vocabulary: Codec, max_length: int
    ) -> None:
        self.name = name
        self.shards = shards
        self.directions = directions
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.num_units = len(shards)
        self.skipped = SkippedPairs()

    def describe(self) -> str:
        """See `Source`."""
        return f"{self.num_units:,} shards {', '.join(map(str, self.directions))}, {sum(self.shards.num_bytes):,} bytes"

    def open(self, unit: Unit, row: int) -> OpenUnit:
        """See `Source`."""
        return _OpenShard(self, unit, row)

    def encode(self, rows: Sequence[Texts | None]) -> list[Portion]:
        """The usable pairs of records, in each direction; the others are counted."""
        encoded: dict[tuple[str, int], EncodedSide] = {}
        pairs = [row for row in rows if row is not None]
        portions = []
        for direction in self.directions:
            sides = []
            for language, model in (
                (direction.source, self.vocabulary.source),
                (direction.target, self.vocabulary.target),
            ):
                place = self.shards.languages.index(language)
                key = (language, id(model))
                if key not in encoded:
                    encoded[key] = EncodedSide.pack(model.encode_all([row[place] for row in pairs]))
                sides.append(encoded[key])
            source, target = sides
            chosen = np.flatnonzero(is_usable(source.lengths, target.lengths, self.max_length))
            num_blank = int(np.count_nonzero(np.minimum(source.lengths, target.lengths) == 0))
            self.skipped.blank += num_blank + len(rows) - len(pairs)
            self.skipped.too_long += len(pairs) - len(chosen) - num_blank
            portions.append(Portion(direction, source.choose(chosen), target.choose(chosen)))
        return portions


class _OpenShard:
    """Where reading fails it begins again behind the rows that it has."""

    def __init__(self, source: StreamSource, unit: Unit, row: int) -> None:
        self.row = row
        self._corpus = source
        self._unit = unit
        self._records = self._read()

    def _read(self) -> Generator[tuple[int, Texts | None], None, None]:
        unit = self._unit
        return read_records(self._corpus.shards, unit.number, start=self.row, stripe=unit.stripe, stripes=unit.stripes)

    def take(self, num_pairs: int) -> list[Portion] | None:
        num_rows = max(1, min(ROWS_AT_ONCE, num_pairs // len(self._corpus.directions)))
        rows = self._take_rows(num_rows)
        if not rows:
            return None
        self.row = rows[-1][0] + 1
        return self._corpus.encode([texts for _, texts in rows])

    def _take_rows(self, num_rows: int) -> list[tuple[int, Texts | None]]:
        wait = _FIRST_WAIT_SECONDS
        for attempt in range(1, READING_ATTEMPTS + 1):
            try:
                return list(islice(self._records, num_rows))
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise InvalidInputError(f"{self._name}: the compressed data are damaged: {error}") from error
            except DragomanError:
                raise
            except Exception as error:  # each store has errors of its own
                if attempt == READING_ATTEMPTS or (not isinstance(error, OSError) and "://" not in self._name):
                    raise InvalidInputError(f"{self._name}: cannot be read: {error}") from error
            time.sleep(wait)
            wait *= 2
            self._records = self._read()
        raise AssertionError("the last attempt returns or raises")

    @property
    def _name(self) -> str:
        return " and ".join(self._corpus.shards.paths[self._unit.number])

    def close(self) -> None:
        self._records.close()
