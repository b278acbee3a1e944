"""Corpora that are mixed by weights, which may change over the run, and read again and again, without epochs.

Every update has a batch of each lane. A lane reads a part of every corpus that no other lane reads, in pools of its
own, so the processes of a run read disjoint parts. The lanes, and so the batches, stay the same however many processes
share them. A lane's place is a cursor in each corpus.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import gcd
from random import Random

import numpy as np

from dragoman.model.codec import Codec
from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.batching import LanePlace, PlannedBatch, PoolBatches, Position
from dragoman.training.corpus.corpus_config import Step
from dragoman.training.corpus.finishing import Finisher
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from dragoman.training.corpus.sources import OpenUnit, Portion, Source, Unit

MIN_POOL_PAIRS = 1024
"""Of a lane, so that pairs of equal length meet."""

SAMPLE_PAIRS = 40_000
"""Pairs that stand for the whole corpus, for instance in guided alignment."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A lane's place in a corpus: passes done, units of this pass done, and the next row of the unit."""

    passes: int = 0
    unit: int = 0
    row: int = 0


def lane_units(num_units: int, lane: int, num_lanes: int) -> list[Unit]:
    """The units of a lane. Where the lanes cannot share the blocks or shards evenly, these are divided by rows. All
    lanes together have every row once, and each has equally many units."""
    stripes = num_lanes // gcd(num_units, num_lanes)
    units = [Unit(number, stripe, stripes) for number in range(num_units) for stripe in range(stripes)]
    return units[lane::num_lanes]


def weight_at(steps: Sequence[Step], share: float) -> float:
    """The weight at a share of the run, 0 to 1; see `CorpusConfig.weight`."""
    return [weight for begin, weight in steps if begin <= share][-1]


class Mixture:
    """A mixture of corpora."""

    def __init__(
        self,
        sources: Sequence[Source],
        weights: Mapping[str, Sequence[Step]],
        finisher: Finisher,
        vocabulary: Codec,
        *,
        pool_pairs: int,
        seed: int,
        max_updates: int,
    ) -> None:
        """weights: of each corpus, by its name. pool_pairs: held in memory and shuffled together, by all lanes."""
        self.sources = sources
        self.weights = weights
        self.finisher = finisher
        self.vocabulary = vocabulary
        self.names = tuple(dict.fromkeys(source.name for source in sources))
        self.pool_pairs = pool_pairs
        self.seed = seed
        self.max_updates = max_updates

    @property
    def skipped(self) -> SkippedPairs:
        """The pairs left out so far."""
        found = [source.skipped for source in self.sources]
        return SkippedPairs(sum(one.blank for one in found), sum(one.too_long for one in found))

    def sample(self) -> EncodedCorpus:
        """Pairs from the beginning of the mixture as it is at the start of the run."""
        reader = _LaneReader(self, 0, 1)
        return reader.read(LanePlace.beginning(len(self.sources)), min(SAMPLE_PAIRS, self.pool_pairs))[0]

    def describe(self) -> str:
        """The corpora and their weights, for people."""
        lines = ["a mixture of corpora"]
        for name in self.names:
            units = [source.describe() for source in self.sources if source.name == name]
            steps = self.weights[name]
            weights = ", ".join(f"{weight:g} from {begin:.0%}" for begin, weight in steps)
            lines.append(f"\n  {name}: {', '.join(units)}; weight {weights if len(steps) > 1 else f'{steps[0][1]:g}'}")
        return "".join(lines)

    def length_of_share(self, share: float) -> int:
        """See `training.corpus.cache.CachedCorpus.length_of_share`; of the sample."""
        sample = self.sample()
        frames = [self.vocabulary.frame(direction).num_source for direction in self.finisher.directions]
        lengths = np.sort(sample.source.lengths) - max(frames)
        return int(lengths[min(len(lengths) - 1, int(share * len(lengths)))])

    def pools(self, *, seed: int, epoch: int) -> list[Callable[[], EncodedCorpus]]:
        """See `training.corpus.batching.PooledCorpus`: the sample, for what needs no more."""
        return [self.sample]


class MixedStream:
    """The batches of a mixture without end, one of each lane for an update.

    They depend only on the corpora, the weights, the seed and the number of lanes. A thread prepares the next pool of
    each lane while the run trains on the present ones.
    """

    def __init__(self, mixture: Mixture, batch_tokens: int) -> None:
        self.mixture = mixture
        self.batch_tokens = batch_tokens

    def updates(
        self, start: Position, num_batches: int, *, rank: int = 0, size: int = 1
    ) -> Generator[tuple[list[PlannedBatch | None], Position], None, None]:
        """For each update the batches of its lanes, and the position after it; of this process's lanes alone, `rank`
        and every `size`-th after it; the others' are None, and their places as at the start."""
        beginning = LanePlace.beginning(len(self.mixture.sources))
        places = list(start.lanes) or [beginning] * num_batches
        if len(places) != num_batches:
            raise InvalidInputError(
                f"the run's updates have {len(places)} batches; with {num_batches} the batches would be others"
            )
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pool")
        own = range(rank, num_batches, size)
        lanes = {
            lane: _Lane(_LaneReader(self.mixture, lane, num_batches), places[lane], self.batch_tokens, executor)
            for lane in own
        }
        try:
            while True:
                batches: list[PlannedBatch | None] = [None] * num_batches
                for number, lane in lanes.items():
                    batches[number], places[number] = lane.next()
                epoch = min((cursor[0] for number in own for cursor in places[number].cursors), default=0)
                yield batches, Position(epoch, lanes=tuple(places))
        finally:
            executor.shutdown(wait=True, cancel_futures=True)
            for lane in lanes.values():
                lane.reader.close()


