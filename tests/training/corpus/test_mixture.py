"""A mixture of corpora: each pair once a pass, weights that change, and the same batches after a resumption."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.vocabulary import Vocabulary
from dragoman.training.corpus import mixture as mixture_module
from dragoman.training.corpus.batching import PlannedBatch, Position
from dragoman.training.corpus.cache import ParallelFiles, open_parts
from dragoman.training.corpus.corpus_config import Step
from dragoman.training.corpus.finishing import Finisher
from dragoman.training.corpus.mixture import MixedStream, Mixture, lane_units, weight_at
from dragoman.training.corpus.sources import CachedSource, StreamSource
from dragoman.training.corpus.text_file import inspect_text
from dragoman.training.text_config import AugmentationConfig, DataConfig, SubwordRegularizationConfig
from tests.training.corpus.streams.shard_files import write_json, write_tsv
from tests.training.tiny import FILES

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
BEGINNING = Position()
NUM_PAIRS = 150
NO_CHANGES = (SubwordRegularizationConfig(), AugmentationConfig())
CHANGES = (
    SubwordRegularizationConfig(source_alpha=0.3, target_alpha=0.2),
    AugmentationConfig(capitals=0.2, typos=0.3, concatenated=0.2),
)


@pytest.fixture(autouse=True)
def small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture_module, "MIN_POOL_PAIRS", 40)


def pairs_of(corpus: str, count: int = NUM_PAIRS) -> list[tuple[str, str]]:
    return [(f"{corpus} {number} dog", f"{corpus} Hund {number}") for number in range(count)]


def make_mixture(
    folder: Path,
    vocabulary: Vocabulary,
    changes: Any = NO_CHANGES,
    *,
    num_shards: int = 3,
    weights: Mapping[str, Sequence[Step]] | None = None,
    directions: Sequence[Direction] = (EN_DE,),
    max_updates: int = 100,
) -> Mixture:
    """Corpus a in shards of TSV, b in one of JSON lines, c cached."""
    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    size = -(-NUM_PAIRS // num_shards)
    for number in range(num_shards):
        a = write_tsv(folder / "a", pairs_of("a")[number * size : (number + 1) * size], str(number))
    b = write_json(folder / "b", [("", "blank"), *pairs_of("b"), ("long " * 70, "lang")])
    paths = {"en": folder / "c/c.en", "de": folder / "c/c.de"}
    for side, path in enumerate(paths.values()):
        path.write_text("".join(f"{pair[side]}\n" for pair in pairs_of("c")))
    ways = [str(direction) for direction in directions]
    data = DataConfig.model_validate({"directions": ways, "train": [FILES], "dev": FILES, "max_length": 60})
    files = {language: inspect_text(path) for language, path in paths.items()}
    cached = [ParallelFiles(way, files[way.source], files[way.target], name="c") for way in directions]
    parts = open_parts(folder / "cache", cached, vocabulary, data)
    return Mixture(
        [
            StreamSource("a", a, directions, vocabulary, 60),
            StreamSource("b", b, directions, vocabulary, 60),
            *(CachedSource(part, 60, 1 / len(parts)) for part in parts),
        ],
        weights or {"a": [(0, 1)], "b": [(0, 1)], "c": [(0, 1)]},
        Finisher(vocabulary, data, *changes),
        vocabulary,
        pool_pairs=40,
        seed=7,
        max_updates=max_updates,
    )


def texts_of(batch: PlannedBatch, vocabulary: Vocabulary) -> list[str]:
    sequences = batch.pool.source.choose(batch.indices).sequences()
    return [vocabulary.source.decode(pieces) for pieces in sequences]


def contents(batches: Sequence[PlannedBatch | None]) -> list[Any]:
    return [
        None
        if batch is None
        else (
            batch.pool.source.choose(batch.indices).sequences(),
            batch.pool.target.choose(batch.indices).sequences(),
            batch.target_tokens_by_corpus(),
        )
        for batch in batches
    ]


def read_updates(
    mixture: Mixture, count: int, start: Position = BEGINNING, *, lanes: int = 2, **world: int
) -> list[tuple[list[Any], Position]]:
    stream = MixedStream(mixture, 64).updates(start, lanes, **world)
    try:
        return [(contents(batches), position) for batches, position in islice(stream, count)]
    finally:
        stream.close()


def after_json(position: Position) -> Position:
    return Position.from_values(json.loads(json.dumps(asdict(position))))


@given(st.integers(1, 20), st.integers(1, 12), st.integers(0, 50))
def test_the_lanes_have_every_row_once_and_equally_many_units(num_units: int, num_lanes: int, num_rows: int) -> None:
    lanes = [lane_units(num_units, lane, num_lanes) for lane in range(num_lanes)]
    assert len({len(units) for units in lanes}) == 1
    rows = Counter(
        (unit.number, row)
        for units in lanes
        for unit in units
        for row in range(num_rows)
        if row % unit.stripes == unit.stripe
    )
    assert rows == Counter((number, row) for number in range(num_units) for row in range(num_rows))


def test_a_weight_holds_from_its_share_of_the_run_on() -> None:
    steps = [(0.0, 1.0), (0.5, 0.2), (0.9, 0.0)]
    assert [weight_at(steps, share) for share in (0, 0.49, 0.5, 0.89, 0.9, 1)] == [1, 1, 0.2, 0.2, 0, 0]


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_each_pass_has_every_pair_once(tmp_path: Path, tiny_vocabulary: Vocabulary, name: str, lanes: int) -> None:
    weights: dict[str, Sequence[Step]] = {other: [(0, float(other == name))] for other in "abc"}
    mixture = make_mixture(tmp_path, tiny_vocabulary, weights=weights)
    found: list[list[str]] = [[] for _ in range(lanes)]
    stream = MixedStream(mixture, 64).updates(Position(), lanes)
    for batches, _ in stream:
        for lane, batch in enumerate(batches):
            assert batch is not None
            found[lane] += texts_of(batch, tiny_vocabulary)
        if min(map(len, found)) > 2 * NUM_PAIRS // lanes + 80:
            break
    stream.close()
    expected = [en for en, _ in pairs_of(name)]
    seen = [Counter(texts) for texts in found]
    for one, other in pairwise(seen):
        assert one.keys().isdisjoint(other)
    together = sum(seen, Counter[str]())
    assert together.keys() == set(expected)
    for counts in seen:  # 40 pairs a pool, which are shuffled
        assert min(counts.values()) >= 1
        assert max(counts.values()) - min(counts.values()) <= 2


def test_shares_follow_weights_that_change(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    weights = {"a": [(0.0, 3.0), (0.5, 0.0)], "b": [(0.0, 1.0)], "c": [(0.0, 0.0), (0.5, 1.0)]}
    mixture = make_mixture(tmp_path, tiny_vocabulary, weights=weights, max_updates=400)
    updates = read_updates(mixture, 400, lanes=1)
    halves = [Counter[str](), Counter[str]()]
    for number, (batches, position) in enumerate(updates):
        assert position.lanes[0].share <= (number + 1) / 400
        halves[number >= 215].update(batches[0][2])  # a pool may reach into the second half
    tokens = [{name: half[name] / half.total() for name in "abc"} for half in halves]
    assert tokens[0]["a"] == pytest.approx(0.75, abs=0.05)
    assert tokens[1]["a"] == 0
    assert tokens[1]["b"] == pytest.approx(0.5, abs=0.05)


def test_a_resumed_run_gets_the_batches_of_an_undisturbed_one(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    def fresh() -> Mixture:
        return make_mixture(tmp_path, tiny_vocabulary, CHANGES, directions=(EN_DE, DE_EN), max_updates=30)

    expected = read_updates(fresh(), 30)
    assert read_updates(fresh(), 30) == expected
    for done in (1, 7, 16, 29):
        position = after_json(expected[done - 1][1])
        assert position == expected[done - 1][1]
        assert read_updates(fresh(), 30 - done, position) == expected[done:], done


def test_processes_share_the_batches_of_one(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    mixture = make_mixture(tmp_path, tiny_vocabulary, CHANGES)
    alone = read_updates(mixture, 12, lanes=4)
    shared = [read_updates(mixture, 12, lanes=4, rank=rank, size=2) for rank in range(2)]
    for (batches, _), *parts in zip(alone, *shared, strict=True):
        for lane, batch in enumerate(batches):
            own, other = parts[lane % 2][0][lane], parts[1 - lane % 2][0][lane]
            assert own == batch
            assert other is None


def test_what_has_no_usable_pair_is_told(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    mixture = make_mixture(tmp_path, tiny_vocabulary)
    blank = write_json(tmp_path / "b", [("", "leer")])
    mixture.sources = [StreamSource("b", blank, [EN_DE], tiny_vocabulary, 60)]
    mixture.names = ("b",)
    with pytest.raises(InvalidInputError, match="the corpus is empty: of b no pair is usable; 2 have a blank side"):
        read_updates(mixture, 1)


def test_other_lanes_than_those_of_the_run_are_refused(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    mixture = make_mixture(tmp_path, tiny_vocabulary)
    position = read_updates(mixture, 1)[0][1]
    with pytest.raises(InvalidInputError, match="updates have 2 batches; with 3 the batches would be others"):
        read_updates(mixture, 1, position, lanes=3)


def test_the_sample_and_the_description_stand_for_the_whole(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    mixture = make_mixture(tmp_path, tiny_vocabulary, weights={"a": [(0, 1), (0.5, 2)], "b": [(0, 1)], "c": [(0, 1)]})
    sample = mixture.sample()
    assert 35 <= len(sample) <= 43
    assert mixture.length_of_share(1.0) == max(len(pieces) for pieces in sample.source.sequences()) - 2
    lines = mixture.describe().splitlines()
    assert lines[1].startswith("  a: 3 shards en→de, ")
    assert lines[1].endswith(" bytes; weight 1 from 0%, 2 from 50%")
    assert lines[3] == "  c: 150 pairs en→de; weight 1"
