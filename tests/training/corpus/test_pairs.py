"""Parallel text from files, and its packed form."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign_vocabulary import ForeignSide, make_foreign_vocabulary
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.training.corpus.pairs import EncodedSide, encode_corpus, read_parallel
from tests.pieces import EOS_ID, PAD_ID, encode_source

sequences = st.lists(st.lists(st.integers(4, 2**31 - 1), min_size=1, max_size=9), min_size=1, max_size=12)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_sides_come_line_by_line(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.en", b"one\ntwo\n"), write(tmp_path / "a.de.gz", b"eins\r\nzwei")]
    assert read_parallel(paths) == [["one", "two"], ["eins", "zwei"]]


def test_sides_of_different_length_are_refused_with_files_and_counts(tmp_path: Path) -> None:
    english, german = write(tmp_path / "a.en", b"one\n" * 1200), write(tmp_path / "a.de", b"eins\n" * 1199)
    with pytest.raises(InvalidInputError) as caught:
        read_parallel([english, german])
    assert str(caught.value).startswith(f"{english} has 1,200 lines, but {german} has 1,199: ")


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\t\n\xc2\xa0\n"])
def test_an_empty_corpus_is_refused_with_its_file(tmp_path: Path, content: bytes) -> None:
    paths = [write(tmp_path / "a.en", content), write(tmp_path / "a.de", content)]
    with pytest.raises(InvalidInputError, match=r"a\.en: the corpus is empty"):
        read_parallel(paths)


@given(sequences)
@settings(deadline=None)
def test_packing_keeps_every_sequence(sequences: list[list[int]]) -> None:
    side = EncodedSide.pack(sequences)

    assert side.lengths.tolist() == [len(sequence) for sequence in sequences]
    unpacked = [side.pieces[side.offsets[i] : side.offsets[i + 1]].tolist() for i in range(len(sequences))]
    assert unpacked == sequences


@given(sequences, st.data())
@settings(deadline=None)
def test_padding_equals_its_slow_twin(sequences: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1))

    padded = EncodedSide.pack(sequences).pad(np.array(chosen), PAD_ID)

    longest = max(len(sequences[i]) for i in chosen)
    assert padded.tolist() == [sequences[i] + [PAD_ID] * (longest - len(sequences[i])) for i in chosen]
    assert padded.dtype == np.int64


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    sentences = ["the dog sleeps", "der Hund schläft", "the cat sleeps too", "die Katze schläft auch"]
    model = train_piece_model(sentences, PieceModelOptions(size=320), languages=["en", "de"])
    return Vocabulary(model, model)


ENGLISH, GERMAN = Direction("de", "en"), Direction("en", "de")


def encoded_pairs(
    vocabulary: Vocabulary, parts: Sequence[tuple[Direction, list[str], list[str]]]
) -> list[tuple[list[int], list[int]]]:
    """The twin of `encode_corpus`, which leaves out nothing."""
    return [
        (encode_source(vocabulary, source, direction), [*vocabulary.target.encode(target), EOS_ID])
        for direction, sources, targets in parts
        for source, target in zip(sources, targets, strict=True)
    ]


def test_encoding_frames_each_side(vocabulary: Vocabulary) -> None:
    parts = [
        (GERMAN, ["the dog", "the cat sleeps"], ["der Hund", "die Katze schläft"]),
        (ENGLISH, ["der Hund"], ["the dog"]),
    ]
    corpus = encode_corpus(parts, vocabulary, max_length=100)

    pairs = encoded_pairs(vocabulary, parts)
    assert len(corpus) == 3
    assert (corpus.skipped.blank, corpus.skipped.too_long) == (0, 0)
    assert corpus.source.pieces.tolist() == [piece for source, _ in pairs for piece in source]
    assert corpus.target.pieces.tolist() == [piece for _, target in pairs for piece in target]
    first_pieces = corpus.source.pieces[corpus.source.offsets[:-1]].tolist()
    assert first_pieces == [vocabulary.source.tag_id(language) for language in ("de", "de", "en")]


def test_a_translation_begins_with_the_pieces_that_its_frame_forces() -> None:
    side = ForeignSide(None, ["</s>", "<unk>", "a", "b", "__de__", "__en__"], unk_id=1, reserved=(0, 1, 4, 5))
    foreign = make_foreign_vocabulary(
        side,
        side,
        pad_id=0,
        start_id=0,
        eos_id=0,
        before=["{source}"],
        after=["</s>"],
        target_prefix=["{target}"],
        languages={"de": "__de__", "en": "__en__"},
    )
    corpus = encode_corpus([(Direction("en", "de"), ["a b"], ["b a"])], foreign, max_length=100)
    assert corpus.source.pieces.tolist() == [5, 2, 3, 0]
    assert corpus.target.pieces.tolist() == [4, 3, 2, 0]


def test_blank_pairs_are_left_out_and_counted(vocabulary: Vocabulary) -> None:
    sources = ["the dog", "", " \t", "the cat", "\u200b", "the dog sleeps"]
    targets = ["der Hund", "nichts", "nichts", " \u3000", "", "der Hund schläft"]

    corpus = encode_corpus([(GERMAN, sources, targets)], vocabulary, max_length=100)

    assert len(corpus) == 2
    assert (corpus.skipped.blank, corpus.skipped.too_long) == (4, 0)


def test_long_pairs_are_left_out_and_counted(vocabulary: Vocabulary) -> None:
    short, long = "the dog", "the dog sleeps " * 5
    limit = len(vocabulary.source.encode(short))
    sources, targets = [short, long, short], [short, short, long]

    corpus = encode_corpus([(GERMAN, sources, targets)], vocabulary, max_length=limit)

    assert len(corpus) == 1  # as long as the limit, without the tag and the end of sentence
    assert (corpus.skipped.blank, corpus.skipped.too_long) == (0, 2)
    with pytest.raises(InvalidInputError, match=f"1 pairs have a blank side, 3 have more than {limit - 1} pieces"):
        encode_corpus([(GERMAN, [*sources, ""], [*targets, ""])], vocabulary, max_length=limit - 1)