class _Lane:
    """A lane's batches."""

    def __init__(
        self, reader: "_LaneReader", place: LanePlace, batch_tokens: int, executor: ThreadPoolExecutor
    ) -> None:
        self.reader = reader
        self._batch_tokens = batch_tokens
        self._executor = executor
        self._place = place
        self._upcoming = self._submit(place)
        self._batches: PoolBatches | None = None
        self._following = place

    def _submit(self, place: LanePlace) -> "Future[tuple[PoolBatches, LanePlace]]":
        return self._executor.submit(self._prepare, place)

    def _prepare(self, place: LanePlace) -> tuple[PoolBatches, LanePlace]:
        """The pool that begins at a place, and the place behind it."""
        mixture, lane = self.reader.mixture, self.reader.lane
        pool, cursors = self.reader.read(place, self.reader.pool_pairs)
        batches = PoolBatches(pool, self._batch_tokens, seed=(mixture.seed, lane, place.pool))
        num_done = place.batches + len(batches)
        following = LanePlace(place.pool + 1, 0, num_done, min(1.0, num_done / mixture.max_updates), cursors)
        return batches, following

    def next(self) -> tuple[PlannedBatch, LanePlace]:
        """The next batch, and the place behind it."""
        if self._batches is None:
            self._batches, self._following = self._upcoming.result()
            self._upcoming = self._submit(self._following)
        place = self._place
        batch = self._batches[place.batch]
        if place.batch + 1 < len(self._batches):
            self._place = place.after_batch()
        else:
            self._place, self._batches = self._following, None
        return batch, self._place


class _LaneReader:
    """Reads the pools of a lane. Files stay open between two pools that follow each other."""

    def __init__(self, mixture: Mixture, lane: int, num_lanes: int) -> None:
        self.mixture = mixture
        self.lane = lane
        self.pool_pairs = max(MIN_POOL_PAIRS, mixture.pool_pairs // num_lanes)
        self._units = [lane_units(source.num_units, lane, num_lanes) for source in mixture.sources]
        self._open: dict[int, tuple[Cursor, OpenUnit]] = {}  # of each source: where it stands

    def read(self, place: LanePlace, num_pairs: int) -> tuple[EncodedCorpus, tuple[tuple[int, int, int], ...]]:
        """The pool at a place, and the cursors behind it. Raises DragomanError."""
        mixture = self.mixture
        sides: list[tuple[EncodedSide, EncodedSide]] = []
        corpora: list[int] = []
        cursors: list[tuple[int, int, int]] = []
        for number, (source, wanted) in enumerate(zip(mixture.sources, self._quotas(place, num_pairs), strict=True)):
            portions, cursor = self._draw(number, Cursor(*place.cursors[number]), wanted)
            cursors.append((cursor.passes, cursor.unit, cursor.row))
            for count, portion in enumerate(portions):
                random = Random(repr((mixture.seed, self.lane, place.pool, number, count)))
                sides.append(mixture.finisher.finish(portion.direction, portion.source, portion.target, random))
                corpora.append(mixture.names.index(source.name))
        if not sides:
            raise InvalidInputError(
                f"the corpus is empty: of {', '.join(mixture.names)} no pair is usable; {mixture.skipped.blank:,} have "
                f"a blank side, {mixture.skipped.too_long:,} are too long"
            )
        pool = EncodedCorpus(
            EncodedSide.concatenate([source for source, _ in sides]),
            EncodedSide.concatenate([target for _, target in sides]),
            mixture.skipped,
            mixture.vocabulary.shape,
            mixture.names,
            np.repeat(corpora, [len(source) for source, _ in sides]) if len(mixture.names) > 1 else None,
        )
        return pool, tuple(cursors)

    def _quotas(self, place: LanePlace, num_pairs: int) -> list[int]:
        """Pairs of each source, rounded at random, so that small shares count as well."""
        mixture = self.mixture
        weights = [source.share * weight_at(mixture.weights[source.name], place.share) for source in mixture.sources]
        random = np.random.default_rng((mixture.seed, self.lane, place.pool, 1))
        return [
            int(num_pairs * weight / sum(weights) + draw)
            for weight, draw in zip(weights, random.random(len(weights)).tolist(), strict=True)
        ]

    def _draw(self, number: int, cursor: Cursor, num_pairs: int) -> tuple[list[Portion], Cursor]:
        """Usable pairs of a source from a cursor on, and the cursor behind them; fewer if a whole pass has none."""
        source, units = self.mixture.sources[number], self._units[number]
        portions: list[Portion] = []
        missing, last_found = num_pairs, cursor.passes
        while missing > 0 and units and cursor.passes - last_found < 2:
            order = np.random.default_rng((self.mixture.seed, self.lane, number, cursor.passes)).permutation(len(units))
            standing, opened = self._open.pop(number, (None, None))
            if opened is None or standing != cursor:
                if opened is not None:
                    opened.close()
                opened = source.open(units[order[cursor.unit]], cursor.row)
            taken = opened.take(missing)
            if taken is None:
                opened.close()
                is_last = cursor.unit + 1 == len(units)
                cursor = Cursor(cursor.passes + 1) if is_last else Cursor(cursor.passes, cursor.unit + 1)
                continue
            cursor = Cursor(cursor.passes, cursor.unit, opened.row)
            self._open[number] = (cursor, opened)
            found = [portion for portion in taken if len(portion.source)]
            if found:
                last_found = cursor.passes
            portions += found
            missing -= sum(len(portion.source) for portion in found)
        return portions, cursor

    def close(self) -> None:
        """Closes the files."""
        for _, opened in self._open.values():
            opened.close()
        self._open.clear()
