"""What a mixture draws from: usable pairs, in each direction, also from a store that fails now and then."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.vocabulary import Vocabulary
from dragoman.training.corpus import sources
from dragoman.training.corpus.sources import READING_ATTEMPTS, StreamSource, Unit
from dragoman.training.corpus.streams.records import read_records
from tests.training.corpus.streams.shard_files import write_tsv

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
PAIRS = [("one", "eins"), ("", "leer"), ("two", "zwei"), ("long " * 40, "lang"), ("three", "drei")]


@pytest.fixture
def source(tmp_path: Path, tiny_vocabulary: Vocabulary) -> StreamSource:
    return StreamSource("web", write_tsv(tmp_path, PAIRS), [EN_DE, DE_EN], tiny_vocabulary, 20)


def texts(source: StreamSource, vocabulary: Vocabulary, num_pairs: int = 4) -> dict[str, list[tuple[str, str]]]:
    opened = source.open(Unit(0), 0)
    found: dict[str, list[tuple[str, str]]] = {}
    while (portions := opened.take(num_pairs)) is not None:
        for direction, *sides in portions:
            decoded = [[vocabulary.source.decode(pieces) for pieces in side.sequences()] for side in sides]
            found.setdefault(str(direction), []).extend(zip(*decoded, strict=True))
    opened.close()
    return found


def test_usable_pairs_come_in_each_direction_and_the_others_are_counted(
    source: StreamSource, tiny_vocabulary: Vocabulary
) -> None:
    expected = [PAIRS[0], PAIRS[2], PAIRS[4]]
    assert texts(source, tiny_vocabulary) == {
        "en→de": expected,
        "de→en": [(german, english) for english, german in expected],
    }
    assert (source.skipped.blank, source.skipped.too_long) == (2, 2)


class Failing:
    """Reading that breaks off before the record `place`, so many times."""

    def __init__(self, times: int, place: int) -> None:
        self.times, self.place = times, place

    def __call__(self, *arguments: Any, **options: Any) -> Generator[Any, None, None]:
        for number, texts in read_records(*arguments, **options):
            if number == self.place and self.times:
                self.times -= 1
                raise OSError("the store is away")
            yield number, texts


def test_reading_goes_on_where_a_store_failed(
    source: StreamSource, tiny_vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = texts(source, tiny_vocabulary)
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.setattr(sources, "read_records", Failing(READING_ATTEMPTS - 1, 2))
    assert texts(source, tiny_vocabulary) == undisturbed
    assert waits == [2, 4, 8, 16]
    monkeypatch.setattr(sources, "read_records", Failing(READING_ATTEMPTS, 3))
    with pytest.raises(InvalidInputError, match=r"0\.tsv\.gz: cannot be read: the store is away"):
        texts(source, tiny_vocabulary)


def test_damaged_data_are_named(source: StreamSource, tiny_vocabulary: Vocabulary) -> None:
    path = Path(source.shards.paths[0][0])
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InvalidInputError, match=r"0\.tsv\.gz: the compressed data are damaged"):
        texts(source, tiny_vocabulary, 100)
