"""The corpus on the disk: the same pairs as in memory, found again by a second start, drawn as configured."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.training.corpus.batching import BatchStream, Position
from dragoman.training.corpus.cache import CachedCorpus, ParallelFiles, open_corpus
from dragoman.training.corpus.pairs import EncodedCorpus, encode_corpus
from dragoman.training.corpus.text_file import inspect_text
from dragoman.training.text_config import AugmentationConfig, DataConfig, SubwordRegularizationConfig
from tests.training.tiny import FILES

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
MAX_LENGTH = 60
NO_SAMPLING = SubwordRegularizationConfig()
SAMPLING = SubwordRegularizationConfig(source_alpha=0.2, target_alpha=0.1)

Pair = tuple[tuple[int, ...], tuple[int, ...]]


@pytest.fixture
def pairs(tiny_sentences: list[str]) -> list[tuple[str, str]]:
    """2,700 pairs, all different; then blank and long ones."""
    good = [
        (f"{number} {english}", f"{german} {number}")
        for number in range(100)
        for english, german in zip(tiny_sentences[::2], tiny_sentences[1::2], strict=True)
    ]
    return [*good, ("", "leer"), ("blank", " "), ("long " * 40, "lang"), ("short", "lang " * 40), ("", "lang " * 40)]


def parallel_files(
    folder: Path, pairs: Sequence[tuple[str, str]], directions: Sequence[Direction] = (EN_DE,), *, repeat: int = 1
) -> list[ParallelFiles]:
    folder.mkdir(exist_ok=True)
    paths = {"en": folder / "train.en", "de": folder / "train.de"}
    for side, path in enumerate(paths.values()):
        path.write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    files = {language: inspect_text(path) for language, path in paths.items()}
    return [ParallelFiles(way, files[way.source], files[way.target], repeat) for way in directions]


def opened(
    folder: Path,
    files: Sequence[ParallelFiles],
    vocabulary: Vocabulary,
    regularization: SubwordRegularizationConfig = NO_SAMPLING,
    augmentation: AugmentationConfig | None = None,
    **options: Any,
) -> CachedCorpus:
    values = {
        "directions": ["en-de"],
        "train": [FILES],
        "dev": FILES,
        "max_length": MAX_LENGTH,
        "shuffle_pairs": 1024,
    } | options
    data = DataConfig.model_validate(values)
    return open_corpus(folder / "cache", files, vocabulary, data, regularization, augmentation)


def pairs_of(corpus: EncodedCorpus) -> list[Pair]:
    def sequences(side: Any) -> list[tuple[int, ...]]:
        return [tuple(pieces.tolist()) for pieces in np.split(side.pieces, side.offsets[1:-1])]

    return list(zip(sequences(corpus.source), sequences(corpus.target), strict=True))


def epoch_of(corpus: CachedCorpus, *, seed: int = 1, epoch: int = 0) -> list[list[Pair]]:
    """The pairs of each pool of an epoch."""
    return [pairs_of(read()) for read in corpus.pools(seed=seed, epoch=epoch)]


def in_memory(
    pairs: Sequence[tuple[str, str]], vocabulary: Vocabulary, directions: Sequence[Direction]
) -> EncodedCorpus:
    english, german = [english for english, _ in pairs], [german for _, german in pairs]
    parts = [(way, english, german) if way == EN_DE else (way, german, english) for way in directions]
    return encode_corpus(parts, vocabulary, max_length=MAX_LENGTH)


def other_vocabulary(sentences: Sequence[str]) -> Vocabulary:
    models = [
        train_piece_model(part, PieceModelOptions(size=330), languages=["en", "de"])
        for part in (sentences[::2], sentences[1::2])
    ]
    return Vocabulary(*models)


@pytest.mark.parametrize("joint", [True, False])
def test_an_epoch_has_the_pairs_of_the_text_once(
    tmp_path: Path,
    pairs: list[tuple[str, str]],
    tiny_vocabulary: Vocabulary,
    tiny_sentences: list[str],
    joint: bool,
) -> None:
    vocabulary = tiny_vocabulary if joint else other_vocabulary(tiny_sentences)
    files = parallel_files(tmp_path, pairs, (EN_DE, DE_EN))

    corpus = opened(tmp_path, files, vocabulary)
    expected = in_memory(pairs, vocabulary, (EN_DE, DE_EN))

    assert len(corpus) == len(expected) == 2 * 2700
    assert corpus.skipped == expected.skipped
    assert (corpus.skipped.blank, corpus.skipped.too_long) == (6, 4)
    for epoch in (0, 1):
        pools = epoch_of(corpus, epoch=epoch)
        assert all(0 < len(pool) <= 1024 for pool in pools)
        assert Counter(pair for pool in pools for pair in pool) == Counter(pairs_of(expected))
    assert len([*(tmp_path / "cache").iterdir()]) == (2 if joint else 4), "both directions share a file's pieces"


def test_a_small_corpus_is_one_pool(tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary) -> None:
    corpus = opened(tmp_path, parallel_files(tmp_path, pairs), tiny_vocabulary, shuffle_pairs=10_000)
    assert len(corpus.pools(seed=1, epoch=0)) == 1


@pytest.mark.parametrize("regularization", [NO_SAMPLING, SAMPLING], ids=["plain", "sampled"])
def test_a_second_start_goes_on_from_any_position(
    tmp_path: Path,
    pairs: list[tuple[str, str]],
    tiny_vocabulary: Vocabulary,
    regularization: SubwordRegularizationConfig,
) -> None:
    files = parallel_files(tmp_path, pairs)

    def batches(start: Position, number: int) -> list[tuple[list[list[int]], list[list[int]], Position]]:
        corpus = opened(tmp_path, files, tiny_vocabulary, regularization)
        stream = BatchStream(corpus, 2048, seed=3).batches(start)
        made = ((planned.make(), position) for planned, position in islice(stream, number))
        return [(batch.source.tolist(), batch.labels.tolist(), position) for batch, position in made]

    whole = batches(Position(), 90)
    assert whole[-1][2].epoch >= 1
    for done in (1, 30, len(whole) - 5):
        assert batches(whole[done - 1][2], len(whole) - done) == whole[done:]


def test_sampled_epochs_have_the_same_text_in_other_pieces(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    files = parallel_files(tmp_path, pairs)
    corpus = opened(tmp_path, files, tiny_vocabulary, SAMPLING)
    epochs = [[pair for pool in epoch_of(corpus, epoch=epoch) for pair in pool] for epoch in (0, 1)]
    plain = pairs_of(in_memory(pairs, tiny_vocabulary, (EN_DE,)))

    def texts(pairs: list[Pair]) -> list[tuple[str, ...]]:
        return sorted(tuple(map(tiny_vocabulary.source.decode, pair)) for pair in pairs)

    assert texts(epochs[0]) == texts(epochs[1]) == texts(plain)
    assert len({*epochs[0]} & {*plain}) < 300
    assert len({*epochs[0]} & {*epochs[1]}) < 300
    assert {(source[0], source[-1], target[-1]) for source, target in epochs[0]} == {
        (source[0], source[-1], target[-1]) for source, target in plain
    }
    longest = max(len(target) - 1 for _, target in epochs[0])
    assert longest <= MAX_LENGTH
    assert [[pair for pool in epoch_of(corpus) for pair in pool]] == epochs[:1]


def test_a_side_without_sampling_keeps_its_pieces(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    only_source = SubwordRegularizationConfig(source_alpha=0.3)
    corpus = opened(tmp_path, parallel_files(tmp_path, pairs), tiny_vocabulary, only_source)
    sampled = [pair for pool in epoch_of(corpus) for pair in pool]
    plain = pairs_of(in_memory(pairs, tiny_vocabulary, (EN_DE,)))

    assert Counter(target for _, target in sampled) == Counter(target for _, target in plain)
    assert Counter(source for source, _ in sampled) != Counter(source for source, _ in plain)


def test_a_pair_that_a_pool_has_several_times_is_segmented_anew_each_time(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    files = parallel_files(tmp_path, pairs[:200], repeat=5)
    [pool] = epoch_of(opened(tmp_path, files, tiny_vocabulary, SAMPLING))

    assert len(pool) == 1000
    assert len({source for source, _ in pool}) > 600


def test_an_augmented_epoch_has_some_pairs_changed_and_each_epoch_others(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    files = parallel_files(tmp_path, pairs)
    lower = AugmentationConfig(lower_case=0.5)

    def texts(epoch: int) -> list[tuple[str, str]]:
        corpus = opened(tmp_path, files, tiny_vocabulary, augmentation=lower)
        decode = tiny_vocabulary.source.decode
        return [(decode(source), decode(target)) for pool in epoch_of(corpus, epoch=epoch) for source, target in pool]

    changed = texts(0)
    plain = {(source.casefold(), target) for source, target in pairs[:2700]}
    assert {(source.casefold(), target) for source, target in changed} == plain
    assert sum(source.islower() for source, _ in changed) == pytest.approx(1350, abs=130)
    assert changed == texts(0), "a resumed run draws the same"
    assert {pair for pair in changed if pair[0].islower()} != {pair for pair in texts(1) if pair[0].islower()}
    original = opened(tmp_path, files, tiny_vocabulary, augmentation=AugmentationConfig())
    assert epoch_of(original) == epoch_of(opened(tmp_path, files, tiny_vocabulary))


def test_a_pair_that_would_become_too_long_stays(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    files = parallel_files(tmp_path, pairs)
    corpus = opened(tmp_path, files, tiny_vocabulary, augmentation=AugmentationConfig(concatenated=0.9))
    lengths = [max(len(source) - 2, len(target) - 1) for pool in epoch_of(corpus) for source, target in pool]
    assert len(lengths) == 2700
    assert MAX_LENGTH / 2 < max(lengths) <= MAX_LENGTH


@pytest.mark.parametrize(
    ("augmentation", "fault"),
    [
        (AugmentationConfig(stand_ins=0.1), r"augmentation\.stand_ins: the vocabulary has no stand-ins"),
        (AugmentationConfig(terms=0.1), r"augmentation\.terms: the vocabulary lacks the marks"),
    ],
)
def test_stand_ins_and_terms_need_pieces_of_their_own(
    tmp_path: Path,
    pairs: list[tuple[str, str]],
    tiny_vocabulary: Vocabulary,
    augmentation: AugmentationConfig,
    fault: str,
) -> None:
    with pytest.raises(InvalidInputError, match=fault):
        opened(tmp_path, parallel_files(tmp_path, pairs), tiny_vocabulary, augmentation=augmentation)


def test_a_second_start_encodes_nothing(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = parallel_files(tmp_path, pairs, (EN_DE, DE_EN))
    first = epoch_of(opened(tmp_path, files, tiny_vocabulary))
    monkeypatch.setattr("dragoman.training.corpus.cache.write_encoded", None)

    moved = [replace(part, source=replace(part.source, path=tmp_path / "elsewhere")) for part in files]
    for again in (files, moved):  # found by what the files hold, wherever they lie
        assert epoch_of(opened(tmp_path, again, tiny_vocabulary)) == first


def test_whatever_the_encoding_hangs_on_makes_it_anew(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary, tiny_sentences: list[str]
) -> None:
    def names() -> set[str]:
        return {path.name for path in (tmp_path / "cache").iterdir()}

    files = parallel_files(tmp_path, pairs)
    opened(tmp_path, files, tiny_vocabulary)
    seen = names()
    opened(tmp_path, files, tiny_vocabulary, SAMPLING)
    assert names() == seen, "sampling takes the same pieces"
    for change in range(3):
        if change == 0:
            opened(tmp_path, files, tiny_vocabulary, max_length=61)
        elif change == 1:
            opened(tmp_path, files, other_vocabulary(tiny_sentences))
        else:
            opened(tmp_path, parallel_files(tmp_path, pairs[1:]), tiny_vocabulary)
        assert len(names()) == 2, "what no longer fits is deleted"
        assert not names() & seen
        seen |= names()


def test_half_an_encoded_file_is_made_anew(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    files = parallel_files(tmp_path, pairs)
    first = epoch_of(opened(tmp_path, files, tiny_vocabulary))
    path = min((tmp_path / "cache").iterdir())
    path.write_bytes(path.read_bytes()[:-7])

    assert epoch_of(opened(tmp_path, files, tiny_vocabulary)) == first


def test_an_encoded_file_under_anothers_name_is_refused(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    files = parallel_files(tmp_path, pairs)
    opened(tmp_path, files, tiny_vocabulary)
    one, other = sorted((tmp_path / "cache").iterdir())
    one.write_bytes(other.read_bytes())
    with pytest.raises(InvalidInputError, match=r"\.pieces: is of another corpus; delete it"):
        opened(tmp_path, files, tiny_vocabulary)


def test_a_file_damaged_on_the_way_is_told_by_the_stream(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    corpus = opened(tmp_path, parallel_files(tmp_path, pairs), tiny_vocabulary)
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DragomanError, match="is damaged; delete it"):
        next(BatchStream(corpus, 64, seed=1).batches(Position()))


def test_a_corpus_without_a_usable_pair_is_refused(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    files = parallel_files(tmp_path, [("", "leer"), ("long " * 40, "lang"), ("x", " ")])
    with pytest.raises(InvalidInputError, match="the corpus is empty: 2 pairs have a blank side, 1 have more than 60"):
        opened(tmp_path, files, tiny_vocabulary)


def test_the_length_that_a_share_of_an_epoch_does_not_exceed(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    short, long = ("house", "Haus"), ("house " * 8, "Haus")
    lengths = [len(tiny_vocabulary.source.encode(source)) for source, _ in (short, long)]
    many = parallel_files(tmp_path / "a", [short] * 90 + [("", "leer"), ("house " * 200, "lang")])
    few = parallel_files(tmp_path / "b", [long] * 5, repeat=2)
    corpus = opened(tmp_path, [*many, *few], tiny_vocabulary)
    assert corpus.quotas == [90, 10]
    assert [corpus.length_of_share(share) for share in (0.5, 0.9, 0.91, 1.0)] == [lengths[0]] * 2 + [lengths[1]] * 2


def test_repeats_and_temperature_change_how_often_pairs_come(
    tmp_path: Path, pairs: list[tuple[str, str]], tiny_vocabulary: Vocabulary
) -> None:
    good = pairs[:2700]
    files = [*parallel_files(tmp_path / "a", good[:2500]), *parallel_files(tmp_path / "b", good[2500:2525], repeat=4)]
    rare = {*pairs_of(in_memory(good[2500:2525], tiny_vocabulary, (EN_DE,)))}

    def times(corpus: CachedCorpus) -> Counter[Pair]:
        return Counter(pair for pool in epoch_of(corpus) for pair in pool)

    plain = times(opened(tmp_path, files, tiny_vocabulary))
    assert {plain[pair] for pair in rare} == {4}
    assert {plain[pair] for pair in plain.keys() - rare} == {1}
    assert plain.total() == 2600

    warm = opened(tmp_path, files, tiny_vocabulary, sampling_temperature=2.0)
    assert warm.quotas == [2167, 433]  # as 50 : 10
    counts = times(warm)
    assert counts.total() == 2600
    assert {counts[pair] for pair in rare} == {17, 18}
    assert len(counts.keys() - rare) == 2167
    table = warm.describe().splitlines()
    assert table[1:] == [
        f"  en→de  {tmp_path}/a/train.en → {tmp_path}/a/train.de: 2,500 pairs, 2,167 an epoch, 83.3%",
        f"  en→de  {tmp_path}/b/train.en → {tmp_path}/b/train.de: 25 pairs, 433 an epoch, 16.7%",
    ]
