"""Learning shortlists: what the lists hold, what is held out, what is measured, and what ends in the bundle."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import dragoman.training.learning.shortlist
from dragoman.model.bundle import read_config
from dragoman.model.config import Direction, VocabularyShape
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.shortlist import CandidateLists, Shortlist, read_shortlist
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs, encode_corpus
from dragoman.training.learning.shortlist import (
    ShortlistOptions,
    add_shortlist,
    learn_lists,
    measure_coverage,
    split_corpus,
    thin_out,
)
from dragoman.training.learning.translation_table import num_links
from tests.pieces import EOS_ID, VOCABULARY

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
OPTIONS = ShortlistOptions(frequent=8, best=3)


@pytest.fixture(scope="module")
def corpus(tiny_sentences: list[str], tiny_vocabulary: Vocabulary) -> EncodedCorpus:
    parts = [(EN_DE, tiny_sentences[::2], tiny_sentences[1::2])]
    return encode_corpus(parts, tiny_vocabulary, max_length=100)


@pytest.fixture(scope="module")
def lists(corpus: EncodedCorpus, tiny_vocabulary: Vocabulary) -> CandidateLists:
    return learn_lists(corpus, EN_DE, tiny_vocabulary, OPTIONS)


def id_of(vocabulary: Vocabulary, piece: str) -> int:
    return vocabulary.source.pieces(range(vocabulary.source.size)).index(piece)


def spell(vocabulary: Vocabulary, ids: list[int]) -> tuple[str, ...]:
    return vocabulary.target.pieces(ids)


# The lists


def test_the_most_frequent_pieces_are_always_possible(corpus: EncodedCorpus, lists: CandidateLists) -> None:
    counts = np.bincount(corpus.target.pieces)
    counts[EOS_ID] = 0
    others = np.setdiff1d(np.arange(len(counts)), lists.always)
    assert len(lists.always) == OPTIONS.frequent + 1
    assert EOS_ID in lists.always
    assert counts[lists.always[lists.always != EOS_ID]].min() >= counts[others].max()


def test_a_word_brings_its_translation_along(lists: CandidateLists, tiny_vocabulary: Vocabulary) -> None:
    possible = {*lists.always.tolist(), *lists.of(id_of(tiny_vocabulary, "▁dog")).tolist()}
    assert "▁Hund" in spell(tiny_vocabulary, sorted(possible))


def test_lists_are_short_ascending_and_repeat_nothing(
    corpus: EncodedCorpus, lists: CandidateLists, tiny_vocabulary: Vocabulary
) -> None:
    lists.check(tiny_vocabulary.shape)
    for source in range(tiny_vocabulary.source.size):
        ids = lists.of(source).tolist()
        assert ids == sorted(set(ids))
        assert len(ids) <= OPTIONS.best + 2  # itself, and itself beginning a word
        assert not set(ids) & set(lists.always.tolist())
    assert max(len(lists.of(source)) for source in corpus.source.pieces) > 2


def test_nothing_that_no_translation_may_hold_is_allowed(lists: CandidateLists, tiny_vocabulary: Vocabulary) -> None:
    allowed = {*lists.always.tolist(), *lists.pieces.tolist()}
    assert not allowed & set(tiny_vocabulary.forbidden_ids())


def test_tag_and_end_of_sentence_bring_nothing_along(lists: CandidateLists, tiny_vocabulary: Vocabulary) -> None:
    for source in tiny_vocabulary.frame(EN_DE).enclose(()):
        assert lists.of(source).size == 0


def test_unlikely_translations_are_left_out(corpus: EncodedCorpus, tiny_vocabulary: Vocabulary) -> None:
    likely = learn_lists(corpus, EN_DE, tiny_vocabulary, ShortlistOptions(frequent=8, best=50, min_probability=0.2))
    all_of_them = learn_lists(corpus, EN_DE, tiny_vocabulary, ShortlistOptions(frequent=8, best=50, min_probability=0))
    assert set(likely.pieces.tolist()) <= set(all_of_them.pieces.tolist())
    assert len(likely.pieces) < len(all_of_them.pieces)


def test_a_vocabulary_smaller_than_frequent_is_allowed_whole(
    corpus: EncodedCorpus, tiny_vocabulary: Vocabulary
) -> None:
    lists = learn_lists(corpus, EN_DE, tiny_vocabulary, ShortlistOptions(frequent=100_000))
    possible = set(range(tiny_vocabulary.target.size)) - set(tiny_vocabulary.forbidden_ids())
    assert set(lists.always.tolist()) == possible
    assert len(lists.pieces) == 0


def test_what_was_never_seen_may_be_copied(lists: CandidateLists, tiny_vocabulary: Vocabulary) -> None:
    source_ids = tiny_vocabulary.source.encode("7 Ã")
    copied = {piece for source in source_ids for piece in lists.of(source).tolist()}
    assert len(source_ids) >= 3
    assert set(source_ids) <= copied | set(lists.always.tolist())


def test_copies_are_found_by_spelling_in_two_vocabularies(tiny_sentences: list[str]) -> None:
    options = PieceModelOptions(size=330, type="bpe")
    english = train_piece_model([*tiny_sentences[::2], "Tom Tom"], options, languages=["de"])
    german = train_piece_model([*tiny_sentences[1::2], "Tom Tom XTom"], options, languages=["de"])
    vocabulary = Vocabulary(english, german)
    corpus = encode_corpus([(EN_DE, tiny_sentences[::2], tiny_sentences[1::2])], vocabulary, max_length=100)
    lists = learn_lists(corpus, EN_DE, vocabulary, OPTIONS)
    copied = 0
    for source, piece in enumerate(english.pieces(range(english.size))):
        found = {spelling.removeprefix("▁") for spelling in german.pieces(lists.of(source).tolist())}
        copied += piece.removeprefix("▁") in found
    assert copied > 100


# Held-out pairs


def numbered_corpus(num_pairs: int) -> EncodedCorpus:
    side = EncodedSide.pack([[number, EOS_ID] for number in range(num_pairs)])
    return EncodedCorpus(side, side, SkippedPairs(), VOCABULARY)


@pytest.mark.parametrize(
    ("num_pairs", "num_held_out"), [(2, 1), (27, 3), (20_000, 2000), (20_010, 1820), (50_000, 2000)]
)
def test_a_tenth_at_most_is_held_out(num_pairs: int, num_held_out: int) -> None:
    learnt, held_out = split_corpus(numbered_corpus(num_pairs))
    assert len(held_out) == num_held_out
    numbers = np.concatenate((learnt.source.pieces[::2], held_out.target.pieces[::2]))
    assert sorted(numbers.tolist()) == list(range(num_pairs))


@pytest.mark.parametrize("divisor", [1, 2, 3])
def test_a_large_corpus_is_thinned_out(divisor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = numbered_corpus(30)  # of 4 links each
    monkeypatch.setattr(dragoman.training.learning.shortlist, "MAX_LINKS", 120 // divisor)
    thinned = thin_out(corpus)
    assert num_links(thinned).sum() == 120 // divisor
    assert thinned.source.pieces[::2].tolist() == list(range(0, 30, divisor))
    assert thinned.target.pieces.tolist() == thinned.source.pieces.tolist()


def test_coverage_by_hand() -> None:
    always, offsets = np.array([EOS_ID]), np.array([0, 0, 0, 0, 0, 1, 3])
    shortlist = Shortlist(
        {EN_DE: CandidateLists(always, offsets, np.array([7, 8, 9]))},
        VocabularyShape(source_size=6, target_size=10, joint=False),
    )
    source = EncodedSide.pack([[4], [5, 4], [5]])
    target = EncodedSide.pack([[7, 8, 7, EOS_ID], [9, 7, EOS_ID], [7, EOS_ID]])
    coverage = measure_coverage(shortlist, EN_DE, EncodedCorpus(source, target, SkippedPairs(), VOCABULARY))
    assert coverage.pieces == pytest.approx(7 / 9)
    assert coverage.sentences == pytest.approx(1 / 3)
    assert coverage.mean_size == pytest.approx((2 + 4 + 3) / 3)
    assert (coverage.vocab_size, coverage.num_pairs) == (10, 3)


# Into the bundle


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may change."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture
def files(tiny_sentences: list[str], tmp_path: Path) -> dict[str, Path]:
    """The tiny corpus on disk, by language."""
    paths = {language: tmp_path / f"corpus.{language}" for language in ("en", "de")}
    for path, sentences in zip(paths.values(), (tiny_sentences[::2], tiny_sentences[1::2]), strict=True):
        path.write_text("".join(f"{sentence}\n" for sentence in sentences), "utf-8")
    return paths


def test_a_direction_is_added_and_the_others_stay(folder: Path, files: dict[str, Path], tmp_path: Path) -> None:
    english, german = files["en"], files["de"]
    add_shortlist(str(folder), "en", "de", source=english, target=german, options=OPTIONS)
    first = read_shortlist(folder, read_config(folder))
    direction, coverage = add_shortlist(
        str(folder), None, "en", source=german, target=english, options=OPTIONS, vmap=tmp_path / "vmap.txt"
    )
    both = read_shortlist(folder, read_config(folder))
    assert direction == DE_EN
    assert both.lists.keys() == {EN_DE, DE_EN}
    assert both.lists[EN_DE].pieces.tolist() == first.lists[EN_DE].pieces.tolist()
    assert coverage.num_pairs == 3
    assert 0.9 < coverage.pieces <= 1
    assert OPTIONS.frequent < coverage.mean_size < coverage.vocab_size / 4
    assert (tmp_path / "vmap.txt").read_text("utf-8").startswith("\t")


def test_what_does_not_fit_is_refused(folder: Path, files: dict[str, Path]) -> None:
    def add(target_language: str) -> None:
        add_shortlist(
            str(folder), None, target_language, source=files["en"], target=files["de"], options=ShortlistOptions()
        )

    with pytest.raises(NotFoundError, match='"tiny" does not translate to "fr"'):
        add("fr")
    files["en"].write_text("The dog.\n", "utf-8")
    with pytest.raises(InvalidInputError, match=r"corpus\.en has 1 lines, but .*corpus\.de has 27"):
        add("de")
    files["de"].write_text("Der Hund.\n", "utf-8")
    with pytest.raises(InvalidInputError, match=r"corpus\.en: one sentence pair is too little to learn a shortlist"):
        add("de")
    (folder / "shortlist.safetensors").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"shortlist\.safetensors: damaged"):
        add("de")
